/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stopping rules as the service asks them: the same story of reports (late, repeated, many at once, of lost attempts, of trials that are run again or
 * deleted) must be decided alike whether the service lives through it or is killed again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXPERIMENT "sim"
#define MAX_TRIALS 40
#define N_STEPS 9

static char dir[100];

static const char spec[] = "name: sim\n"
                           "objective: {metric: loss, direction: %s}\n"
                           "parameters: {x: {type: float, min: 0, max: 1}}\n"
                           "algorithm: random\n"
                           "trials: {retries: 50, max_failed: -1}\n"
                           "stopping: %s\n";

static void create(const char *direction, const char *stopping)
{
    char yaml[500];
    (void)snprintf(yaml, sizeof yaml, spec, direction, stopping);
    world_create(yaml);
}

static void give(enum command_kind kind, int64_t trial, json_t *body)
{
    json_decref(world_do(kind, EXPERIMENT, trial, body));
}

/* The number of a trial to run. Each is another worker's: one that asks again is given what it has. */
static int64_t suggest(void)
{
    static int n_workers;
    char worker[20];
    (void)snprintf(worker, sizeof worker, "w%d", ++n_workers);
    json_t *reply = world_do(CMD_TRIAL_SUGGEST, EXPERIMENT, 0, json_pack("{s:s}", "worker", worker));
    int64_t number = json_integer_value(json_object_get(json_array_get(json_object_get(reply, "trials"), 0), "number"));
    json_decref(reply);
    assert_true(number > 0);
    return number;
}

static json_t *point(int64_t step, double value)
{
    json_t *number = isnan(value) ? json_string("NaN") : json_real(value);
    return json_pack("{s:I, s:{s:o, s:f}}", "step", (json_int_t)step, "metrics", "loss", number, "other", 1e6);
}

/* Reports `points` (taken); the answer as text. */
static char *report(int64_t trial, json_t *points)
{
    json_t *reply = world_do(CMD_TRIAL_REPORT, EXPERIMENT, trial, json_pack("{s:o}", "measurements", points));
    char *text = x_asprintf("%s %s", json_is_true(json_object_get(reply, "should_stop")) ? "stop" : "go",
                            json_is_true(json_object_get(reply, "should_stop")) ? json_string_value(json_object_get(reply, "message")) : "");
    json_decref(reply);
    return text;
}

static bool told_to_stop(int64_t trial, int64_t step, double value)
{
    char *text CLEANUP_FREE = report(trial, json_pack("[o]", point(step, value)));
    return !strncmp(text, "stop", 4);
}

/* Runs a trial over steps from .. to with this value; true: it was told to stop, and ended. */
static bool runs(int64_t trial, int64_t from, int64_t to, double value)
{
    for (int64_t step = from; step <= to; step++)
        if (told_to_stop(trial, step, value)) {
            give(CMD_TRIAL_COMPLETE, trial, NULL);
            return true;
        }
    return false;
}

/* --- single facts */

static void rungs_know_trials_that_run_and_that_were_stopped(void **state)
{
    (void)state;
    world_begin(1, dir);
    create("minimize", "{name: asha, settings: {max_resource: 9}}");
    int64_t a = suggest(), b = suggest(), c = suggest(), d = suggest();
    assert_false(runs(a, 1, 2, 5)); /* at rung 1 with too few */
    assert_false(runs(b, 1, 2, 3));
    assert_true(runs(c, 1, 2, 4)); /* the second of three, the two others run */
    world_kill(false);
    assert_true(runs(d, 1, 2, 4)); /* the second of four: the stopped one counts */
    assert_false(runs(a, 3, 3, 9)); /* the first at rung 3 */
    world_end();
}

static void a_trial_that_runs_again_is_not_asked_at_a_rung_it_has_passed(void **state)
{
    (void)state;
    world_begin(2, dir);
    create("minimize", "{name: asha, settings: {max_resource: 9}}");
    int64_t a = suggest();
    assert_false(runs(a, 1, 4, 5));
    world_pass(3601 * 1000); /* its worker is gone */
    world_turn();
    world_pass(61 * 1000);
    world_kill(false);
    for (int i = 0; i < 4; i++) {
        int64_t other = suggest();
        if (other == a)
            i--; /* the second attempt */
        else
            (void)runs(other, 1, 4, 1 + i);
    }
    assert_false(runs(a, 1, 5, 6)); /* far from the best two of five now, but that was decided */
    world_end();
}

static void a_maximised_metric_is_told_as_it_was_reported(void **state)
{
    (void)state;
    world_begin(3, dir);
    create("maximize", "{name: threshold, settings: {lower: 0.1}}");
    int64_t a = suggest();
    assert_false(told_to_stop(a, 1, 0.2));
    char *text CLEANUP_FREE = report(a, json_pack("[o]", point(2, 0.05)));
    assert_string_equal(text, "stop stopped: its value at step 2 is 0.05, below 0.1");
    world_end();
}

/* Each rule on its own metric; `other` is always the same number here. */
static void several_rules_watch_several_metrics(void **state)
{
    (void)state;
    world_begin(5, dir);
    create("minimize", "[{name: threshold, settings: {upper: 5}}, {name: patient, metric: other, direction: maximize, settings: {patience: 3}}]");
    int64_t a = suggest(), b = suggest();
    assert_false(told_to_stop(a, 1, 4));
    assert_false(told_to_stop(a, 2, 3));
    assert_false(told_to_stop(a, 3, 2));
    world_kill(false);
    char *patient CLEANUP_FREE = report(a, json_pack("[o]", point(4, 1)));
    assert_non_null(strstr(patient, "stop patient on other: stopped: "));
    char *bound CLEANUP_FREE = report(b, json_pack("[o]", point(1, 6)));
    assert_string_equal(bound, "stop threshold on loss: stopped: its value at step 1 is 6, above 5");
    world_end();
}

/* 1,000 newest and the best, the first. */
static void of_very_many_trials_the_newest_and_the_best_are_compared(void **state)
{
    (void)state;
    static const char compared[] = "the median of the running averages of 1001 completed trials is 5";
    world_begin(4, dir);
    create("minimize", "{name: median, settings: {start_step: 1, min_trials_required: 1000}}");
    json_decref(world_do(CMD_TRIAL_SUGGEST, EXPERIMENT, 0, json_pack("{s:i, s:s}", "count", 1000, "worker", "a")));
    json_decref(world_do(CMD_TRIAL_SUGGEST, EXPERIMENT, 0, json_pack("{s:i, s:s}", "count", 6, "worker", "b")));
    for (int64_t number = 1; number <= 1004; number++) {
        struct call report_call, complete_call; /* many in one commit */
        json_t *points = json_pack("{s:[o]}", "measurements", point(1, number == 1 ? 1 : 5));
        world_send(&report_call, world_command(CMD_TRIAL_REPORT, EXPERIMENT, number, points));
        world_send(&complete_call, world_command(CMD_TRIAL_COMPLETE, EXPERIMENT, number, NULL));
        world_turn();
        assert_true(report_call.command && complete_call.command && !complete_call.command->error.code);
        command_free(report_call.command);
        command_free(complete_call.command);
    }
    char *lived CLEANUP_FREE = report(1005, json_pack("[o]", point(1, 9)));
    world_kill(false);
    char *began CLEANUP_FREE = report(1006, json_pack("[o]", point(1, 9)));
    assert_non_null(strstr(lived, compared));
    assert_string_equal(lived, began);
    world_end();
}

/* --- stories */

struct story {
    int64_t number[MAX_TRIALS]; /* of trials that run; 0: ended */
    double level[MAX_TRIALS];
    int step[MAX_TRIALS];
    size_t n;
    uint64_t draws;
    char *answers; /* all that was answered */
};

static uint64_t draw(struct story *s, uint64_t n)
{
    s->draws = s->draws * 6364136223846793005u + 1442695040888963407u;
    return (s->draws >> 33) % n;
}

static void note(struct story *s, int64_t number, const char *text)
{
    char *all = x_asprintf("%s%lld: %s\n", s->answers, (long long)number, text);
    free(s->answers);
    s->answers = all;
}

/* One call of the trial: the next step, or two at once, or the last again, or one that was left out. */
static void tell(struct story *s, size_t i)
{
    uint64_t how = draw(s, 8);
    json_t *points = json_array();
    for (int k = 0; k < (how == 0 ? 2 : 1); k++) {
        double value = draw(s, 30) ? s->level[i] + 3.0 / (1 + s->step[i]) + (double)draw(s, 100) / 200 : (double)NAN;
        int step = how == 1 && s->step[i] > 1 ? 1 + (int)draw(s, (uint64_t)s->step[i]) : ++s->step[i];
        s->step[i] += how == 2; /* leaves one out */
        (void)json_array_append_new(points, point(step, value));
    }
    char *text CLEANUP_FREE = report(s->number[i], points);
    note(s, s->number[i], text);
    bool stop = !strncmp(text, "stop", 4);
    if (stop || s->step[i] >= N_STEPS) {
        enum command_kind end = !stop && draw(s, 10) == 0 ? CMD_TRIAL_FAIL : CMD_TRIAL_COMPLETE;
        give(end, s->number[i], end == CMD_TRIAL_FAIL ? NULL : json_pack("{s:{s:f}}", "metrics", "loss", s->level[i]));
        if (stop && draw(s, 6) == 0) {
            give(CMD_TRIAL_RETRY, s->number[i], NULL);
            assert_int_equal(suggest(), s->number[i]);
            s->step[i] = (int)draw(s, 3); /* from its start, or from a checkpoint */
            return;
        }
        if (stop && draw(s, 6) == 0)
            give(CMD_TRIAL_DELETE, s->number[i], NULL);
        s->number[i] = 0;
    }
}

/* The answers of a life; kill: one in so many calls comes after a kill -9, 0 = none does. */
static char *live_through(uint64_t seed, const char *stopping, uint64_t kill)
{
    static struct story s;
    s = (struct story){.draws = seed, .answers = x_strdup("")};
    world_begin(seed, dir);
    create(seed % 2 ? "minimize" : "maximize", stopping);
    uint64_t dice = seed;
    for (int call = 0; call < 160; call++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        if (kill && (dice >> 33) % kill == 0)
            world_kill(false);
        size_t i = (size_t)draw(&s, 5);
        while (s.n < MAX_TRIALS && (i >= s.n || !s.number[i])) /* always five that run */
            if (i < s.n) {
                s.number[i] = suggest();
                s.level[i] = (double)draw(&s, 1000) / 200;
                s.step[i] = 0;
            } else {
                s.number[s.n++] = 0;
            }
        tell(&s, i);
    }
    world_end();
    return s.answers;
}

static void a_restart_changes_no_decision(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "{name: asha, settings: {max_resource: 9, reduction_factor: 2}}", "{name: hyperband, settings: {max_resource: 9, reduction_factor: 2}}",
        "{name: median, settings: {start_step: 2}}",                      "{name: percentile, settings: {n_startup_trials: 2, interval_steps: 2}}",
        "{name: wilcoxon, settings: {p_threshold: 0.3}}",                 "{name: curve, settings: {min_reports: 4}}",
        "{name: patient, settings: {patience: 2}}",                       "{name: threshold, settings: {upper: 5}}",
        "[{name: median, settings: {start_step: 3}}, {name: asha, metric: other, direction: maximize, settings: {max_resource: 9}}, patient]",
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const uint64_t seed = 11 + i;
        char *once CLEANUP_FREE = live_through(seed, rules[i], 0), *often CLEANUP_FREE = live_through(seed, rules[i], 5);
        if (strcmp(once, often) != 0)
            fail_msg("%s:\n%s---\n%s", rules[i], once, often);
        assert_non_null(strstr(once, ": stop"));
        assert_non_null(strstr(once, ": go"));
    }
}

int main(void)
{
    algorithms_setup();
    (void)snprintf(dir, sizeof dir, "%s/hone-stop-rule-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rungs_know_trials_that_run_and_that_were_stopped),
        cmocka_unit_test(a_trial_that_runs_again_is_not_asked_at_a_rung_it_has_passed),
        cmocka_unit_test(a_maximised_metric_is_told_as_it_was_reported),
        cmocka_unit_test(several_rules_watch_several_metrics),
        cmocka_unit_test(of_very_many_trials_the_newest_and_the_best_are_compared),
        cmocka_unit_test(a_restart_changes_no_decision),
    };
    int failed = cmocka_run_group_tests_name("stopping rules in the service", tests, NULL, NULL);
    char clean[140];
    (void)snprintf(clean, sizeof clean, "rm -rf '%s'", dir);
    return system(clean) ? 1 : failed;
}
