/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Schedules: made, paused, removed, and fired when their time has come. What a firing starts, the firing itself and the next time are written in one
 * transaction, so each planned minute starts one run, whatever is killed when. */
#include "base/id.h"
#include "base/json_text.h"
#include "core/flow.h"
#include "model/cron.h"

#include <string.h>
#include <time.h>

#define LATE_MS 60000      /* later than this the service was not there when it was time */
#define CATCH_UP_MAX 10
#define LOOK_MAX 100000    /* planned times that are looked through at once */
#define LOOK_AGAIN_MS 60000 /* the wall clock may be set */

struct schedule_live {
    struct schedule_row *row;
    struct cron *cron;
};

static const char *const beside[] = {"params", NULL}; /* members of `when` that are ours */

static struct cron *read_cron(const char *text)
{
    struct problems ignored = {0};
    json_t *document = json_loads(text, 0, NULL);
    struct cron *cron = cron_read(document, "", beside, &ignored);
    problems_release(&ignored);
    json_decref(document);
    return cron;
}

static void add(struct core *c, const struct schedule_row *row)
{
    struct cron *cron = read_cron(row->document);
    if (!cron)
        return; /* cannot be: it was read when it was made */
    c->schedules = x_realloc(c->schedules, (c->n_schedules + 1) * sizeof *c->schedules);
    c->schedules[c->n_schedules++] = (struct schedule_live){schedule_copy(row), cron};
}

static bool add_row(void *arg, const struct schedule_row *row)
{
    add(arg, row);
    return true;
}

void schedules_free(struct core *c)
{
    for (size_t i = 0; i < c->n_schedules; i++) {
        schedule_free(c->schedules[i].row);
        cron_free(c->schedules[i].cron);
    }
    free(c->schedules);
    c->schedules = NULL;
    c->n_schedules = 0;
}

enum err schedules_load(struct core *c, struct error *error)
{
    schedules_free(c);
    return schedule_list(c->db, NULL, add_row, c, error);
}

static struct schedule_live *find(struct core *c, const char *project, const char *name)
{
    for (size_t i = 0; i < c->n_schedules; i++)
        if (!strcmp(c->schedules[i].row->project, project) && !strcmp(c->schedules[i].row->name, name))
            return &c->schedules[i];
    return NULL;
}

static enum err find_or_say(struct core *c, const struct command *command, struct schedule_live **out, struct error *error)
{
    *out = find(c, command->project, command->run);
    return *out ? OK : err_set(error, ERR_NOT_FOUND, "SCHEDULE_NOT_FOUND", "project %s has no schedule %.100s", command->project, command->run);
}

static int64_t next_of(const struct cron *cron, int64_t after_ms)
{
    int64_t next = cron_next(cron, after_ms);
    return next == INT64_MAX ? 0 : next;
}

/* --- asked for */

static json_t *target_of(const json_t *body)
{
    static const char *const members[] = {"pipeline", "code", "params", "experiment"};
    json_t *target = json_object();
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        (void)json_object_set(target, members[i], json_object_get(body, members[i]));
    return target;
}

/* What it will start is tried now, as far as that can be: a schedule that can only fail is refused. */
static void check_target(const json_t *body, const json_t *when, struct problems *problems)
{
    const json_t *document = json_object_get(body, "pipeline"), *experiment = json_object_get(body, "experiment");
    if (!document == !experiment) {
        problems_add(problems, "", "REQUIRED", NULL, "a schedule has either a pipeline or an experiment");
    } else if (experiment) {
        spec_free(spec_new(experiment, core_catalog(), problems));
    } else {
        struct pipeline *p = pipeline_new(document, problems);
        json_t *params = json_object();
        (void)json_object_update(params, json_object_get(body, "params"));
        (void)json_object_update(params, json_object_get(when, "params"));
        if (p)
            json_decref(pipeline_bind(p, params, "/params", problems));
        json_decref(params);
        pipeline_free(p);
    }
}

static enum err insert(struct core *c, struct command *command, const struct cron *cron, struct error *error)
{
    const json_t *b = command->body;
    json_t *when = cron_json(cron), *target = target_of(b);
    (void)json_object_set(when, "params", json_object_get(json_object_get(b, "when"), "params"));
    char *document CLEANUP_FREE = json_text(when), *text CLEANUP_FREE = json_text(target);
    struct schedule_row row = {.project = command->project,
                               .name = json_string_value(json_object_get(b, "name")),
                               .kind = json_object_get(b, "experiment") ? "experiment" : "pipeline",
                               .document = document,
                               .target = text,
                               .next_ms = next_of(cron, c->now),
                               .create_ms = c->now};
    json_decref(when);
    json_decref(target);
    enum err err = project_exists(c->db, command->project) ? schedule_insert(c->db, &row, error)
                                                           : err_set(error, ERR_NOT_FOUND, "PROJECT_NOT_FOUND", "there is no project %s", command->project);
    if (err)
        return err;
    c->schedules_changed = true;
    add(c, &row);
    command->reply = schedule_json(&row);
    command->http_status = 201;
    wake_at(c, c->mono);
    return OK;
}

enum err apply_schedule_create(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct problems problems = {0};
    const json_t *when = json_object_get(command->body, "when");
    const char *name = json_string_value(json_object_get(command->body, "name"));
    struct cron *cron = cron_read(when, "/when", beside, &problems);
    if (!name || !spec_name_ok(name))
        problems_add(&problems, "/name", "NAME", NULL, "must be lower-case letters, digits, - and ., at most %d", SPEC_NAME_MAX);
    if (!problems.n)
        check_target(command->body, when, &problems);
    enum err err = problems.n ? refuse_problems(command, &problems, error) : insert(c, command, cron, error);
    problems_release(&problems);
    cron_free(cron);
    return err;
}

enum err apply_schedule_pause(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct schedule_live *s;
    enum err err = find_or_say(c, command, &s, error);
    if (err)
        return err;
    s->row->paused = json_is_true(json_object_get(command->body, "paused"));
    s->row->next_ms = next_of(s->cron, c->now); /* what was passed over while it was paused was meant to be */
    s->row->queued = 0;
    c->schedules_changed = true;
    err = schedule_update(c->db, s->row, error);
    if (!err)
        command->reply = schedule_json(s->row);
    wake_at(c, c->mono);
    return err;
}

enum err apply_schedule_delete(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct schedule_live *s;
    enum err err = find_or_say(c, command, &s, error);
    if (!err)
        err = schedule_delete(c->db, s->row->id, error);
    if (err)
        return err;
    c->schedules_changed = true;
    schedule_free(s->row);
    cron_free(s->cron);
    *s = c->schedules[--c->n_schedules];
    return OK;
}

/* --- fired */

struct live_runs {
    int64_t ids[64];
    size_t n;
};

static bool keep_id(void *arg, const struct run_row *r)
{
    struct live_runs *l = arg;
    l->ids[l->n++] = r->id;
    return l->n < ARRAY_LEN(l->ids);
}

static bool keep_started(void *arg, const struct fire_row *f)
{
    bool started = !strcmp(f->outcome, "STARTED");
    if (started)
        (void)snprintf(arg, SPEC_NAME_MAX + 1, "%s", f->started);
    return !started;
}

/* The experiment that it started last, while that is under way. */
static struct live *running_experiment(struct core *c, const struct schedule_row *s)
{
    char name[SPEC_NAME_MAX + 1] = "";
    struct live *l = NULL;
    if (fire_list(c->db, s->id, 100, keep_started, name, NULL) || !*name || live_get(c, s->project, name, &l, NULL))
        return NULL;
    live_touch(c, l);
    return experiment_state_final(l->row->state) ? NULL : l;
}

static enum err is_busy(struct core *c, const struct schedule_row *s, struct live_runs *runs, struct live **experiment, struct error *error)
{
    *runs = (struct live_runs){0};
    *experiment = NULL;
    if (!strcmp(s->kind, "experiment")) {
        *experiment = running_experiment(c, s);
        return OK;
    }
    return run_of_schedule(c->db, s->id, keep_id, runs, error);
}

static enum err replace(struct core *c, const struct live_runs *runs, struct live *experiment, struct error *error)
{
    enum err err = OK;
    for (size_t i = 0; i < runs->n && !err; i++) {
        struct flow *f;
        err = flow_get(c, runs->ids[i], &f, error);
        if (!err && f->row->state == RUN_RUNNING)
            err = flow_stop(c, f, RUN_CANCELLED, "REPLACED", "the next run of its schedule began", error);
    }
    return err || !experiment ? err : experiment_end_begin(c, experiment, "USER", "the next run of its schedule began", true, error);
}

static enum err start_run(struct core *c, const struct schedule_row *s, const json_t *target, const json_t *when, int64_t planned, char *started, struct error *error)
{
    char key[64];
    struct flow *f;
    (void)snprintf(key, sizeof key, "s-%lld-%lld", (long long)s->id, (long long)(planned / 1000));
    json_t *params = json_object(), *time = time_json(planned), *origin = json_pack("{s:s, s:o}", "schedule", s->name, "planned_time", time);
    (void)json_object_update(params, json_object_get(target, "params"));
    (void)json_object_update(params, json_object_get(when, "params"));
    struct flow_ask ask = {.project = s->project,
                           .document = json_object_get(target, "pipeline"),
                           .code = json_object_get(target, "code"),
                           .key = key,
                           .params = params,
                           .origin = origin,
                           .schedule_id = s->id};
    enum err err = flow_make(c, &ask, &f, NULL, error);
    if (!err)
        (void)snprintf(started, ID_TEXT, "%s", f->row->uid);
    json_decref(params);
    json_decref(origin);
    return err;
}

static enum err start_experiment(struct core *c, const struct schedule_row *s, const json_t *target, int64_t planned, char *started, struct error *error)
{
    struct problems problems = {0};
    time_t seconds = planned / 1000;
    struct tm utc;
    char stamp[32];
    (void)gmtime_r(&seconds, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
    (void)snprintf(started, SPEC_NAME_MAX + 1, "%.40s-%.15s", s->name, stamp);
    json_t *document = json_deep_copy(json_object_get(target, "experiment"));
    (void)json_object_set_new(document, "name", json_string(started));
    struct spec *spec = spec_new(document, core_catalog(), &problems);
    json_decref(document);
    enum err err = OK;
    struct live *l;
    if (!spec)
        err = err_set(error, ERR_INVALID, NULL, "%s: %s", problems.items[0].pointer, problems.items[0].detail);
    problems_release(&problems);
    return err ? err : experiment_make(c, s->project, spec, &l, error);
}

static enum err note(struct core *c, const struct schedule_row *s, int64_t planned, const char *outcome, const char *started, const char *message, struct error *error)
{
    struct fire_row f = {.schedule_id = s->id, .planned_ms = planned, .outcome = outcome, .started = started, .message = message, .time_ms = c->now};
    return fire_put(c->db, &f, error);
}

static enum err start(struct core *c, struct schedule_live *s, int64_t planned, struct error *error)
{
    char started[SPEC_NAME_MAX + 1] = ""; /* a uid fits */
    struct error why = {0};
    json_t *target = json_loads(s->row->target, 0, NULL), *when = json_loads(s->row->document, 0, NULL);
    enum err err = !strcmp(s->row->kind, "experiment") ? start_experiment(c, s->row, target, planned, started, &why)
                                                       : start_run(c, s->row, target, when, planned, started, &why);
    json_decref(target);
    json_decref(when);
    if (err == ERR_STORAGE || err == ERR_INTERNAL) {
        *error = why;
        return err;
    }
    return note(c, s->row, planned, err ? "FAILED" : "STARTED", err ? "" : started, err ? why.detail : "", error);
}

static enum err fire(struct core *c, struct schedule_live *s, int64_t planned, struct error *error)
{
    struct live_runs runs;
    struct live *experiment;
    enum overlap overlap = cron_overlap(s->cron);
    enum err err = is_busy(c, s->row, &runs, &experiment, error);
    bool busy = runs.n || experiment;
    if (err)
        return err;
    if (busy && (overlap == OVERLAP_SKIP || (overlap == OVERLAP_QUEUE && s->row->queued)))
        return note(c, s->row, planned, "SKIPPED", "", "the run before was still under way", error);
    if (busy && overlap == OVERLAP_QUEUE) {
        s->row->queued = planned;
        return note(c, s->row, planned, "QUEUED", "", "it waits for the run before to end", error);
    }
    if (busy && overlap == OVERLAP_REPLACE)
        err = replace(c, &runs, experiment, error);
    return err ? err : start(c, s, planned, error);
}

static enum err start_queued(struct core *c, struct schedule_live *s, struct error *error)
{
    struct live_runs runs;
    struct live *experiment;
    enum err err = is_busy(c, s->row, &runs, &experiment, error);
    if (err || runs.n || experiment)
        return err;
    int64_t planned = s->row->queued;
    c->schedules_changed = true;
    s->row->queued = 0;
    err = start(c, s, planned, error);
    return err ? err : schedule_update(c->db, s->row, error);
}

/* The planned times up to now, of which the last CATCH_UP_MAX are kept. */
struct due {
    int64_t planned[CATCH_UP_MAX];
    size_t n;
};

static struct due take_due(struct core *c, struct schedule_live *s)
{
    struct due d = {0};
    int64_t at = s->row->next_ms;
    for (int i = 0; at && at <= c->now && i < LOOK_MAX; i++) {
        if (d.n == CATCH_UP_MAX) {
            memmove(d.planned, d.planned + 1, (CATCH_UP_MAX - 1) * sizeof *d.planned);
            d.n--;
        }
        d.planned[d.n++] = at;
        at = next_of(s->cron, at);
    }
    s->row->next_ms = at && at <= c->now ? next_of(s->cron, c->now) : at;
    return d;
}

static bool is_missed(struct core *c, const struct schedule_live *s, const struct due *d, size_t i)
{
    int64_t late = c->now - d->planned[i];
    double deadline = cron_deadline_s(s->cron);
    if (deadline > 0 && (double)late > deadline * 1000)
        return true;
    if (late <= LATE_MS)
        return false;
    return cron_catchup(s->cron) == CATCHUP_NONE || (cron_catchup(s->cron) == CATCHUP_LAST && i + 1 < d->n);
}

static enum err come_due(struct core *c, struct schedule_live *s, struct error *error)
{
    struct due d = take_due(c, s);
    enum err err = OK;
    c->schedules_changed = true;
    for (size_t i = 0; i < d.n && !err; i++)
        err = is_missed(c, s, &d, i) ? note(c, s->row, d.planned[i], "MISSED", "", "the service was not there in time", error) : fire(c, s, d.planned[i], error);
    return err ? err : schedule_update(c->db, s->row, error);
}

enum err schedules_fire(struct core *c, struct error *error)
{
    enum err err = OK;
    for (size_t i = 0; i < c->n_schedules && !err; i++) {
        struct schedule_live *s = &c->schedules[i];
        if (s->row->queued)
            err = start_queued(c, s, error);
        if (!err && !s->row->paused && s->row->next_ms && s->row->next_ms <= c->now)
            err = come_due(c, s, error);
        if (!s->row->paused && s->row->next_ms) {
            int64_t wait = s->row->next_ms - c->now;
            wake_at(c, c->mono + (wait < LOOK_AGAIN_MS ? wait : LOOK_AGAIN_MS));
        }
    }
    return err;
}
