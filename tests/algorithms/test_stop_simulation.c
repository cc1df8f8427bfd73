/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stopping rules save and what they lose, on made-up learning curves: trials run side by side, each at its own speed, as they do on workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "base/mem.h"
#include "math/rng.h"
#include "stop/stopper.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_TRIALS 80
#define N_STEPS 81
#define PARALLEL 4
#define N_SEEDS 40

/* Curves of different kinds; all fall from about 1 to a level of their own, with noise. */
enum kind { POWER, EXPONENTIAL, LOGISTIC, CROSSING, N_KINDS };
static const char *const kind_names[N_KINDS] = {"power", "exponential", "logistic", "crossing"};

struct config {
    enum kind kind;
    double level, drop, rate, noise;
};

static double mean_at(const struct config *c, int step)
{
    switch (c->kind) {
    case EXPONENTIAL:
        return c->level + c->drop * exp(-c->rate * 0.1 * step);
    case LOGISTIC:
        return c->level + c->drop / (1 + exp(c->rate * (step - 20) * 0.15));
    case POWER:
    case CROSSING:
    case N_KINDS:
        break;
    }
    return c->level + c->drop * pow(step, -c->rate);
}

/* In CROSSING what ends low begins high and falls slowly. */
static struct config draw(struct rng *r, enum kind kind)
{
    double quality = rng_uniform(r);
    struct config c = {.kind = kind, .level = 0.1 + 0.6 * quality, .drop = 0.4 + 0.6 * rng_uniform(r), .rate = 0.3 + 0.9 * rng_uniform(r), .noise = 0.01};
    if (kind == CROSSING) {
        c.drop = 1.2 - 0.8 * quality;
        c.rate = 0.5 + 0.7 * quality;
    }
    return c;
}

struct world {
    struct config config[N_TRIALS];
    double value[N_TRIALS][N_STEPS];
    struct curve curve[N_TRIALS];
    int due[N_TRIALS], speed[N_TRIALS];
    int64_t steps;
};

struct outcome {
    double share; /* of the steps that all trials would have taken */
    int place;    /* of the best of those that ran to their end, among all */
    int stopped;
    int wrong;    /* stopped, though it would have ended better than any that had ended by then */
};

static int64_t step_numbers[N_STEPS];

static void begin(struct world *w, uint64_t seed, enum kind kind)
{
    struct rng r = rng_new(seed, RNG_POINT, (uint64_t)kind);
    *w = (struct world){0};
    for (int s = 0; s < N_STEPS; s++)
        step_numbers[s] = s + 1;
    for (int i = 0; i < N_TRIALS; i++) {
        w->config[i] = draw(&r, kind);
        w->speed[i] = 1 + (int)(3 * rng_uniform(&r));
        for (int s = 0; s < N_STEPS; s++)
            w->value[i][s] = mean_at(&w->config[i], s + 1) + w->config[i].noise * rng_normal(&r);
        w->curve[i] = (struct curve){.number = i + 1, .end = CURVE_RUNS, .final = NAN, .step = step_numbers, .value = w->value[i]};
    }
}

static struct stop_answer ask(const struct world *w, int i, int started, const struct stopper *rule, const struct settings *settings)
{
    struct curve others[N_TRIALS];
    size_t n = 0;
    for (int k = 0; k < started; k++)
        if (k != i && w->curve[k].n)
            others[n++] = w->curve[k];
    struct stop_question q = {.settings = settings, .trial = &w->curve[i], .asked = (int64_t)w->curve[i].n - 1, .others = others, .n_others = n};
    struct stop_answer a;
    stopper_ask(rule, &q, &a);
    return a;
}

static double last(const struct world *w, int i)
{
    return w->value[i][N_STEPS - 1];
}

static double best_ended(const struct world *w)
{
    double best = INFINITY;
    for (int i = 0; i < N_TRIALS; i++)
        if (w->curve[i].end == CURVE_COMPLETED)
            best = fmin(best, last(w, i));
    return best;
}

static void advance(struct world *w, int i, int started, const struct stopper *rule, const struct settings *settings, struct outcome *out)
{
    struct curve *c = &w->curve[i];
    c->n++;
    w->steps++;
    if (ask(w, i, started, rule, settings).stop) {
        c->end = CURVE_PRUNED;
        out->stopped++;
        out->wrong += isfinite(best_ended(w)) && last(w, i) < best_ended(w);
    } else if (c->n == N_STEPS) {
        c->end = CURVE_COMPLETED;
        c->final = last(w, i);
    }
}

static struct outcome run(uint64_t seed, enum kind kind, const struct stopper *rule, const struct settings *settings)
{
    static struct world world;
    struct world *w = &world;
    struct outcome out = {0};
    begin(w, seed, kind);
    int started = PARALLEL;
    for (int tick = 1, running = PARALLEL; running; tick++) {
        running = 0;
        for (int i = 0; i < started; i++) {
            if (w->curve[i].end != CURVE_RUNS)
                continue;
            if (tick % w->speed[i] == 0)
                advance(w, i, started, rule, settings, &out);
            if (w->curve[i].end != CURVE_RUNS && started < N_TRIALS)
                started++;
            running++;
        }
    }
    const double best = best_ended(w);
    out.share = (double)w->steps / (N_TRIALS * N_STEPS);
    out.place = 1;
    for (int i = 0; i < N_TRIALS; i++)
        out.place += last(w, i) < best;
    return out;
}

struct total {
    double share, place; /* means; place 1: the best of all ran to its end, 2: only the second did, ... */
    int kept, top3, stopped, wrong;
};

static struct total total(const char *name, const char *text, enum kind kind)
{
    const struct stopper *rule = stopper_find(name);
    assert_non_null(rule);
    json_t *object = json_loads(text, 0, NULL);
    struct problems problems = {0};
    struct settings settings;
    settings_read(&settings, rule->settings, object, "", &problems);
    assert_int_equal(problems.n, 0);
    json_decref(object);
    struct total sum = {0};
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        struct outcome o = run(seed, kind, rule, &settings);
        sum.share += o.share / N_SEEDS;
        sum.place += (double)o.place / N_SEEDS;
        sum.kept += o.place == 1;
        sum.top3 += o.place <= 3;
        sum.stopped += o.stopped;
        sum.wrong += o.wrong;
    }
    return sum;
}

/* Bounds with room for other curves of the same kinds; the figures themselves are in docs/reference/stopping-rules.md. Each saves
 * at least half of the steps. A share near 0 would be a broken simulation. */
static const struct {
    const char *rule, *settings;
    enum kind kind;
    double most, place; /* steps taken at most; mean place of the best that ran to its end, at most */
    int kept;           /* seeds that kept the best of all, at least */
} expected[] = {
    {"median", "{}", POWER, 0.5, 1.1, 38},
    {"median", "{}", EXPONENTIAL, 0.5, 1.2, 34},
    {"percentile", "{\"percentile\": 50}", POWER, 0.3, 1.6, 26},
    {"asha", "{\"max_resource\": 81}", POWER, 0.15, 2, 22},
    {"asha", "{\"max_resource\": 81, \"bracket\": 1}", POWER, 0.2, 1.2, 36},
    {"asha", "{\"max_resource\": 81, \"bracket\": 2}", POWER, 0.35, 1.1, 38},
    {"asha", "{\"max_resource\": 81, \"bracket\": 2}", EXPONENTIAL, 0.35, 1.5, 28},
    {"hyperband", "{}", POWER, 0.35, 1.5, 28},
    {"curve", "{}", POWER, 0.45, 1.1, 37},
    {"curve", "{}", EXPONENTIAL, 0.5, 1.1, 38},
    {"curve", "{}", CROSSING, 0.5, 1.2, 35},
};

static void rules_save_steps_and_keep_the_best(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct total t = total(expected[i].rule, expected[i].settings, expected[i].kind);
        if (t.share > expected[i].most || t.share < 0.05 || t.kept < expected[i].kept || t.place > expected[i].place)
            fail_msg("%s %s on %s curves: %.3f of the steps, the best kept in %d of %d seeds, mean place %.2f", expected[i].rule, expected[i].settings,
                     kind_names[expected[i].kind], t.share, t.kept, N_SEEDS, t.place);
    }
}

/* Extrapolating is right as often as its threshold says, also over many looks at one curve. */
static void extrapolation_is_seldom_wrong(void **state)
{
    (void)state;
    static const enum kind kinds[] = {POWER, EXPONENTIAL, CROSSING};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct total t = total("curve", "{}", kinds[i]);
        assert_true(t.stopped > 1000);
        assert_true(t.wrong * 20 <= t.stopped);
    }
}

static void print_table(void)
{
    static const char *const rules[][2] = {{"median", "{}"},
                                           {"percentile", "{\"percentile\": 50}"},
                                           {"percentile", "{}"},
                                           {"asha", "{\"max_resource\": 81}"},
                                           {"asha", "{\"max_resource\": 81, \"bracket\": 1}"},
                                           {"asha", "{\"max_resource\": 81, \"bracket\": 2}"},
                                           {"hyperband", "{}"},
                                           {"curve", "{}"}};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        printf("| `%s` | %s |", rules[i][0], rules[i][1]);
        for (int kind = 0; kind < N_KINDS; kind++) {
            struct total t = total(rules[i][0], rules[i][1], (enum kind)kind);
            printf(" %.0f %%, %d, %d |", 100 * t.share, t.kept, t.top3);
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "table")) {
        print_table();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_save_steps_and_keep_the_best),
        cmocka_unit_test(extrapolation_is_seldom_wrong),
    };
    return cmocka_run_group_tests_name("stopping, simulated", tests, NULL, NULL);
}
