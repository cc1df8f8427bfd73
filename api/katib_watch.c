/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A watch of Kubernetes: lines of {"type", "object"}, made of the event log. Each look reads the new events and shows every object they touched
 * once, as it is now, so a watcher that is slow sees the newest state and no backlog. */
#include "katib.h"

#include "base/clock.h"
#include "model/katib.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

#define EVENTS_A_LOOK 200
#define BOOKMARK_MS 15000

struct following {
    struct katib_ask ask;
    int64_t until; /* mono ms */
    bool bookmarks, all_first;
};

/* One object that events of this look were about. */
struct touched {
    char *project, *experiment;
    int64_t trial, revision;
    bool created, deleted;
};

struct look {
    const struct katib_ask *ask;
    struct touched *items;
    size_t n, cap;
    int64_t seen, last;
};

static bool wanted(const struct katib_ask *ask, const struct event *e)
{
    const char *experiment = ask->kind == KATIB_TRIAL || ask->experiment ? ask->experiment : ask->name;
    bool about_trial = ask->kind == KATIB_TRIAL;
    if ((about_trial && !e->trial) || (ask->project && strcmp(ask->project, e->project) != 0) || (experiment && strcmp(experiment, e->experiment) != 0))
        return false;
    char *of CLEANUP_FREE = NULL;
    int64_t number;
    return !about_trial || !ask->name || (katib_trial_name(ask->name, &of, &number) && number == e->trial && !strcmp(of, e->experiment));
}

static struct touched *touch(struct look *l, const struct event *e)
{
    int64_t trial = l->ask->kind == KATIB_TRIAL ? e->trial : 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].trial == trial && !strcmp(l->items[i].experiment, e->experiment) && !strcmp(l->items[i].project, e->project))
            return &l->items[i];
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->items = x_realloc(l->items, l->cap * sizeof *l->items);
    }
    struct touched *t = &l->items[l->n++];
    *t = (struct touched){.project = x_strdup(e->project), .experiment = x_strdup(e->experiment), .trial = trial};
    return t;
}

static bool add_event(void *arg, const struct event *e)
{
    struct look *l = arg;
    l->seen++;
    l->last = e->revision;
    if (!wanted(l->ask, e))
        return true;
    struct touched *t = touch(l, e);
    bool itself = l->ask->kind == KATIB_TRIAL || !e->trial;
    const char *verb = strrchr(e->kind, '.');
    t->revision = e->revision;
    if (itself && verb && !strcmp(verb, ".created")) {
        t->created = true;
        t->deleted = false;
    }
    if (itself && verb && !strcmp(verb, ".deleted"))
        t->deleted = true;
    return true;
}

static void release(struct look *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].project);
        free(l->items[i].experiment);
    }
    free(l->items);
}

static void write_line(struct buf *out, const char *type, json_t *object)
{
    buf_addf(out, "{\"type\":\"%s\",\"object\":", type);
    text_json(out, object);
    buf_adds(out, "}\n");
    json_decref(object);
}

static json_t *object_now(struct db *db, enum katib_kind kind, const struct touched *t, struct error *error)
{
    struct experiment *e;
    struct trial *row = NULL;
    json_t *out = NULL;
    if (experiment_get(db, t->project, t->experiment, &e, error))
        return NULL;
    if (kind == KATIB_EXPERIMENT)
        out = katib_experiment_json(db, e, error);
    else if (kind == KATIB_SUGGESTION)
        out = katib_suggestion_json(db, e, error);
    else if (!trial_get(db, e->id, t->trial, &row, error))
        out = katib_trial_json(db, e, row, error);
    trial_free(row);
    experiment_free(e);
    return out;
}

static enum err show(struct db *db, struct buf *out, const struct look *l, struct error *error)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct touched *t = &l->items[i];
        error->code = OK;
        json_t *now = object_now(db, l->ask->kind, t, error);
        if (!now && error->code != ERR_NOT_FOUND)
            return error->code;
        if (now)
            write_line(out, t->created ? "ADDED" : "MODIFIED", now);
        else if (!t->created) /* what came and went in between was never there */
            write_line(out, "DELETED", katib_gone_json(l->ask->kind, t->project, t->experiment, t->trial, t->revision));
    }
    return OK;
}

static void add_object(void *arg, json_t *object)
{
    write_line(arg, "ADDED", object);
}

static void end(struct buf *out, const struct error *error)
{
    json_t *status = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "status", "Failure", "reason",
                               error->code == ERR_GONE ? "Expired" : "InternalError", "message", error->detail, "code", err_http(error->code));
    write_line(out, "ERROR", status);
}

static enum err look(struct stream *s, struct following *f, struct db *db, struct error *error)
{
    int64_t first, last;
    struct look l = {.ask = &f->ask};
    struct event_query q = {.after = s->after, .project = f->ask.project, .limit = EVENTS_A_LOOK};
    enum err err = event_bounds(db, &first, &last, error);
    if (err)
        return err;
    if (f->all_first) {
        f->all_first = false;
        s->after = last;
        return katib_each(db, &f->ask, add_object, &s->out, error);
    }
    if (s->after > last || s->after + 1 < first)
        return err_set(error, ERR_GONE, "REVISION_TOO_OLD", "too old resource version: %" PRId64 " (events are kept from %" PRId64 " to %" PRId64 ")", s->after, first, last);
    err = event_list(db, &q, add_event, &l, error);
    if (!err)
        err = show(db, &s->out, &l, error);
    if (!err)
        s->after = l.seen == q.limit ? l.last : last;
    release(&l);
    return err;
}

static bool fill(struct request *r)
{
    struct stream *s = r->stream;
    struct following *f = s->arg;
    struct error error = {0};
    struct db *db = store_reader(r->api->store);
    if (!db)
        return true; /* the next wake tries again */
    enum err err = db_begin_read(db, &error);
    if (!err) {
        err = look(s, f, db, &error);
        db_end_read(db);
    }
    store_reader_done(r->api->store, db);
    int64_t now = clock_mono_ms();
    if (err)
        end(&s->out, &error);
    else if (f->bookmarks && !s->out.len && now >= s->bookmark_at)
        write_line(&s->out, "BOOKMARK", json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", KATIB_API_VERSION, "kind", katib_kinds[f->ask.kind], "metadata", "resourceVersion",
                                                  json_sprintf("%" PRId64, s->after)));
    if (s->out.len || now >= s->bookmark_at)
        s->bookmark_at = now + BOOKMARK_MS < f->until ? now + BOOKMARK_MS : f->until;
    return !err && now < f->until;
}

static void free_following(struct stream *s)
{
    struct following *f = s->arg;
    katib_ask_release(&f->ask);
    free(f);
}

enum err katib_watch(struct request *r, struct katib_ask *ask, int64_t after, double seconds, bool bookmarks, struct error *error)
{
    (void)error;
    struct following *f = X_NEW(struct following);
    int64_t now = clock_mono_ms();
    *f = (struct following){.ask = *ask, .until = now + (int64_t)(seconds * 1000), .bookmarks = bookmarks, .all_first = after < 0};
    r->stream = X_NEW(struct stream);
    *r->stream = (struct stream){.fill = fill, .release = free_following, .type = "application/json", .after = after < 0 ? 0 : after, .arg = f};
    r->stream->bookmark_at = now + BOOKMARK_MS < f->until ? now + BOOKMARK_MS : f->until;
    r->next = NEXT_STREAM;
    return OK;
}
