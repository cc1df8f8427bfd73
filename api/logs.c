/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a trial wrote, by byte offsets, so that it can be followed. */
#include "base/clock.h"
#include "handlers.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

#define LIMIT_DEFAULT 65536
#define LIMIT_MAX (4 << 20)
#define LINE_GUESS 256 /* bytes read for each line of ?tail */
#define LOOK_AGAIN_MS 300 /* a log grows without telling anybody */

struct ask {
    int64_t offset, limit, tail, attempt;
    bool is_stderr;
    double wait;
};

static enum err read_ask(const struct request *r, struct ask *a, struct error *error)
{
    const char *stream = request_query(r, "stream");
    enum err err = query_int(r, "offset", 0, INT64_MIN, INT64_MAX, &a->offset, error);
    if (!err)
        err = query_int(r, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX, &a->limit, error);
    if (!err)
        err = query_int(r, "tail", 0, 0, LIMIT_MAX, &a->tail, error);
    if (!err)
        err = query_int(r, "attempt", 0, 1, INT64_MAX, &a->attempt, error);
    if (!err)
        err = query_seconds(r, "wait", &a->wait, error);
    if (!err && stream && strcmp(stream, "stdout") != 0 && strcmp(stream, "stderr") != 0)
        err = err_set(error, ERR_INVALID, "QUERY", "stream must be stdout or stderr, not \"%.40s\"", stream);
    a->is_stderr = stream && !strcmp(stream, "stderr");
    return err;
}

/* Its run key and the backend it runs on; malloced. */
static enum err find_run(struct request *r, struct db *db, const struct experiment *e, const struct trial *t, int64_t number, char **backend,
                         char **run_key, struct error *error)
{
    struct attempt *attempt;
    (void)r;
    if (!number)
        number = t->attempt;
    if (!number)
        return err_set(error, ERR_NOT_FOUND, "NO_LOGS", "trial %" PRId64 " has not been started yet", t->number);
    enum err err = attempt_get(db, t->id, number, &attempt, error);
    if (err)
        return err;
    json_t *document = experiment_document(e), *run = json_object_get(document, "run");
    const char *name = json_string_value(json_object_get(run, "backend"));
    *backend = x_strdup(name ? name : "process");
    *run_key = x_strdup(run ? attempt->run_key : "");
    json_decref(document);
    attempt_free(attempt);
    return OK;
}

/* Keeps the last `lines` lines. */
static void keep_tail(struct buf *b, int64_t lines)
{
    size_t from = b->len;
    while (from > 0) {
        if (b->data[from - 1] == '\n' && from < b->len && --lines == 0)
            break;
        from--;
    }
    buf_remove_front(b, from);
}

static void answer_logs(struct request *r, struct buf *bytes, int64_t next, bool end)
{
    if (request_accepts(r, "application/json")) {
        struct buf json = BUF_INIT;
        buf_adds(&json, "{\"text\":");
        text_string_n(&json, bytes->data ? bytes->data : "", bytes->len);
        buf_addf(&json, ",\"next_offset\":%" PRId64 ",\"end\":%s}", next, end ? "true" : "false");
        answer_buf(r, 200, &json);
    } else {
        answer_text(r, 200, "text/plain; charset=utf-8", bytes);
    }
    answer_header(r, "Next-Offset", "%" PRId64, next);
    answer_header(r, "Log-End", "%s", end ? "true" : "false");
}

static enum err read_logs(struct request *r, const struct ask *ask, const char *backend, const char *run_key, int64_t experiment, struct error *error)
{
    struct buf bytes = BUF_INIT;
    int64_t next = 0, offset = ask->offset, max = ask->limit;
    bool end = false;
    if (ask->tail) {
        max = ask->tail * LINE_GUESS < LIMIT_MAX ? ask->tail * LINE_GUESS : LIMIT_MAX;
        max = max < LIMIT_DEFAULT ? LIMIT_DEFAULT : max;
        offset = -max;
    }
    enum err err = core_logs(r->api->core, backend, run_key, ask->is_stderr, offset, (size_t)max, &bytes, &next, &end, error);
    if (!err && ask->tail)
        keep_tail(&bytes, ask->tail);
    if (!err && !bytes.len && !end && request_may_wait(r, ask->wait)) {
        int64_t again = clock_mono_ms() + LOOK_AGAIN_MS;
        request_wait(r, experiment, again < r->deadline ? again : r->deadline);
    } else if (!err) {
        answer_logs(r, &bytes, next, end);
    }
    buf_release(&bytes);
    return err;
}

enum err answer_logs_of(struct request *r, const char *backend, const char *run_key, int64_t watched, struct error *error)
{
    struct ask ask;
    enum err err = read_ask(r, &ask, error);
    return err ? err : read_logs(r, &ask, backend, run_key, watched, error);
}

enum err handle_logs(struct request *r, struct error *error)
{
    struct ask ask;
    struct db *db;
    struct experiment *e;
    struct trial *t;
    char *backend CLEANUP_FREE = NULL, *run_key CLEANUP_FREE = NULL;
    enum err err = read_ask(r, &ask, error);
    if (!err)
        err = request_db(r, &db, error);
    if (!err)
        err = request_trial(r, db, &e, &t, error);
    if (err)
        return err;
    err = find_run(r, db, e, t, ask.attempt, &backend, &run_key, error);
    if (!err)
        err = read_logs(r, &ask, backend, run_key, e->id, error);
    trial_free(t);
    experiment_free(e);
    return err;
}

enum err answer_log(struct request *r, struct db *db, const struct experiment *e, const struct trial *t, struct error *error)
{
    char *backend CLEANUP_FREE = NULL, *run_key CLEANUP_FREE = NULL;
    struct buf bytes = BUF_INIT;
    int64_t next;
    bool end;
    enum err err = find_run(r, db, e, t, 0, &backend, &run_key, error);
    if (!err)
        err = core_logs(r->api->core, backend, run_key, false, -LIMIT_MAX, LIMIT_MAX, &bytes, &next, &end, error);
    if (!err)
        answer_text(r, 200, "text/plain; charset=utf-8", &bytes);
    buf_release(&bytes);
    return err;
}
