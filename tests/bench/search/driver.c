/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One experiment of one algorithm, over lines of JSON: what tests/bench/search/bench.py drives beside the peers.
 *
 *   in   {"algorithm": "gp", "settings": {}, "seed": 1, "objectives": 1, "bounds": 0, "parameters": {...}}  first, as in an experiment file
 *        {"ask": 2}
 *   out  {"points": [{"number": 0, "params": {...}}, ...], "cpu_ms": 3.1}
 *   in   {"tell": 0, "y": [0.5], "state": "done"}     or "failed", "infeasible", "pruned"; no answer; with bounds "excess": [-1] too
 *   in   {"params": {...}, "y": [0.5]}                a point of somebody else; no answer */
#include "algorithm.h"
#include "base/mem.h"
#include "libhone/problem.h"
#include "model/space.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct experiment {
    struct space *space;
    struct problem problem;
    const struct algorithm *algorithm;
    struct settings settings;
    uint64_t seed;
    int64_t cursor;
    void *cache;
    struct observation *history;
    size_t n, cap;
};

static _Noreturn void die(const char *what, const char *detail)
{
    (void)fprintf(stderr, "driver: %s: %s\n", what, detail);
    exit(1);
}

static void open_experiment(struct experiment *e, const json_t *line)
{
    struct problems problems = {0};
    const char *name = json_string_value(json_object_get(line, "algorithm"));
    e->algorithm = algorithm_find(name ? name : "");
    if (!e->algorithm)
        die("no such algorithm", name ? name : "(none)");
    e->space = space_new(json_object_get(line, "parameters"), NULL, &problems);
    settings_read(&e->settings, e->algorithm->settings, json_object_get(line, "settings"), "/settings", &problems);
    if (problems.n)
        die(problems.items[0].pointer, problems.items[0].detail);
    e->seed = (uint64_t)json_integer_value(json_object_get(line, "seed"));
    const json_t *objectives = json_object_get(line, "objectives");
    problem_init(&e->problem, e->space);
    if (objectives)
        e->problem.n_objectives = (int)json_integer_value(objectives);
    e->problem.n_bounds = (int)json_integer_value(json_object_get(line, "bounds"));
    struct error error;
    if (algorithm_accept(e->algorithm, &e->problem, &e->settings, &error))
        die("the algorithm refuses it", error.detail);
}

static struct observation *add(struct experiment *e, double *x)
{
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 64;
        e->history = x_realloc(e->history, e->cap * sizeof *e->history);
    }
    double *y = x_calloc((size_t)e->problem.n_objectives, sizeof *y);
    for (int j = 0; j < e->problem.n_objectives; j++)
        y[j] = NAN;
    e->history[e->n] = (struct observation){.number = (int64_t)e->n, .state = OBSERVATION_PENDING, .x = x, .y = y, .y_se = NAN};
    return &e->history[e->n++];
}

static double cpu_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void ask(struct experiment *e, json_int_t n)
{
    json_t *points = json_array();
    double spent = 0;
    for (json_int_t i = 0; i < n; i++) {
        struct suggestion out = {.x = x_calloc(e->space->n, sizeof(double))};
        struct search s = {.problem = &e->problem, .settings = &e->settings, .seed = e->seed, .cursor = e->cursor};
        struct error error;
        if (e->algorithm->needs_history) {
            s.history = e->history;
            s.n_history = e->n;
        }
        double before = cpu_ms();
        if (algorithm_suggest(e->algorithm, &s, &e->cache, &out, &error))
            die("no suggestion", error.detail);
        spent += cpu_ms() - before;
        e->cursor = out.cursor;
        json_array_append_new(points, json_pack("{s:I, s:o, s:s, s:s}", "number", (json_int_t)e->n, "params", space_params(e->space, out.x),
                                                "how", out.how, "note", out.note));
        (void)add(e, out.x);
    }
    json_t *answer = json_pack("{s:o, s:f}", "points", points, "cpu_ms", spent);
    (void)json_dumpf(answer, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    json_decref(answer);
}

static void tell(struct experiment *e, struct observation *o, const json_t *line)
{
    static const char *const states[] = {[OBSERVATION_DONE] = "done", [OBSERVATION_PRUNED] = "pruned", [OBSERVATION_FAILED] = "failed",
                                         [OBSERVATION_INFEASIBLE] = "infeasible"};
    const char *state = json_string_value(json_object_get(line, "state"));
    o->state = OBSERVATION_DONE;
    for (size_t i = OBSERVATION_DONE; state && i < ARRAY_LEN(states); i++)
        if (strcmp(states[i], state) == 0)
            o->state = (enum observation_state)i;
    double *y = x_calloc((size_t)e->problem.n_objectives, sizeof *y);
    for (int j = 0; j < e->problem.n_objectives; j++) {
        const json_t *value = json_array_get(json_object_get(line, "y"), (size_t)j);
        y[j] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    double *excess = x_calloc((size_t)e->problem.n_bounds + 1, sizeof *excess);
    for (int j = 0; j < e->problem.n_bounds; j++) {
        const json_t *value = json_array_get(json_object_get(line, "excess"), (size_t)j);
        excess[j] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    o->excess = e->problem.n_bounds ? excess : NULL;
    o->y = y; /* the one before is left: the process is short-lived */
}

static void tell_foreign(struct experiment *e, const json_t *line)
{
    struct problems problems = {0};
    double *x = x_calloc(e->space->n, sizeof *x);
    if (!space_point(e->space, json_object_get(line, "params"), x, "/params", &problems))
        die(problems.items[0].pointer, problems.items[0].detail);
    tell(e, add(e, x), line);
}

int main(void)
{
    struct experiment *e = X_NEW(struct experiment);
    char *text = NULL;
    size_t size = 0;
    algorithms_setup();
    while (getline(&text, &size, stdin) > 0) {
        json_error_t error;
        json_t *line = json_loads(text, 0, &error), *number = json_object_get(line, "tell");
        if (!line)
            die("not JSON", error.text);
        if (!e->space)
            open_experiment(e, line);
        else if (json_object_get(line, "ask"))
            ask(e, json_integer_value(json_object_get(line, "ask")));
        else if (number && (size_t)json_integer_value(number) < e->n)
            tell(e, &e->history[json_integer_value(number)], line);
        else
            tell_foreign(e, line);
        json_decref(line);
    }
    return 0;
}
