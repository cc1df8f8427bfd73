/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A step whose turn has come: it takes what was made before, waits for whoever is making it, or runs. */
#include "base/id.h"
#include "base/json_text.h"
#include "core/flow.h"

#include <math.h>
#include <string.h>

/* --- what it is a function of */

const char *flow_code(const struct node *n)
{
    if (!n->step->n_code)
        return "";
    json_t *list = json_array();
    for (size_t i = 0; i < n->step->n_code; i++)
        (void)json_array_append_new(list, json_string(n->step->code[i]));
    char *text CLEANUP_FREE = json_canonical(list);
    json_decref(list);
    const json_t *code = n->frame->flow->plan->code;
    const char *id = json_string_value(json_object_get(code, text));
    return id ? id : json_string_value(json_object_get(code, ""));
}

/* Replicates and stretches of one trial are not to be told from a first run's result: HONE_BUDGET and HONE_SEED differ. */
static void salt(const struct node *n, json_t *env)
{
    const json_t *origin = n->frame->flow->origin;
    const int64_t budget = json_integer_value(json_object_get(origin, "budget")), replicate = json_integer_value(json_object_get(origin, "replicate"));
    if ((budget || replicate) && flow_tainted(n))
        (void)json_object_set_new(env, "HONE_BUDGET", json_sprintf("%lld/%lld", (long long)budget, (long long)replicate));
}

/* What is bound is of the types that the step declares: what nobody declared (json) could not be told before. */
static bool inputs_fit(struct core *c, struct node *n, struct problems *problems)
{
    struct scope s = {.core = c, .node = n, .mode = SCOPE_RAW};
    json_t *bound = flow_inputs(&s, problems) ? step_bind(n->step, s.inputs, "/inputs", problems) : NULL;
    json_decref(bound);
    scope_release(&s);
    return bound != NULL;
}

static bool make_key(struct core *c, struct node *n, struct problems *problems)
{
    struct scope s = {.core = c, .node = n, .mode = SCOPE_KEY};
    json_t *env = NULL, *run = flow_inputs(&s, problems) ? refs_command(n->step->run, "/run", flow_value, &s, problems) : NULL;
    if (run)
        env = refs_resolve(n->step->env, "/env", flow_value, &s, problems);
    const char *code = flow_code(n);
    if (env && !code)
        problems_add(problems, "/code", "MISSING", NULL, "its code was not kept with the pipeline");
    if (env && code) {
        char key[65];
        salt(n, env);
        step_cache_key(n->step, run, env, s.inputs, code, key);
        set_text(&n->row->cache_key, key);
    }
    json_decref(run);
    json_decref(env);
    scope_release(&s);
    return !problems->n;
}

/* --- what was made before */

static bool all_there(struct core *c, const json_t *outputs)
{
    json_t *ids = flow_artifact_ids(outputs), *id;
    bool there = true;
    size_t i;
    json_array_foreach(ids, i, id)
        there &= artifacts_has(c->artifacts, json_string_value(id));
    json_decref(ids);
    return there;
}

static enum err replay(struct core *c, struct node *n, const json_t *points, struct error *error)
{
    size_t i;
    json_t *p;
    size_t n_points = json_array_size(points);
    struct measurement *m = x_calloc(n_points, sizeof *m);
    json_array_foreach((json_t *)(uintptr_t)points, i, p)
    {
        m[i] = (struct measurement){.metric = json_string_value(json_array_get(p, 0)), .step = json_integer_value(json_array_get(p, 1)), .time_ms = c->now};
        (void)number_from_json(json_array_get(p, 2), &m[i].value);
    }
    enum err err = flow_measure(c, n, m, n_points, true, error);
    free(m);
    return err;
}

static enum err take(struct core *c, struct node *n, const char *outputs, const char *beside, const char *from, double cost_s, struct error *error)
{
    struct flow *f = n->frame->flow;
    json_t *more = json_loads(beside, 0, NULL);
    n->outputs = json_loads(outputs, 0, NULL);
    set_text(&n->row->outputs, outputs);
    set_text(&n->row->cached_from, from);
    n->row->end_ms = c->now;
    n->row->cost_s = 0;
    f->row->saved_s += isfinite(cost_s) ? cost_s : 0;
    f->dirty = true;
    json_t *written = json_object_get(more, "written");
    enum err err = OK;
    if (json_array_size(json_object_get(more, "points")) && !n->seq) /* measurements hang on a row */
        err = node_save(c, n, STEP_WAITING, "step.waiting", NULL, error);
    if (!err)
        err = replay(c, n, json_object_get(more, "points"), error);
    if (!err && written)
        err = flow_expand(c, n, written, error);
    else if (!err)
        err = flow_node_end(c, n, STEP_CACHED, "", "", error);
    json_decref(more);
    return err;
}

/* *taken: it has its outputs now. */
static enum err try_cache(struct core *c, struct node *n, const char *flight, bool *taken, struct error *error)
{
    char *scope CLEANUP_FREE = x_strndup(flight, (size_t)(strrchr(flight, ':') - flight));
    struct cache_entry *e;
    struct error none;
    enum err err = cache_get(c->db, scope, n->row->cache_key, &e, &none);
    if (err) {
        if (err != ERR_NOT_FOUND && error)
            *error = none;
        return err == ERR_NOT_FOUND ? OK : err;
    }
    const double age = n->step->cache_max_age_s;
    json_t *outputs = json_loads(e->outputs, 0, NULL);
    bool good = outputs && (age <= 0 || (double)(c->now - e->create_ms) < age * 1000) && all_there(c, outputs);
    json_decref(outputs);
    if (!good) {
        err = cache_drop(c->db, scope, n->row->cache_key, error);
    } else {
        *taken = true;
        err = cache_hit(c->db, scope, n->row->cache_key, c->now, error);
        if (!err)
            err = take(c, n, e->outputs, e->metrics, e->origin, e->cost_s, error);
    }
    cache_entry_free(e);
    return err;
}

/* A run that repeats another takes from it what has not changed, whether or not others may have it. */
static enum err try_origin(struct core *c, struct node *n, bool *taken, struct error *error)
{
    const json_t *origin = n->frame->flow->origin;
    const int64_t from = json_integer_value(json_object_get(origin, "run_id"));
    struct step_row *row = NULL;
    if (!from || !n->step->n_outputs || step_by_path(c->db, from, n->row->path, &row, NULL))
        return OK;
    json_t *outputs = *row->outputs ? json_loads(row->outputs, 0, NULL) : NULL;
    enum err err = OK;
    if ((row->state == STEP_SUCCEEDED || row->state == STEP_CACHED) && outputs && !n->step->expand && !strcmp(row->cache_key, n->row->cache_key) && all_there(c, outputs)) {
        char *where CLEANUP_FREE = x_asprintf("%s/%s", json_string_value(json_object_get(origin, "run")), row->path);
        *taken = true;
        err = take(c, n, row->outputs, "{}", where, row->cost_s, error);
    }
    json_decref(outputs);
    step_row_free(row);
    return err;
}

/* --- it runs */

static enum err launch(struct core *c, struct node *n, struct error *error)
{
    struct flow *f = n->frame->flow;
    char id[10], key[80];
    id_short(f->row->uid, id, 8);
    n->row->attempt++;
    if (!n->row->start_ms)
        n->row->start_ms = c->now;
    node_why(n, "", "");
    set_text(&n->row->outputs, "");
    /* the number of the row is known before it is stored */
    (void)snprintf(key, sizeof key, "f-%s-%lld-%lld", id, (long long)(n->seq ? n->seq : f->row->n_rows + 1), (long long)n->row->attempt);
    struct step_attempt fresh = {.run_id = f->id,
                                 .number = n->row->attempt,
                                 .state = STEP_STARTING,
                                 .cause = "",
                                 .message = "",
                                 .run_key = key,
                                 .cursor = "",
                                 .exit_code = -1,
                                 .signal = -1,
                                 .create_ms = c->now};
    step_attempt_free(n->attempt);
    n->attempt = step_attempt_copy(&fresh);
    n->cancel_asked = false;
    n->heard_ms = 0;
    n->submit_tries = 0;
    n->submit_at = NEVER;
    enum err err = node_save(c, n, STEP_STARTING, "step.starting", json_pack("{s:I}", "attempt", (json_int_t)n->row->attempt), error);
    n->attempt->seq = n->seq;
    if (!err)
        err = attempt_save(c, n, error);
    if (!err)
        flow_effect(c, EFFECT_STEP_SUBMIT, n);
    return err;
}

enum err flow_start(struct core *c, struct node *n, struct error *error)
{
    if (n->row->state == STEP_RETRYING)
        return launch(c, n, error);
    struct problems problems = {0};
    if ((n->step->n_inputs_declared && !inputs_fit(c, n, &problems)) || !make_key(c, n, &problems)) {
        char *why CLEANUP_FREE = x_asprintf("%s: %s", problems.items[0].pointer + 1, problems.items[0].detail);
        problems_release(&problems);
        return flow_node_end(c, n, STEP_FAILED, "USER", why, error);
    }
    char *flight CLEANUP_FREE = flow_flight_key(n);
    struct node *holder = flight ? flight_holder(c, flight) : NULL;
    if (holder && holder != n) {
        flight_wait(c, n, flight);
        return n->row->state == STEP_CACHE_WAIT ? OK : node_save(c, n, STEP_CACHE_WAIT, "step.cache_wait", NULL, error);
    }
    bool taken = false;
    enum err err = flight && !n->fresh ? try_cache(c, n, flight, &taken, error) : OK;
    if (!err && !taken && !n->fresh)
        err = try_origin(c, n, &taken, error);
    if (err || taken)
        return err;
    if (flight)
        flight_hold(c, n, flight);
    return launch(c, n, error);
}
