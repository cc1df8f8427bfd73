/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers of the service in the text format of Prometheus. */
#include "handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct totals {
    int64_t experiments[EXPERIMENT_STATE_COUNT], trials[TRIAL_STATE_COUNT];
};

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct buf *b, const char *name, const char *type, const char *help, double value)
{
    head(b, name, type, help);
    buf_addf(b, "%s %.17g\n", name, value);
}

static bool add(void *arg, const struct experiment *e)
{
    struct totals *t = arg;
    t->experiments[e->state]++;
    for (size_t i = 0; i < TRIAL_STATE_COUNT; i++)
        t->trials[i] += e->counts[i];
    return true;
}

static enum err count_all(struct db *db, struct totals *t, struct error *error)
{
    char *after = NULL, *next;
    enum err err;
    do {
        struct list_query q = {.project = "-", .after = after ? after : "", .limit = 1000};
        next = NULL;
        err = experiment_list(db, &q, add, t, &next, error);
        free(after);
        after = next;
    } while (!err && after);
    free(after);
    return err;
}

static void write_totals(struct buf *b, const struct totals *t)
{
    head(b, "hone_experiments", "gauge", "Experiments by state.");
    for (int i = 0; i < EXPERIMENT_STATE_COUNT; i++)
        buf_addf(b, "hone_experiments{state=\"%s\"} %" PRId64 "\n", experiment_state_name((enum experiment_state)i), t->experiments[i]);
    head(b, "hone_trials", "gauge", "Trials by state.");
    for (int i = 0; i < TRIAL_STATE_COUNT; i++)
        buf_addf(b, "hone_trials{state=\"%s\"} %" PRId64 "\n", trial_state_name((enum trial_state)i), t->trials[i]);
}

static void write_core(struct buf *b, struct core *core)
{
    struct core_stats s;
    core_stats(core, &s);
    number(b, "hone_commands_total", "counter", "Commands taken by the core.", (double)s.commands);
    number(b, "hone_commits_total", "counter", "Transactions committed.", (double)s.commits);
    number(b, "hone_queue_length", "gauge", "Commands that wait.", (double)s.queue_length);
    number(b, "hone_suggestions_total", "counter", "Configurations suggested.", (double)s.suggestions);
    number(b, "hone_suggestion_seconds_total", "counter", "Time spent on suggesting.", (double)s.suggestion_us / 1e6);
    number(b, "hone_submits_total", "counter", "Runs handed to backends.", (double)s.submits);
    number(b, "hone_revision", "counter", "Revision of the last event.", (double)s.events);
}

static void write_http(struct buf *b, struct api *a)
{
    head(b, "hone_http_requests_total", "counter", "Requests answered, by class of status.");
    for (int i = 1; i < STATUS_CLASSES; i++)
        buf_addf(b, "hone_http_requests_total{status=\"%dxx\"} %" PRId64 "\n", i, atomic_load(&a->n_requests[i]));
    number(b, "hone_http_connections", "gauge", "Open connections.", (double)http_connections(a));
    number(b, "hone_http_waiting", "gauge", "Requests that wait for a change.", (double)watch_count(a->watch));
}

static void write_process(struct buf *b, const struct api *a)
{
    struct timespec cpu;
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%ld %ld", &pages, &resident) == 2)
        number(b, "process_resident_memory_bytes", "gauge", "Resident memory.", (double)resident * (double)sysconf(_SC_PAGESIZE));
    if (f)
        (void)fclose(f);
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        number(b, "process_cpu_seconds_total", "counter", "Processor time used.", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    number(b, "process_start_time_seconds", "gauge", "When the service was started.", (double)a->start_wall_ms / 1e3);
}

enum err handle_prometheus(struct request *r, struct error *error)
{
    struct db *db;
    struct totals totals = {0};
    struct buf b = BUF_INIT;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = count_all(db, &totals, error);
    if (err)
        return err;
    head(&b, "hone_build_info", "gauge", "The version.");
    buf_addf(&b, "hone_build_info{version=\"%s\"} 1\n", HONE_VERSION);
    write_totals(&b, &totals);
    write_core(&b, r->api->core);
    write_http(&b, r->api);
    write_process(&b, r->api);
    answer_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
    return OK;
}
