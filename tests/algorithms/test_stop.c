/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stopping rules: each by cases worked out by hand, all by the contract of stopper.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "math/rng.h"
#include "stop/stopper.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NONE INT64_MIN

static const int64_t tens[] = {10, 20, 30, 40, 50, 60};
static const int64_t ones[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                               21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40};

#define CURVE(steps, i, how, last, count, ...) \
    {.number = i, .end = CURVE_##how, .final = last, .step = steps, .value = (const double[]){__VA_ARGS__}, .n = count}
#define DONE(steps, i, last, count, ...) CURVE(steps, i, COMPLETED, last, count, __VA_ARGS__)
#define OWN(steps, count, ...) CURVE(steps, 9, RUNS, NAN, count, __VA_ARGS__)

static void read_settings(struct settings *s, const struct stopper *rule, const char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    struct problems problems = {0};
    settings_read(s, rule->settings, object, "", &problems);
    assert_int_equal(problems.n, 0);
    json_decref(object);
}

static struct stop_answer ask(const char *name, const char *settings, struct stop_question q)
{
    const struct stopper *rule = stopper_find(name);
    assert_non_null(rule);
    struct settings s;
    read_settings(&s, rule, settings);
    q.settings = &s;
    struct stop_answer a;
    stopper_ask(rule, &q, &a);
    return a;
}

struct a_case {
    const char *settings;
    struct curve trial;
    size_t n_others; /* of those that stand with the table */
    bool stop;
    const char *says;
    int64_t asked;   /* 0: all but the last report were asked about */
};

static void check(const char *rule, const struct a_case *cases, size_t n, const struct curve *others)
{
    for (size_t i = 0; i < n; i++) {
        const struct curve *t = &cases[i].trial;
        const int64_t before = t->n > 1 ? t->step[t->n - 2] : NONE;
        struct stop_answer a = ask(rule, cases[i].settings,
                                   (struct stop_question){.trial = t, .asked = cases[i].asked ? cases[i].asked : before, .others = others, .n_others = cases[i].n_others});
        if (a.stop != cases[i].stop || !strstr(a.reason, cases[i].says))
            fail_msg("%s, case %zu: %d, \"%s\"", rule, i, a.stop, a.reason);
    }
}

/* Running averages at step 40: 2.5, 5, 1, (too short), 4: median 3.25. At step 50: 3, 5, 1, 4: 3.5. What was pruned does not count. */
static const struct curve averaged[] = {
    DONE(tens, 1, 6, 6, 1, 2, 3, 4, 5, 6), DONE(tens, 2, 5, 6, 5, 5, 5, 5, 5, 5),       DONE(tens, 3, 1, 6, 1, 1, 1, 1, 1, 1),
    DONE(tens, 4, 0, 2, 0, 0),             DONE(tens, 5, 4, 6, 4, NAN, 4, 4, 4, NAN), CURVE(tens, 6, PRUNED, NAN, 5, 0, 0, 0, 0, 0),
};

static void a_trial_is_stopped_when_its_best_is_worse_than_the_median_of_running_averages(void **state)
{
    (void)state;
    const struct a_case cases[] = {
        {"{}", OWN(tens, 4, 9, 8, 7, 3.3), 6, true, "3.3, the median of the running averages of 4 completed trials is 3.25", 0},
        {"{}", OWN(tens, 4, 9, 8, 7, 3.25), 6, false, "goes on", 0},
        {"{}", OWN(tens, 4, 3.1, 8, 7, 9), 6, false, "3.1", 0},
        {"{}", OWN(tens, 5, 9, 8, 7, 3.6, 4), 6, true, "3.6", 0},
        {"{}", OWN(tens, 3, 9, 8, 7), 6, false, "3 of 4 reports", 0},
        {"{\"start_step\": 3}", OWN(tens, 3, 9, 8, 7), 6, true, "step 30", 0},
        {"{}", OWN(tens, 4, 9, 8, 7, 6), 2, false, "2 of 3 completed trials", 0},
        {"{\"min_trials_required\": 2}", OWN(tens, 4, 9, 8, 7, 6), 2, true, "stopped", 0},
        {"{\"min_trials_required\": \"5\"}", OWN(tens, 4, 9, 8, 7, 6), 6, false, "4 of 5 completed trials have reached step 40", 0},
        {"{}", OWN(tens, 4, INFINITY, INFINITY, INFINITY, INFINITY), 6, true, "inf", 0},
        {"{}", OWN(tens, 4, NAN, 2, NAN, NAN), 6, false, "2", 0},
        {"{}", OWN(tens, 0, 0), 6, false, "0 reports", 0},
    };
    check("median", cases, ARRAY_LEN(cases), averaged);
}

/* At step 30: 3, 5, 1, (too short), 2. The best quarter: 1 + 0.75 * (2 - 1) = 1.75; the best half: 2.5. At step 35 the same, but 4 has not come so far. */
static const struct curve valued[] = {
    DONE(tens, 1, 6, 6, 1, 2, 3, 4, 5, 6), DONE(tens, 2, 5, 6, 5, 5, 5, 5, 5, 5), DONE(tens, 3, 1, 6, 1, 1, 1, 1, 1, 1),
    DONE(tens, 4, 0, 2, 0, 0),             DONE(tens, 5, 2, 4, 2, 2, 2, 2),
};
static const int64_t odd[] = {5, 15, 25, 35};

static void a_trial_is_stopped_when_its_best_is_not_in_the_best_percentile(void **state)
{
    (void)state;
#define FEW "\"n_startup_trials\": 4"
    const struct a_case cases[] = {
        {"{" FEW "}", OWN(tens, 3, 9, 8, 1.8), 5, true, "is 1.8, the best 25 % of 4 completed trials were at 1.75", 0},
        {"{" FEW "}", OWN(tens, 3, 9, 8, 1.75), 5, false, "1.75", 0},
        {"{" FEW "}", OWN(tens, 3, 1.7, 8, 9), 5, false, "is 1.7", 0},
        {"{\"percentile\": 50, " FEW "}", OWN(tens, 3, 9, 8, 2.5), 5, false, "2.5", 0},
        {"{\"percentile\": 50, " FEW "}", OWN(odd, 4, 9, 8, 7, 2.6), 5, true, "up to step 35", 0},
        {"{\"percentile\": 0, " FEW "}", OWN(tens, 3, 9, 8, 1.1), 5, true, "at 1 or", 0},
        {"{\"percentile\": 100, " FEW "}", OWN(tens, 3, 9, 8, 5), 5, false, "at 5 or", 0},
        {"{}", OWN(tens, 3, 9, 9, 9), 5, false, "4 of 5 completed trials have reached step 30", 0},
        {"{\"n_warmup_steps\": 31, " FEW "}", OWN(tens, 3, 9, 9, 9), 5, false, "step 30 of 31", 0},
        {"{\"n_warmup_steps\": 30, " FEW "}", OWN(tens, 3, 9, 9, 9), 5, true, "step 30", 0},
        {"{\"interval_steps\": 25, " FEW "}", OWN(tens, 2, 9, 9), 5, false, "from 0 on", 0},
        {"{\"interval_steps\": 25, " FEW "}", OWN(tens, 3, 9, 9, 9), 5, true, "step 30", 0},
        {"{\"interval_steps\": 25, " FEW "}", OWN(tens, 4, 9, 9, 9, 9), 5, false, "from 25 on were decided at or before step 30", 0},
        {"{" FEW "}", OWN(tens, 3, 9, 9, 9), 5, false, "decided at or before step 60", 60},
        {"{" FEW "}", OWN(tens, 3, NAN, NAN, NAN), 5, true, "inf", 0},
    };
    check("percentile", cases, ARRAY_LEN(cases), valued);
}

static void a_trial_is_stopped_when_a_value_is_out_of_bounds_or_no_number(void **state)
{
    (void)state;
    const struct a_case cases[] = {
        {"{}", OWN(tens, 3, 1e300, -1e300, 0), 0, false, "3 reports", 0},
        {"{}", OWN(tens, 3, 1, NAN, 2), 0, true, "at step 20 is nan", 0},
        {"{}", OWN(tens, 2, 1, INFINITY), 0, true, "at step 20 is inf", 0},
        {"{\"upper\": 5}", OWN(tens, 2, 5, 5), 0, false, "2 reports", 0},
        {"{\"upper\": 5}", OWN(tens, 2, 5, 5.5), 0, true, "is 5.5, above 5", 0},
        {"{\"lower\": -1, \"upper\": 5}", OWN(tens, 2, 0, -2), 0, true, "is -2, below -1", 0},
        {"{\"upper\": 5, \"n_warmup_steps\": 20}", OWN(tens, 2, 9, 4), 0, false, "1 reports from step 20 on", 0},
        {"{\"upper\": 5, \"n_warmup_steps\": 20}", OWN(tens, 2, 4, 9), 0, true, "step 20 is 9", 0},
    };
    check("threshold", cases, ARRAY_LEN(cases), NULL);
    const struct curve accuracy = OWN(tens, 2, -0.5, -0.05); /* bounds are those of the metric as it is reported */
    struct stop_answer a = ask("threshold", "{\"lower\": 0.1}", (struct stop_question){.trial = &accuracy, .asked = 10, .maximized = true});
    assert_true(a.stop);
    assert_non_null(strstr(a.reason, "is 0.05, below 0.1"));
}

static void a_trial_is_stopped_when_it_has_not_improved_for_long(void **state)
{
    (void)state;
#define THREE "\"patience\": 3"
    const struct a_case cases[] = {
        {"{" THREE "}", OWN(tens, 3, 1, 2, 3), 0, false, "3 of 4 reports", 0},
        {"{" THREE "}", OWN(tens, 4, 1, 2, 3, 4), 0, true, "last 3 reports is 2, before them it was 1", 0},
        {"{" THREE "}", OWN(tens, 4, 1, 2, 0.9, 4), 0, false, "is 0.9", 0},
        {"{" THREE "}", OWN(tens, 4, 1, 1, 1, 1), 0, true, "is 1", 0},
        {"{" THREE ", \"min_delta\": 0.2}", OWN(tens, 4, 1, 2, 0.9, 4), 0, true, "more than 0.2", 0},
        {"{" THREE ", \"min_delta\": 0.2}", OWN(tens, 4, 1, 2, 0.75, 4), 0, false, "0.75", 0},
        {"{" THREE "}", OWN(tens, 5, 1, 0.5, NAN, NAN, NAN), 0, true, "is inf, before them it was 0.5", 0},
        {"{" THREE "}", OWN(tens, 5, NAN, NAN, NAN, NAN, 3), 0, false, "is 3", 0},
    };
    check("patient", cases, ARRAY_LEN(cases), NULL);
}

/* Values at the rungs 1, 3, 9: a 5, 3, 1; b 4, 4, -; c 3, -, -; d 2, 6, -; e inf, -, -. It does not matter how they ended. */
static const struct curve ranked[] = {
    DONE(ones, 1, 1, 9, 5, 4, 3, 3, 3, 3, 2, 2, 1),     CURVE(ones, 2, PRUNED, NAN, 3, 4, 4, 4), CURVE(ones, 3, RUNS, NAN, 1, 3),
    CURVE(ones, 4, FAILED, NAN, 8, 2, 4, 6, 6, 6, 6, 6, 6), CURVE(ones, 5, RUNS, NAN, 2, NAN, 0),
};
static const int64_t coarse[] = {4, 8, 12};

static void a_trial_passes_a_rung_among_the_best_of_those_that_reached_it(void **state)
{
    (void)state;
    const struct a_case cases[] = {
        {"{}", OWN(ones, 1, 2.5), 5, false, "at the rung of step 1 its value 2.5 is number 2 of 6, and the best 2 go on", 0},
        {"{}", OWN(ones, 1, 3), 5, false, "number 2 of 6", 0}, /* equals stay together */
        {"{}", OWN(ones, 1, 3.5), 5, true, "number 3 of 6", 0},
        {"{}", OWN(ones, 1, 3.5), 2, false, "number 1 of 3, and the best 1", 0},
        {"{}", OWN(ones, 1, 4.5), 2, true, "number 2 of 3", 0},
        {"{}", OWN(ones, 1, 9), 1, false, "2 of 3 trials have reached the rung of step 1", 0},
        {"{}", OWN(ones, 2, 9, 9), 5, false, "the next rung is at 3", 0}, /* the rung is passed: not decided again */
        {"{}", OWN(ones, 3, 1, 1, 3.5), 5, true, "rung of step 3 its value 3.5 is number 2 of 4", 0},
        {"{}", OWN(ones, 3, 1, 1, 3), 5, false, "number 1 of 4", 0},
        {"{}", OWN(ones, 3, 9, 9, 3), 5, false, "rung of step 3", NONE}, /* several reports at once: at the highest rung they reach */
        {"{}", OWN(coarse, 1, 3.5), 5, true, "rung of step 3 its value 3.5 is number 2 of 4", NONE},
        {"{}", OWN(coarse, 2, 1, 9), 5, false, "next rung is at 9", 0},
        {"{}", OWN(coarse, 3, 1, 9, 9), 5, false, "2 of 3 trials have reached the rung of step 9", 0},
        {"{}", OWN(ones, 3, 9, 9, 9), 5, false, "the next rung is at 81", 27}, /* an attempt before came to step 27 */
        {"{\"reduction_factor\": 2}", OWN(ones, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9), 5, false, "next rung is at 16", 0},
        {"{\"reduction_factor\": 2}", OWN(ones, 8, 0, 0, 0, 0, 0, 0, 0, 3), 5, true, "step 8 its value 3 is number 2 of 3, and the best 1", 0},
        {"{\"min_resource\": 2}", OWN(ones, 2, 0, 4), 5, true, "step 2 its value 4 is number 2 of 5", 0},
        {"{\"bracket\": 1}", OWN(ones, 1, 9), 5, false, "next rung is at 3", 0},
        {"{\"bracket\": 1}", OWN(ones, 3, 0, 0, 3.5), 5, true, "step 3", 0},
        {"{\"max_resource\": 3}", OWN(ones, 3, 0, 0, 9), 5, false, "no rung beyond", 0},
        {"{\"bracket\": 40, \"reduction_factor\": 100}", OWN(ones, 3, 0, 0, 9), 5, false, "no rung beyond", 0},
        {"{}", OWN(ones, 1, NAN), 0, true, "rung of step 1 is not a finite number", 0},
        {"{}", OWN(ones, 1, INFINITY), 5, true, "not a finite number", 0},
    };
    check("asha", cases, ARRAY_LEN(cases), ranked);
}

static void count_brackets(int64_t from, int64_t n, int *counts)
{
    const double value = 1;
    for (int64_t number = from; number < from + n; number++) {
        const struct curve t = {.number = number, .end = CURVE_RUNS, .final = NAN, .step = ones, .value = &value, .n = 1};
        struct stop_answer a = ask("hyperband", "{\"max_resource\": 27}", (struct stop_question){.trial = &t, .asked = NONE});
        static const char *const first[] = {"1 of 3 trials have reached the rung of step 1", "next rung is at 3", "next rung is at 9", "no rung beyond"};
        size_t b = 0;
        while (b < ARRAY_LEN(first) && !strstr(a.reason, first[b]))
            b++;
        assert_true(b < ARRAY_LEN(first));
        counts[b]++;
    }
}

static void brackets_get_their_share_of_any_run_of_trials(void **state)
{
    (void)state;
    static const int weights[] = {27, 12, 6, 4}; /* Li et al.: ceil(4 / 4 * 27), ceil(4 / 3 * 9), ceil(4 / 2 * 3), 4 */
    for (int64_t from = 1; from < 5000; from += 37) {
        int counts[4] = {0};
        count_brackets(from, 49, counts);
        for (int b = 0; b < 4; b++)
            assert_in_range(counts[b] + 2, weights[b], weights[b] + 4); /* within 2 */
    }
}

static void a_trial_is_compared_within_its_bracket(void **state)
{
    (void)state;
    double low = 0, high = 5;
    struct curve others[40];
    size_t n = 0;
    for (int64_t i = 1; i <= 40; i++)
        others[n++] = (struct curve){.number = i, .end = CURVE_PRUNED, .final = NAN, .step = ones, .value = &low, .n = 1};
    size_t decided = 0;
    for (int64_t number = 41; number <= 80; number++) {
        const struct curve t = {.number = number, .end = CURVE_RUNS, .final = NAN, .step = ones, .value = &high, .n = 1};
        struct stop_answer a = ask("hyperband", "{\"max_resource\": 27}", (struct stop_question){.trial = &t, .asked = NONE, .others = others, .n_others = n});
        unsigned place, of, best;
        int got = sscanf(a.reason, "stopped: at the rung of step 1 its value 5 is number %u of %u, and the best %u", &place, &of, &best);
        assert_int_equal(a.stop, got == 3);
        if (!a.stop)
            continue;
        decided++;
        assert_int_equal(place, of);
        assert_in_range(of, 20, 25); /* 27 of 49 of the 40, and itself */
        assert_int_equal(best, of / 3);
    }
    assert_in_range(decided, 19, 25);
    struct stop_answer a = ask("hyperband", "{\"max_resource\": 27, \"brackets\": 1}", /* one bracket: asha */
                               (struct stop_question){.trial = &(struct curve)OWN(ones, 1, 5), .asked = NONE, .others = others, .n_others = 8});
    assert_non_null(strstr(a.reason, "number 9 of 9, and the best 3"));
}

/* The best one is 2, by its end; on the folds it has it is 1 everywhere. */
static const struct curve folds[] = {
    DONE(ones, 1, 3, 6, 0, 0, 0, 0, 0, 0),
    DONE(ones, 2, 1, 6, 1, 1, 1, 1, 1, 1),
    CURVE(ones, 3, PRUNED, NAN, 6, 0, 0, 0, 0, 0, 0),
};
static const int64_t evens[] = {2, 4, 6, 8};

static void a_trial_is_stopped_when_the_signed_rank_test_says_worse(void **state)
{
    (void)state;
    const struct a_case cases[] = {
        {"{}", OWN(ones, 5, 2, 3, 4, 5, 6), 3, true, "on 5 steps in common with trial 2, the best one, p is 0.0312 (limit 0.1); the means are 4 and 1", 0},
        {"{}", OWN(ones, 5, 0, 3, 4, 5, 6), 3, true, "p is 0.0625", 0},      /* ranks 1+ of the negative: 2 of 32 sign patterns */
        {"{}", OWN(ones, 5, 0, -1, 4, 5, 6), 3, false, "p is 0.156", 0},     /* 5 of 32 */
        {"{}", OWN(ones, 3, 2, 2, 2), 3, false, "p is 0.125", 0},            /* ties: 1 of 8 */
        {"{}", OWN(ones, 4, 1, 2, 2, 3), 3, false, "p is 0.125", 0},         /* the zero has no sign */
        {"{\"p_threshold\": 0.2}", OWN(ones, 4, 1, 2, 2, 3), 3, true, "p is 0.125", 0},
        {"{}", OWN(ones, 4, 1, 1, 1, 1), 3, false, "p is 1", 0},
        {"{}", OWN(ones, 1, 9), 3, false, "1 of 2 steps in common with trial 2", 0},
        {"{}", OWN(evens, 4, 9, 9, 9, 9), 3, false, "on 3 steps in common", 0},
        {"{}", OWN(ones, 5, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY), 3, true, "p is 0.0312", 0},
        {"{}", OWN(ones, 5, NAN, NAN, NAN, NAN, 2), 3, false, "1 of 2 steps", 0},
        {"{}", OWN(ones, 5, 2, 3, 4, 5, 6), 0, false, "0 of 1 completed trials", 0},
    };
    check("wilcoxon", cases, ARRAY_LEN(cases), folds);
}

/* Differences 1 .. 30, some of them negative. `p` is the exact tail, by counting sign patterns. */
static void many_steps_are_tested_by_the_normal_distribution(void **state)
{
    (void)state;
    const struct {
        int64_t negative_from;
        int negative_too;
        bool stop;
        double p;
    } cases[] = {{26, 10, true, 0.04597}, {25, 20, false, 0.16937}};
    double zero[30] = {0}, own[30];
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        for (int i = 1; i <= 30; i++)
            own[i - 1] = i >= cases[k].negative_from || i == cases[k].negative_too ? -i : i;
        const struct curve best = {.number = 1, .end = CURVE_COMPLETED, .final = 0, .step = ones, .value = zero, .n = 30};
        const struct curve t = {.number = 2, .end = CURVE_RUNS, .final = NAN, .step = ones, .value = own, .n = 30};
        struct stop_answer a = ask("wilcoxon", "{}", (struct stop_question){.trial = &t, .asked = 29, .others = &best, .n_others = 1});
        double p;
        assert_non_null(strstr(a.reason, "p is "));
        assert_int_equal(sscanf(strstr(a.reason, "p is "), "p is %lf", &p), 1);
        if (a.stop != cases[k].stop || fabs(p - cases[k].p) > 0.003)
            fail_msg("case %zu: %d, \"%s\"", k, a.stop, a.reason);
    }
}

/* y = 0.5 + t^-0.5: 0.6 at step 100. */
static void a_trial_is_stopped_when_its_curve_will_not_come_near_the_best(void **state)
{
    (void)state;
    double own[40];
    for (int i = 0; i < 40; i++)
        own[i] = 0.5 + 1 / sqrt(i + 1);
    const struct {
        const char *settings;
        double best;
        size_t n;
        bool stop;
        const char *says;
        double expected; /* 0: nothing is */
    } cases[] = {
        {"{}", 0.5, 40, true, "better than trial 1, 0.5, with", 0.6},
        {"{}", 0.6, 40, false, "0.6, with probability 0.", 0.6},
        {"{}", 0.65, 40, false, "0.65, with probability 1 ", 0.6},
        {"{}", 0.66, 40, false, "its best value 0.658114 is as good", 0},
        {"{}", 0.5, 24, false, "step 24 of 25", 0},
        {"{\"max_resource\": 40}", 0.5, 40, false, "step 40, and trials end at 40", 0},
        {"{\"max_resource\": 50}", 0.5, 39, true, "at step 50", 0.6414},
        {"{\"min_reports\": 41}", 0.5, 40, false, "its 40 reports do not show a trend", 0},
        {"{\"threshold\": 0}", 0.5, 40, false, "(limit 0)", 0.6},
    };
    int64_t far = 100;
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        const struct curve best = {.number = 1, .end = CURVE_COMPLETED, .final = cases[k].best, .step = &far, .value = &cases[k].best, .n = 1};
        const struct curve t = {.number = 2, .end = CURVE_RUNS, .final = NAN, .step = ones, .value = own, .n = cases[k].n};
        struct stop_answer a = ask("curve", cases[k].settings, (struct stop_question){.trial = &t, .asked = 1, .others = &best, .n_others = 1});
        double expected = 0;
        (void)sscanf(a.reason, "%*[^:]: expected at step %*d: %lf", &expected);
        if (a.stop != cases[k].stop || !strstr(a.reason, cases[k].says) || fabs(expected - cases[k].expected) > 0.003)
            fail_msg("case %zu: %d, \"%s\"", k, a.stop, a.reason);
    }
}

static void the_reason_shows_a_maximised_metric_as_it_was_reported(void **state)
{
    (void)state;
    const struct curve trial = OWN(tens, 4, 9, 8, 7, 3.3);
    struct stop_answer a = ask("median", "{}", (struct stop_question){.trial = &trial, .asked = 30, .others = averaged, .n_others = 6, .maximized = true});
    assert_true(a.stop);
    assert_non_null(strstr(a.reason, "is -3.3"));
    assert_non_null(strstr(a.reason, "is -3.25"));
}

/* --- the contract */

#define MANY 12
#define LONG 40

struct random_question {
    double value[MANY][LONG];
    int64_t step[MANY][LONG];
    struct curve curve[MANY];
    struct stop_question q;
};

static double draw_value(struct rng *r, bool wild)
{
    static const double odd_ones[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 0, -0.0, 5e-324};
    if (wild && rng_uniform(r) < 0.3)
        return odd_ones[rng_next(r) % ARRAY_LEN(odd_ones)];
    return rng_uniform(r) < 0.3 ? (double)(rng_next(r) % 4) : rng_normal(r); /* with ties */
}

/* Curve 0 is the trial's. */
static void draw_question(struct random_question *x, uint64_t seed, bool wild)
{
    struct rng r = rng_new(seed, RNG_POINT, wild);
    const int64_t stride = 1 + (int64_t)(rng_next(&r) % 3);
    for (int i = 0; i < MANY; i++) {
        int64_t step = wild && rng_next(&r) % 8 == 0 ? INT64_MIN : (int64_t)(rng_next(&r) % 2);
        size_t n = rng_next(&r) % (LONG + 1);
        for (size_t k = 0; k < n; k++) {
            x->value[i][k] = draw_value(&r, wild);
            x->step[i][k] = step;
            if (k + 1 < n)
                step = wild && k + 2 == n && rng_next(&r) % 4 == 0 ? INT64_MAX - stride : step + stride;
        }
        x->curve[i] = (struct curve){.number = i + 1, .end = (enum curve_end)(rng_next(&r) % 5), .final = NAN, .step = x->step[i], .value = x->value[i], .n = n};
        if (x->curve[i].end == CURVE_COMPLETED)
            x->curve[i].final = draw_value(&r, wild);
    }
    const struct curve *t = &x->curve[0];
    x->q = (struct stop_question){.trial = t, .asked = t->n > 1 ? t->step[t->n - 2] : NONE, .others = x->curve + 1, .n_others = rng_next(&r) % MANY};
}

static void check_answer(const struct stopper *s, uint64_t seed, const struct stop_answer *a)
{
    const char *begins = a->stop ? "stopped: " : a->pause ? "paused: " : "goes on: ";
    bool ok = memchr(a->reason, '\0', sizeof a->reason) && strpbrk(a->reason, "0123456789") && !strncmp(a->reason, begins, strlen(begins)) && !(a->stop && a->pause);
    if (!ok)
        fail_msg("%s, seed %llu: %d, \"%.*s\"", s->name, (unsigned long long)seed, a->stop, STOP_REASON, a->reason);
}

/* A settings value drawn from its table, small numbers more often than large ones. */
static void draw_settings(struct settings *s, const struct stopper *rule, struct rng *r)
{
    read_settings(s, rule, "{}");
    for (int i = 0; rule->settings[i].name; i++) {
        const struct setting *t = &rule->settings[i];
        double value = fmin(t->max, fmax(t->min, rng_uniform(r) < 0.1 ? t->max : t->min + 10 * rng_uniform(r)));
        if (rng_uniform(r) < 0.6)
            s->value[i] = t->type == SETTING_FLOAT ? value : floor(value);
    }
}

/* Whoever is promoted is paused; the same question gives the same answer. */
static void check_promotion(const struct stopper *s, const struct random_question *x, uint64_t seed)
{
    const struct promotion_question q = {.settings = x->q.settings, .curves = x->curve, .n = MANY, .last = seed % 3 == 0};
    char a[STOP_REASON] = "", b[STOP_REASON] = "";
    const int64_t number = s->promote(&q, a);
    assert_int_equal(number, s->promote(&q, b));
    assert_string_equal(a, b);
    if (number && x->curve[number - 1].end != CURVE_PAUSED)
        fail_msg("%s, seed %llu: %lld is not paused", s->name, (unsigned long long)seed, (long long)number);
}

static void every_rule_is_a_function_of_its_question(void **state)
{
    (void)state;
    static struct random_question x;
    for (const struct stopper *const *s = stoppers; *s; s++)
        for (uint64_t seed = 0; seed < 1000; seed++) {
            struct rng r = rng_new(seed, RNG_COIN, 0);
            struct settings settings;
            struct stop_answer a, b;
            memset(&a, 0x55, sizeof a);
            memset(&b, 0xaa, sizeof b);
            draw_question(&x, seed, seed % 2);
            draw_settings(&settings, *s, &r);
            x.q.settings = &settings;
            stopper_ask(*s, &x.q, &a);
            stopper_ask(*s, &x.q, &b);
            check_answer(*s, seed, &a);
            assert_int_equal(a.stop, b.stop);
            assert_int_equal(a.pause, b.pause);
            assert_string_equal(a.reason, b.reason);
            if ((*s)->promote)
                check_promotion(*s, &x, seed);
        }
}

/* --- pauses */

#define PAUSED(i, count, ...) CURVE(ones, i, PAUSED, NAN, count, __VA_ARGS__)

static int64_t promote(const char *rule, const char *settings, const struct curve *curves, size_t n, bool last, char *why)
{
    const struct stopper *s = stopper_find(rule);
    struct settings values;
    read_settings(&values, s, settings);
    return s->promote(&(struct promotion_question){.settings = &values, .curves = curves, .n = n, .last = last}, why);
}

static void attempts_end_at_rungs_in_the_form_that_pauses(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *settings;
        int64_t number, asked, budget;
    } cases[] = {
        {"asha", "{\"form\": \"pause\", \"max_resource\": 20}", 1, 0, 1},     {"asha", "{\"form\": \"pause\", \"max_resource\": 20}", 1, 1, 3},
        {"asha", "{\"form\": \"pause\", \"max_resource\": 20}", 1, 7, 9},     {"asha", "{\"form\": \"pause\", \"max_resource\": 20}", 1, 9, 20},
        {"asha", "{\"form\": \"pause\", \"max_resource\": 20}", 1, 20, 20},   {"asha", "{\"max_resource\": 20}", 1, 0, 0},
        {"hyperband", "{\"form\": \"pause\", \"brackets\": 1}", 5, 1, 3},     {"hyperband", "{}", 5, 1, 0},
        {"median", "{}", 1, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct stopper *s = stopper_find(cases[i].rule);
        struct settings values;
        read_settings(&values, s, cases[i].settings);
        assert_int_equal(stopper_budget(s, &values, cases[i].number, cases[i].asked), cases[i].budget);
    }
}

static void the_best_of_the_highest_rung_that_earned_it_is_promoted(void **state)
{
    (void)state;
    static const char settings[] = "{\"form\": \"pause\", \"max_resource\": 9}";
    const struct curve curves[] = {PAUSED(1, 1, 5), PAUSED(2, 1, 3), CURVE(ones, 3, RUNS, NAN, 3, 2, 2, 8), PAUSED(4, 3, 1, 1, 6), CURVE(ones, 5, FAILED, NAN, 3, 1, 1, 9),
                                   PAUSED(6, 1, NAN), PAUSED(7, 1, 3), PAUSED(8, 1, 9), PAUSED(9, 1, 9)};
    char why[STOP_REASON] = "";
    assert_int_equal(promote("asha", settings, curves, 4, false, why), 0); /* of four the first, which runs already */
    assert_int_equal(promote("asha", settings, curves, 5, false, why), 4); /* the first of three at step 3, one of which failed */
    assert_string_equal(why, "at the rung of step 3 its value 6 is number 1 of 3, and the best 1 go on");
    struct curve gone[9];
    memcpy(gone, curves, sizeof gone);
    gone[3].end = CURVE_RUNS;
    assert_int_equal(promote("asha", settings, gone, 9, false, why), 0); /* three of nine have gone on */
    gone[4].n = 0;
    assert_int_equal(promote("asha", settings, gone, 9, false, why), 0); /* of eight two have */
    gone[3].n = 0;
    assert_int_equal(promote("asha", settings, gone, 9, false, why), 2); /* the first of equals */
    gone[0].end = gone[1].end = gone[6].end = gone[7].end = gone[8].end = CURVE_RUNS;
    assert_int_equal(promote("asha", settings, gone, 9, false, why), 0); /* what diverged is number eight */
    assert_int_equal(promote("asha", settings, gone, 1, true, why), 0);
    assert_int_equal(promote("asha", settings, curves, 2, true, why), 2); /* nothing more will come */
    gone[2].end = CURVE_COMPLETED;
    gone[0].end = CURVE_PAUSED;
    assert_int_equal(promote("asha", settings, gone, 3, true, why), 0); /* one has come to the top */
}

static bool alone(const struct stopper *s)
{
    return !strcmp(s->name, "patient") || !strcmp(s->name, "threshold");
}

static void no_rule_that_compares_stops_a_trial_with_nothing_to_compare(void **state)
{
    (void)state;
    static struct random_question x;
    for (const struct stopper *const *s = stoppers; *s; s++) {
        struct settings settings;
        read_settings(&settings, *s, "{}");
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct stop_answer a;
            draw_question(&x, seed, false);
            x.q.settings = &settings;
            x.q.n_others = 0;
            stopper_ask(*s, &x.q, &a);
            check_answer(*s, seed, &a);
            assert_true(!a.stop || alone(*s));
            x.curve[0].n = 0;
            stopper_ask(*s, &x.q, &a);
            check_answer(*s, seed, &a);
            assert_false(a.stop);
        }
    }
}

/* What is measured in other units, or turned round, is decided alike; bounds of the threshold rule are in the metric's units. */
static void units_and_direction_change_no_decision(void **state)
{
    (void)state;
    static struct random_question x;
    for (const struct stopper *const *s = stoppers; *s; s++)
        for (uint64_t seed = 0; seed < 300; seed++) {
            struct settings settings;
            struct stop_answer a, b;
            read_settings(&settings, *s, "{}");
            draw_question(&x, seed, false);
            x.q.settings = &settings;
            stopper_ask(*s, &x.q, &a);
            x.q.maximized = true;
            for (int i = 0; i < MANY; i++) {
                x.curve[i].final *= 1024;
                for (size_t k = 0; k < x.curve[i].n; k++)
                    x.value[i][k] *= 1024;
            }
            stopper_ask(*s, &x.q, &b);
            assert_int_equal(a.stop, b.stop);
        }
}

static void rules_say_what_they_are_and_are_found_by_name(void **state)
{
    (void)state;
    assert_null(stopper_find("mean"));
    for (const struct stopper *const *s = stoppers; *s; s++) {
        assert_ptr_equal(stopper_find((*s)->name), *s);
        assert_true(*(*s)->title && *(*s)->about);
    }
}

static void a_bound_that_is_not_set_is_neither_shown_nor_kept(void **state)
{
    (void)state;
    const struct stopper *threshold = stopper_find("threshold");
    struct settings s;
    read_settings(&s, threshold, "{\"upper\": 3}");
    json_t *values = settings_json(&s), *schema = settings_schema(threshold->settings);
    assert_null(json_object_get(values, "lower"));
    assert_true(json_real_value(json_object_get(values, "upper")) == 3);
    json_t *lower = json_object_get(json_object_get(schema, "properties"), "lower");
    assert_non_null(json_object_get(lower, "description"));
    assert_null(json_object_get(lower, "default"));
    json_decref(values);
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_is_stopped_when_its_best_is_worse_than_the_median_of_running_averages),
        cmocka_unit_test(a_trial_is_stopped_when_its_best_is_not_in_the_best_percentile),
        cmocka_unit_test(a_trial_is_stopped_when_a_value_is_out_of_bounds_or_no_number),
        cmocka_unit_test(a_trial_is_stopped_when_it_has_not_improved_for_long),
        cmocka_unit_test(a_trial_passes_a_rung_among_the_best_of_those_that_reached_it),
        cmocka_unit_test(brackets_get_their_share_of_any_run_of_trials),
        cmocka_unit_test(a_trial_is_compared_within_its_bracket),
        cmocka_unit_test(a_trial_is_stopped_when_the_signed_rank_test_says_worse),
        cmocka_unit_test(many_steps_are_tested_by_the_normal_distribution),
        cmocka_unit_test(a_trial_is_stopped_when_its_curve_will_not_come_near_the_best),
        cmocka_unit_test(the_reason_shows_a_maximised_metric_as_it_was_reported),
        cmocka_unit_test(every_rule_is_a_function_of_its_question),
        cmocka_unit_test(attempts_end_at_rungs_in_the_form_that_pauses),
        cmocka_unit_test(the_best_of_the_highest_rung_that_earned_it_is_promoted),
        cmocka_unit_test(no_rule_that_compares_stops_a_trial_with_nothing_to_compare),
        cmocka_unit_test(units_and_direction_change_no_decision),
        cmocka_unit_test(rules_say_what_they_are_and_are_found_by_name),
        cmocka_unit_test(a_bound_that_is_not_set_is_neither_shown_nor_kept),
    };
    return cmocka_run_group_tests_name("stopping", tests, NULL, NULL);
}
