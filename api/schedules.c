/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Schedules of pipelines and of whole experiments. */
#include "handlers.h"
#include "text.h"

#include <string.h>

#define FIRES_SHOWN 100

static bool add_schedule(void *arg, const struct schedule_row *s)
{
    listing_add(arg, schedule_json(s));
    return true;
}

static bool add_fire(void *arg, const struct fire_row *f)
{
    (void)json_array_append_new(arg, fire_json(f));
    return true;
}

enum err handle_schedules(struct request *r, struct error *error)
{
    struct db *db;
    struct listing l = {.b = BUF_INIT};
    enum err err = request_db(r, &db, error);
    buf_adds(&l.b, "{\"schedules\":[");
    if (!err)
        err = schedule_list(db, strcmp(r->arg[0], "-") ? r->arg[0] : NULL, add_schedule, &l, error);
    buf_adds(&l.b, "]}");
    if (!err)
        answer_buf(r, 200, &l.b);
    buf_release(&l.b);
    return err;
}

enum err handle_schedule(struct request *r, struct error *error)
{
    struct db *db;
    struct schedule_row *s;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = schedule_get(db, r->arg[0], r->arg[1], &s, error);
    if (err)
        return err;
    json_t *json = schedule_json(s), *fires = json_array();
    err = fire_list(db, s->id, FIRES_SHOWN, add_fire, fires, error);
    (void)json_object_set_new(json, "fires", fires);
    schedule_free(s);
    if (err)
        json_decref(json);
    else
        answer_json(r, 200, json);
    return err;
}

enum err handle_schedule_create(struct request *r, struct error *error)
{
    static const char *const members[] = {"name", "when", "pipeline", "params", "root", "code", "experiment", NULL};
    json_t *body;
    enum err err = request_document(r, members, &body, error);
    if (err)
        return err;
    if (json_object_get(body, "pipeline"))
        return request_pipeline(r, body, error);
    json_t *run = json_object_get(json_object_get(body, "experiment"), "run");
    const char *backend = json_string_value(json_object_get(run, "backend"));
    struct problems problems = {0};
    if (backend && !strcmp(backend, "pipeline"))
        core_pin(r->api->core, r->arg[0], run, "/experiment/run", &problems);
    if (problems.n)
        err = err_set(error, ERR_INVALID, "SPEC_INVALID", "%s: %s", problems.items[0].pointer, problems.items[0].detail);
    problems_release(&problems);
    if (!err)
        return request_send(r, body, error);
    json_decref(body);
    return err;
}

static enum err pause(struct request *r, bool paused, struct error *error)
{
    return request_send(r, json_pack("{s:b}", "paused", paused), error);
}

enum err handle_schedule_pause(struct request *r, struct error *error)
{
    return pause(r, true, error);
}

enum err handle_schedule_resume(struct request *r, struct error *error)
{
    return pause(r, false, error);
}
