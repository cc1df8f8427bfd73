/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an experiment file may refer to, and the checks that need more than its form. */
#include "core/flow.h"

#include "collectors/collector.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define MAX_ENTRIES 64

static struct catalog_entry algorithm_entries[MAX_ENTRIES], stopper_entries[MAX_ENTRIES], backend_entries[MAX_ENTRIES];
static const struct catalog catalog = {algorithm_entries, stopper_entries, backend_entries};

static void fill(void)
{
    for (int i = 0; algorithms[i] && i < MAX_ENTRIES - 1; i++)
        algorithm_entries[i] = (struct catalog_entry){algorithms[i]->name, algorithms[i]->title, algorithms[i]->settings, algorithms[i]->finite_only, algorithms[i]->stopping};
    for (int i = 0; stoppers[i] && i < MAX_ENTRIES - 1; i++)
        stopper_entries[i] = (struct catalog_entry){stoppers[i]->name, stoppers[i]->title, stoppers[i]->settings, false, NULL};
    backend_entries[0] = (struct catalog_entry){backend_pipeline.name, backend_pipeline.title, backend_pipeline.settings, false, NULL};
    for (int i = 0; backends[i] && i < MAX_ENTRIES - 2; i++)
        backend_entries[i + 1] = (struct catalog_entry){backends[i]->name, backends[i]->title, backends[i]->settings, false, NULL};
}

const struct catalog *core_catalog(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill);
    return &catalog;
}

static void check_metrics(const struct spec *spec, struct problems *problems)
{
    const json_t *config = json_object_get(spec->run, "metrics");
    const char *format = json_string_value(json_object_get(config, "format"));
    const struct collector *collector = collector_find(format ? format : "auto");
    const char *metrics[SPEC_MAX_WANTED + 1] = {0};
    memcpy(metrics, spec->wanted, spec->n_wanted * sizeof *metrics);
    void *parser = collector ? collector->open(config, metrics, problems) : NULL;
    if (parser)
        collector->close(parser);
}

/* Settings that do not go together, of each rule, and of rules that pause trials. */
static void check_stopping(const struct plan *plan, struct problems *problems)
{
    const struct spec *spec = plan->spec;
    const bool listed = json_is_array(json_object_get(spec->document, "stopping"));
    const char *pauses = NULL;
    for (size_t i = 0; i < spec->n_stopping; i++) {
        const struct stopper *s = plan->stoppers[i];
        char why[STOP_REASON];
        char *at CLEANUP_FREE = listed ? x_asprintf("/stopping/%zu", i) : x_strdup("/stopping");
        const char *fault = s->fault ? s->fault(&spec->stopping[i].settings, why) : NULL;
        char *pointer CLEANUP_FREE = x_asprintf("%s/settings/%s", at, fault ? fault : "form");
        const bool pausing = !fault && stopper_budget(s, &spec->stopping[i].settings, 1, 0);
        if (fault)
            problems_add(problems, pointer, "CONFLICT", NULL, "%s", why);
        if (pausing && pauses)
            problems_add(problems, pointer, "CONFLICT", "stop", "is pause, as that of rule %s; only one rule can pause trials", pauses);
        if (pausing && spec->replicates > 1)
            problems_add(problems, "/trials/replicates", "CONFLICT", NULL, "is %lld, must be 1 with stopping rule %s in its form that pauses trials",
                         (long long)spec->replicates, s->name);
        pauses = pausing ? s->name : pauses;
    }
}

/* The first trial as it would be, for the backend to look at. */
static void validate_run(struct core *c, const struct plan *plan, const char *project, struct problems *problems)
{
    const struct spec *spec = plan->spec;
    struct connection *conn = runs_connection(c, spec->backend);
    if (!conn || !conn->backend->validate)
        return;
    json_t *points = problems->n ? NULL : core_preview(spec, 1), *initial = json_array_get(spec->initial_points, 0);
    const struct backend_job sample = {.run_key = "h-check-1-1",
                                       .project = project,
                                       .experiment = *spec->name ? spec->name : "check",
                                       .trial_name = "check-1",
                                       .trial = 1,
                                       .attempt = 1,
                                       .run = spec->run,
                                       .params = initial ? initial : json_array_get(points, 0),
                                       .names = plan->names,
                                       .seed = spec->seed,
                                       .time_limit_s = spec->trial_time_limit_s,
                                       .url = c->url,
                                       .token = "",
                                       .cursor = ""};
    conn->backend->validate(conn->conn, &sample, problems);
    json_decref(points);
}

static void validate(struct core *c, const char *project, const struct spec *spec, struct problems *problems)
{
    /* a plan is a view; this one does not own the spec, so it is taken apart by hand */
    struct plan *plan = plan_new((struct spec *)(uintptr_t)spec);
    struct error error;
    if (algorithm_accept(plan->algorithm, &plan->problem, &spec->algorithm_settings, &error))
        problems_add(problems, "/algorithm", "REFUSED", NULL, "%s", error.detail);
    if (plan->algorithm->continues && spec->replicates > 1)
        problems_add(problems, "/trials/replicates", "CONFLICT", NULL, "is %lld, must be 1 with algorithm %s: its trials go on from checkpoints of others",
                     (long long)spec->replicates, plan->algorithm->name);
    check_stopping(plan, problems);
    if (spec->run)
        check_metrics(spec, problems);
    if (spec->run)
        validate_run(c, plan, project, problems);
    plan->spec = NULL;
    plan_unref(plan);
}

void core_prepare(struct core *c, json_t *document, struct problems *problems)
{
    for (size_t i = 0; i < c->n_connections; i++)
        if (c->connections[i].backend->prepare)
            c->connections[i].backend->prepare(c->connections[i].conn, document, problems);
}

void core_validate(struct core *c, const char *project, const struct spec *spec, struct problems *problems)
{
    struct problems found = {0};
    validate(c, project, spec, &found);
    spec_tell(spec, &found, problems);
}

json_t *core_preview(const struct spec *spec, int n)
{
    struct plan *plan = plan_new((struct spec *)(uintptr_t)spec);
    const struct algorithm *a = plan->algorithm->needs_history ? algorithm_find("sobol") : plan->algorithm;
    struct settings none = {.table = a->settings};
    struct problems ignored = {0};
    settings_read(&none, a->settings, NULL, "", &ignored);
    json_t *list = json_array();
    struct search search = {.problem = &plan->problem,
                            .settings = a == plan->algorithm ? &spec->algorithm_settings : &none,
                            .seed = spec->seed};
    double x[SPACE_MAX_PARAMS];
    for (int i = 0; i < n; i++) {
        struct suggestion s = {.x = x};
        if (algorithm_suggest(a, &search, NULL, &s, NULL))
            break;
        search.cursor = s.cursor;
        (void)json_array_append_new(list, space_params(spec->space, x));
    }
    plan->spec = NULL;
    plan_unref(plan);
    return list;
}
