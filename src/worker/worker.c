/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "worker/worker.h"

#include "backends/trial_env.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "worker/inside.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    ASK_S = 20,             /* how long the service may keep us waiting for a trial */
    AWAY_MS = 1000,         /* between asking a service that is away */
    LOOK_MS = 100,          /* how often signals are looked for while all slots are busy */
    POINTS_MAX = 1 << 20    /* of a slot that cannot be told: a service may be away for days */
};

static atomic_bool aborting;

bool worker_aborting(void)
{
    return atomic_load(&aborting);
}

void worker_say(const struct worker *w, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    w->config->say(w->config->arg, line);
}

/* --- what the backend tells, from its watch thread */

static struct slot *find(struct worker *w, const char *run_key)
{
    struct slot *found = NULL;
    (void)pthread_mutex_lock(&w->mutex);
    for (int i = 0; i < w->config->slots && !found; i++)
        if (w->slots[i].busy && !strcmp(w->slots[i].run_key, run_key))
            found = &w->slots[i];
    (void)pthread_mutex_unlock(&w->mutex);
    return found;
}

static void keep(void *arg, const struct point *p)
{
    struct slot *s = arg;
    if (s->n_points >= POINTS_MAX) {
        s->n_dropped++;
        return;
    }
    if (s->n_points == s->cap_points) {
        s->cap_points = s->cap_points ? s->cap_points * 2 : 16;
        s->points = x_realloc(s->points, s->cap_points * sizeof *s->points);
    }
    s->points[s->n_points] = *p;
    s->points[s->n_points++].metric = x_strdup(p->metric);
}

static void feed(struct worker *w, struct slot *s, const char *data, size_t len, bool is_end)
{
    if (!s->collector)
        return;
    (void)pthread_mutex_lock(&w->mutex);
    s->collector->feed(s->parser, data, len, is_end, keep, s);
    (void)pthread_cond_broadcast(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
}

static void on_output(void *ctx, const char *run_key, const char *data, size_t len, const char *cursor)
{
    struct worker *w = ctx;
    struct slot *s = find(w, run_key);
    (void)cursor; /* a worker that is started again reads from the start */
    if (s)
        feed(w, s, data, len, false);
}

static void on_status(void *ctx, const char *run_key, const struct backend_status *status)
{
    struct worker *w = ctx;
    struct slot *s = find(w, run_key);
    if (!s || status->phase == PHASE_PENDING || status->phase == PHASE_RUNNING)
        return;
    feed(w, s, "", 0, true);
    char *tail = backend_log_tail(w->backend, w->conn, run_key);
    (void)pthread_mutex_lock(&w->mutex);
    s->status = *status;
    s->tail = tail;
    s->ended = true;
    (void)pthread_cond_broadcast(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
}

static void *watch(void *worker)
{
    struct worker *w = worker;
    w->backend->watch(w->conn);
    return NULL;
}

/* --- starting a trial */

static void take_up(struct worker *w, struct slot *s, const json_t *trial)
{
    char id[10];
    id_short(w->config->uid, id, 8);
    (void)pthread_mutex_lock(&w->mutex);
    s->trial = json_integer_value(json_object_get(trial, "number"));
    s->attempt = json_integer_value(json_object_get(json_object_get(trial, "lease"), "attempt"));
    s->replicate = json_integer_value(json_object_get(trial, "replicate"));
    (void)snprintf(s->run_key, sizeof s->run_key, "h-%s-%" PRId64 "-%" PRId64, id, s->trial, s->attempt);
    s->collector = collector_open(w->config->spec, &s->parser);
    s->speak_at = clock_mono_ms() + (int64_t)(w->config->lease_s * 1000 / 3);
    s->busy = true;
    (void)pthread_cond_broadcast(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
}

static const char **names_of(const struct space *space)
{
    const char **names = x_calloc(space->n + 1, sizeof *names);
    for (size_t i = 0; i < space->n; i++)
        names[i] = space->params[i].name;
    return names;
}

static enum err submit(struct worker *w, const struct slot *s, const json_t *trial, struct error *error)
{
    const struct worker_config *c = w->config;
    const char **names CLEANUP_FREE = names_of(c->spec->space);
    char *trial_name CLEANUP_FREE = x_asprintf("%s-%" PRId64, c->experiment, s->trial);
    struct backend_job job = {.run_key = s->run_key,
                              .project = c->project,
                              .experiment = c->experiment,
                              .trial_name = trial_name,
                              .trial = s->trial,
                              .attempt = s->attempt,
                              .replicate = s->replicate,
                              .run = c->spec->run,
                              .params = json_object_get(trial, "params"),
                              .names = names,
                              .seed = trial_seed(c->seed, s->trial, s->replicate),
                              .parent = json_integer_value(json_object_get(json_object_get(trial, "origin"), "parent")),
                              .budget = json_integer_value(json_object_get(json_object_get(trial, "lease"), "budget")),
                              .time_limit_s = c->spec->trial_time_limit_s,
                              .url = c->url,
                              .token = json_string_value(json_object_get(json_object_get(trial, "lease"), "token")),
                              .cursor = ""};
    return w->backend->submit(w->conn, &job, error);
}

static void start(struct worker *w, struct slot *s, const json_t *trial)
{
    struct error error = {0};
    take_up(w, s, trial);
    worker_say(w, "trial %" PRId64 " starts in slot %s", s->trial, s->name);
    enum err err = submit(w, s, trial, &error);
    if (!err)
        return;
    struct backend_status status = {.phase = PHASE_FAILED, .cause = CAUSE_USER, .exit_code = -1, .signal = -1};
    (void)snprintf(status.reason, sizeof status.reason, "%s", err == ERR_INVALID ? "INVALID" : "ENGINE");
    (void)snprintf(status.message, sizeof status.message, "%.399s", error.detail);
    on_status(w, s->run_key, &status);
}

/* --- asking */

static bool pending(void)
{
    sigset_t set;
    return !sigpending(&set) && (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) || sigismember(&set, SIGHUP));
}

static void take_signal(void)
{
    sigset_t set;
    int number;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    if (pending())
        (void)sigwait(&set, &number);
}

static void pause_ms(int64_t ms)
{
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end && !pending();)
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
}

/* The answer to one ask (new reference); NULL and OK: the service is away, or a signal came. */
static enum err ask(struct worker *w, const struct slot *s, int wait_s, json_t **answer, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("%s/trials:suggest", w->path);
    json_t *body = json_pack("{s:i, s:s, s:f, s:i}", "count", 1, "worker", s->name, "lease_seconds", w->config->lease_s, "wait_seconds", wait_s);
    struct rest_response response;
    struct rest_request request = {.method = "POST", .path = path, .body = body, .timeout_s = ASK_S * 3};
    enum err err = rest_call(w->config->rest, &request, &response, error);
    *answer = err ? NULL : json_incref(response.json);
    rest_response_release(&response);
    json_decref(body);
    if (pending())
        return OK;
    if (err != ERR_UNAVAILABLE && err != ERR_TIMEOUT && err != ERR_TOO_MANY)
        return err;
    worker_say(w, "%s; trying on", error->detail);
    pause_ms(AWAY_MS);
    return OK;
}

/* `why` may be NULL. */
static bool cannot_tell(struct worker *w, struct error *why)
{
    (void)pthread_mutex_lock(&w->mutex);
    bool fatal = w->fatal.code != OK;
    if (fatal && why)
        *why = w->fatal;
    (void)pthread_mutex_unlock(&w->mutex);
    return fatal;
}

/* Asks for one slot; false: there is nothing more to ask for, or nobody to ask. */
static bool serve(struct worker *w, struct slot *s, int wait_s, enum err *err, struct error *error)
{
    json_t *answer;
    *err = ask(w, s, wait_s, &answer, error);
    const json_t *trial = json_array_get(json_object_get(answer, "trials"), 0);
    bool done = json_is_true(json_object_get(answer, "done"));
    if (trial && !cannot_tell(w, NULL))
        start(w, s, trial);
    json_decref(answer);
    return !done && !*err && !pending();
}

static int count_free(const struct worker *w, struct slot **first)
{
    int n = 0;
    for (int i = w->config->slots; i-- > 0;)
        if (!w->slots[i].busy) {
            *first = &w->slots[i];
            n++;
        }
    return n;
}

/* Waits for `n` free slots; gives one. NULL: a signal came, or nothing can be told any more. */
static struct slot *await_free(struct worker *w, int n)
{
    struct slot *found = NULL;
    (void)pthread_mutex_lock(&w->mutex);
    bool enough;
    while (!(enough = count_free(w, &found) >= n) && !pending() && !w->fatal.code) {
        int64_t at = clock_mono_ms() + LOOK_MS;
        (void)pthread_cond_timedwait(&w->cond, &w->mutex, &(struct timespec){.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000});
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return enough ? found : NULL;
}

static void cancel_all(struct worker *w)
{
    for (int i = 0; i < w->config->slots; i++) {
        struct slot *s = &w->slots[i];
        (void)pthread_mutex_lock(&w->mutex);
        bool running = s->busy && !s->ended;
        (void)pthread_mutex_unlock(&w->mutex);
        if (running)
            (void)w->backend->cancel(w->conn, s->run_key, w->grace_s, NULL); /* it has ended, or another start of the worker finds it */
    }
}

/* What runs is waited for, until it is to be stopped: at a second signal, or because nothing can be told. The teller sees to its end. */
static enum err finish(struct worker *w, struct error *error)
{
    struct error why = {0};
    bool signalled = false;
    while (!await_free(w, w->config->slots) && !cannot_tell(w, &why)) {
        if (signalled) { /* this one stays pending, for the exit code */
            atomic_store(&aborting, true);
            (void)err_set(&why, ERR_INTERNAL, "CANCELLED", "stopped by a second signal");
            break;
        }
        take_signal();
        worker_say(w, "taking no more trials; those that run are waited for, a second signal stops them");
        signalled = true;
    }
    cancel_all(w);
    if (why.code)
        *error = why;
    return why.code;
}

static enum err work(struct worker *w, struct error *error)
{
    enum err err = OK, how_ended;
    bool more = true;
    struct error why = {0};
    /* first each asks for what it was doing when it was last killed */
    for (int i = 0; i < w->config->slots && more; i++)
        more = serve(w, &w->slots[i], 0, &err, &why);
    while (more) {
        struct slot *s = await_free(w, 1);
        more = s && serve(w, s, ASK_S, &err, &why);
    }
    how_ended = finish(w, error);
    if (!how_ended && err)
        *error = why;
    return how_ended ? how_ended : err;
}

/* --- life */

static enum err open_backend(struct worker *w, struct error *error)
{
    w->backend = backend_find(w->config->backend);
    if (!w->backend)
        return err_set(error, ERR_INVALID, NULL, "there is no backend \"%s\"", w->config->backend);
    w->host = (struct backend_host){.ctx = w, .data_dir = w->config->dir, .status = on_status, .output = on_output};
    return w->backend->open(&w->host, &w->conn, error);
}

static enum err run(struct worker *w, struct error *error)
{
    pthread_t watching, telling;
    if (pthread_create(&watching, NULL, watch, w) != 0 || pthread_create(&telling, NULL, teller, w) != 0)
        abort(); /* no memory for a thread, as in base/mem.c */
    enum err err = work(w, error);
    (void)pthread_mutex_lock(&w->mutex);
    w->closing = true;
    (void)pthread_cond_broadcast(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
    (void)pthread_join(telling, NULL);
    w->backend->stop_watch(w->conn);
    (void)pthread_join(watching, NULL);
    return err;
}

static void init(struct worker *w, const struct worker_config *config)
{
    pthread_condattr_t attr;
    char *project CLEANUP_FREE = rest_encode(config->project), *experiment CLEANUP_FREE = rest_encode(config->experiment);
    w->config = config;
    w->path = x_asprintf("/api/v1/projects/%s/experiments/%s", project, experiment);
    w->grace_s = json_number_value(json_object_get(config->spec->run, "grace"));
    w->rest = rest_another(config->rest, worker_aborting);
    w->slots = x_calloc((size_t)config->slots, sizeof *w->slots);
    for (int i = 0; i < config->slots; i++)
        w->slots[i].name = x_asprintf("%s.%d", config->name, i + 1);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&w->mutex, NULL);
}

static void release(struct worker *w)
{
    if (w->conn)
        w->backend->close(w->conn);
    for (int i = 0; i < w->config->slots; i++)
        free(w->slots[i].name);
    free(w->slots);
    rest_free(w->rest);
    (void)pthread_cond_destroy(&w->cond);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w->path);
}

enum err worker_run(const struct worker_config *config, struct error *error)
{
    struct worker w = {0};
    struct error why = {0};
    init(&w, config);
    enum err err = open_backend(&w, &why);
    if (!err)
        err = run(&w, &why);
    release(&w);
    if (err && error)
        *error = why;
    return err;
}
