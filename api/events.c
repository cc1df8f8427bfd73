/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The event log: pages, long polls, and streams of server-sent events. */
#include "base/clock.h"
#include "handlers.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 10000
#define STREAM_PAGE 100
#define BOOKMARK_MS 15000
#define NOT_SAID (-1)

struct ask {
    int64_t after, limit, experiment_id, run_id;
    const char *project;
    double wait;
    bool stream;
};

struct found {
    struct buf b;
    int64_t n, last;
};

static enum err find_experiment(struct request *r, struct db *db, const char *project, const char *name, int64_t *id, struct error *error)
{
    struct experiment *e;
    enum err err = experiment_get(db, project, name, &e, error);
    (void)r;
    if (err)
        return err;
    *id = e->id;
    experiment_free(e);
    return OK;
}

static enum err find_run(struct db *db, const char *uid, int64_t *id, struct error *error)
{
    struct run_row *row;
    enum err err = run_get(db, uid, &row, error);
    if (err)
        return err;
    *id = row->id;
    run_free(row);
    return OK;
}

static enum err read_ask(struct request *r, struct db *db, struct ask *a, struct error *error)
{
    const char *project = request_query(r, "project"), *experiment = request_query(r, "experiment"), *last = r->header[HEADER_LAST_EVENT_ID];
    *a = (struct ask){.project = project && *project ? project : NULL, .stream = request_accepts(r, "text/event-stream")};
    enum err err = query_int(r, "after", NOT_SAID, 0, INT64_MAX, &a->after, error);
    if (!err)
        err = query_int(r, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX, &a->limit, error);
    if (!err)
        err = query_seconds(r, "wait", &a->wait, error);
    if (!err && last && *last) {
        char *end;
        errno = 0;
        a->after = strtoll(last, &end, 10);
        if (*end || errno || a->after < 0)
            err = err_set(error, ERR_INVALID, "QUERY", "Last-Event-ID must be the id of an event, not \"%.40s\"", last);
    }
    if (!err && r->arg[1] && strstr(r->route->path, "/runs/"))
        err = find_run(db, r->arg[1], &a->run_id, error);
    else if (!err && r->arg[1])
        err = find_experiment(r, db, r->arg[0], r->arg[1], &a->experiment_id, error);
    else if (!err && experiment && *experiment)
        err = find_experiment(r, db, a->project ? a->project : "default", experiment, &a->experiment_id, error);
    return err;
}

static enum err check_place(int64_t after, int64_t first, int64_t last, struct error *error)
{
    if (after > last)
        return err_set(error, ERR_GONE, "REVISION_UNKNOWN", "revision %" PRId64 " is beyond the last one, %" PRId64 ": the data is another's or older; list anew and go on from there", after, last);
    if (after + 1 < first)
        return err_set(error, ERR_GONE, "REVISION_TOO_OLD", "events are kept from revision %" PRId64 " on: list anew and go on from there", first);
    return OK;
}

static bool add_json(void *arg, const struct event *e)
{
    struct found *f = arg;
    if (f->n++)
        buf_add(&f->b, ",", 1);
    text_event(&f->b, e);
    f->last = e->revision;
    return true;
}

static bool add_sse(void *arg, const struct event *e)
{
    struct found *f = arg;
    f->n++;
    buf_addf(&f->b, "id: %" PRId64 "\nevent: %s\ndata: ", e->revision, e->kind);
    text_event(&f->b, e);
    buf_adds(&f->b, "\n\n");
    f->last = e->revision;
    return true;
}

/* Events after q->after, and where to go on: the last one given, or the end of the log when there are no more. One snapshot. */
static enum err look(struct db *db, struct event_query *q, event_row_fn *row, struct found *f, int64_t *next, struct error *error)
{
    int64_t first, last;
    enum err err = db_begin_read(db, error);
    if (err)
        return err;
    err = event_bounds(db, &first, &last, error);
    if (!err && q->after == NOT_SAID)
        q->after = first ? first - 1 : 0;
    if (!err)
        err = check_place(q->after, first, last, error);
    if (!err)
        err = event_list(db, q, row, f, error);
    db_end_read(db);
    *next = f->n == q->limit ? f->last : last;
    return err;
}

static void end_stream(struct stream *s, const struct error *error)
{
    buf_adds(&s->out, "event: error\ndata: {\"code\":");
    text_string(&s->out, error->name);
    buf_adds(&s->out, ",\"detail\":");
    text_string(&s->out, error->detail);
    buf_adds(&s->out, "}\n\n");
}

static bool fill(struct request *r)
{
    struct stream *s = r->stream;
    struct event_query q = {.after = s->after, .experiment_id = s->experiment > 0 ? s->experiment : 0, .run_id = s->experiment < 0 ? -s->experiment : 0, .project = s->arg, .limit = STREAM_PAGE};
    struct found f = {.b = s->out};
    struct error error;
    struct db *db = store_reader(r->api->store);
    if (!db)
        return true; /* the next wake tries again */
    enum err err = look(db, &q, add_sse, &f, &s->after, &error);
    store_reader_done(r->api->store, db);
    s->out = f.b;
    int64_t now = clock_mono_ms();
    if (!err && !f.n && now >= s->bookmark_at)
        buf_addf(&s->out, "id: %" PRId64 "\nevent: bookmark\ndata: {\"revision\":%" PRId64 "}\n\n", s->after, s->after);
    if (s->out.len)
        s->bookmark_at = now + BOOKMARK_MS;
    if (err)
        end_stream(s, &error);
    return !err;
}

static void release(struct stream *s)
{
    free(s->arg);
}

static enum err begin_stream(struct request *r, struct db *db, const struct ask *a, struct error *error)
{
    int64_t first, last;
    enum err err = event_bounds(db, &first, &last, error);
    if (!err && a->after != NOT_SAID)
        err = check_place(a->after, first, last, error);
    if (err)
        return err;
    r->stream = X_NEW(struct stream);
    *r->stream = (struct stream){.fill = fill, .release = release, .type = "text/event-stream"};
    r->stream->after = a->after == NOT_SAID ? last : a->after;
    r->stream->experiment = a->run_id ? -a->run_id : a->experiment_id; /* as watchers know them */
    r->stream->arg = a->project && !a->experiment_id && !a->run_id ? x_strdup(a->project) : NULL;
    r->stream->bookmark_at = clock_mono_ms() + BOOKMARK_MS;
    /* the headers are to leave at once: without a first line a client sees nothing until something happens */
    buf_addf(&r->stream->out, ": revision %" PRId64 "\n\n", r->stream->after);
    r->next = NEXT_STREAM;
    return OK;
}

static enum err answer_events(struct request *r, struct db *db, const struct ask *a, struct error *error)
{
    struct event_query q = {.after = a->after, .experiment_id = a->experiment_id, .run_id = a->run_id, .project = a->experiment_id ? NULL : a->project, .limit = a->limit};
    struct found f = {0};
    int64_t next;
    buf_adds(&f.b, "{\"events\":[");
    enum err err = look(db, &q, add_json, &f, &next, error);
    if (!err && !f.n && request_may_wait(r, a->wait)) {
        request_wait(r, a->run_id ? -a->run_id : a->experiment_id, r->deadline);
    } else if (!err) {
        buf_addf(&f.b, "],\"next_revision\":%" PRId64 "}", next);
        answer_buf(r, 200, &f.b);
    }
    buf_release(&f.b);
    return err;
}

enum err handle_events(struct request *r, struct error *error)
{
    struct ask ask;
    struct db *db;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = read_ask(r, db, &ask, error);
    if (err)
        return err;
    return ask.stream ? begin_stream(r, db, &ask, error) : answer_events(r, db, &ask, error);
}

enum err handle_experiment_events(struct request *r, struct error *error)
{
    return handle_events(r, error);
}
