/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trials that pause at rungs and are promoted: by hand with workers, then as runs under kills at any moment, where every promotion must be earned,
 * none made twice, no step taken again that a checkpoint holds, and one trial of the best come to the end. */
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
#define MAX_TRIALS 64
#define TOP 9

static char dir[100];
static uint64_t seed_now;

#define HEAD "name: sim\nobjective: {metric: loss, direction: minimize}\nseed: 7\nparameters: {x: {type: float, min: 0, max: 1}}\nalgorithm: random\n"
#define ASHA "stopping: {name: asha, settings: {form: pause, max_resource: 9}}\n"

static void give(enum command_kind kind, int64_t trial, json_t *body)
{
    json_decref(world_do(kind, EXPERIMENT, trial, body));
}

struct given {
    int64_t trial, attempt, budget;
    bool done;
};

/* Each asks as another worker: one that asks again is given what it has. */
static struct given suggest(void)
{
    static int n_workers;
    char worker[20];
    (void)snprintf(worker, sizeof worker, "w%d", ++n_workers);
    json_t *reply = world_do(CMD_TRIAL_SUGGEST, EXPERIMENT, 0, json_pack("{s:s}", "worker", worker));
    const json_t *trial = json_array_get(json_object_get(reply, "trials"), 0), *lease = json_object_get(trial, "lease");
    struct given g = {.trial = json_integer_value(json_object_get(trial, "number")),
                      .attempt = json_integer_value(json_object_get(lease, "attempt")),
                      .budget = json_integer_value(json_object_get(lease, "budget")),
                      .done = json_is_true(json_object_get(reply, "done"))};
    json_decref(reply);
    return g;
}

static void assert_given(struct given g, int64_t trial, int64_t attempt, int64_t budget)
{
    if (g.trial != trial || g.attempt != attempt || g.budget != budget)
        fail_msg("given: trial %lld, attempt %lld, budget %lld", (long long)g.trial, (long long)g.attempt, (long long)g.budget);
}

/* The reason to stop, "" to go on; to be freed. */
static char *report(int64_t trial, int64_t step, double value)
{
    json_t *body = json_pack("{s:[{s:I, s:{s:f}}]}", "measurements", "step", (json_int_t)step, "metrics", "loss", value);
    json_t *reply = world_do(CMD_TRIAL_REPORT, EXPERIMENT, trial, body);
    char *reason = x_strdup(json_is_true(json_object_get(reply, "should_stop")) ? json_string_value(json_object_get(reply, "reason")) : "");
    json_decref(reply);
    return reason;
}

/* Runs to its budget and says so. */
static void runs(struct given g, double value)
{
    char *reason CLEANUP_FREE = report(g.trial, g.budget, value);
    assert_string_equal(reason, g.budget < TOP ? "PAUSED" : "");
    give(CMD_TRIAL_COMPLETE, g.trial, NULL);
}

static struct trial *read_trial(int64_t number)
{
    struct experiment *e;
    struct trial *t;
    assert_int_equal(experiment_get(world_db(), "default", EXPERIMENT, &e, NULL), OK);
    assert_int_equal(trial_get(world_db(), e->id, number, &t, NULL), OK);
    experiment_free(e);
    return t;
}

static void assert_state(int64_t number, enum trial_state state, double objective)
{
    struct trial *t = read_trial(number);
    if (t->state != state || !(fabs(t->objective - objective) < 1e-9))
        fail_msg("trial %lld is %s with %g", (long long)number, trial_state_name(t->state), t->objective);
    trial_free(t);
}

static void the_best_third_of_a_rung_goes_on(void **state)
{
    (void)state;
    world_begin(1, dir);
    world_create(HEAD ASHA "trials: {max: 6}\n");
    struct given g[7] = {0};
    for (int i = 1; i <= 3; i++)
        assert_given(g[i] = suggest(), i, 1, 1);
    runs(g[1], 3);
    runs(g[2], 1);
    assert_state(1, TRIAL_PAUSED, 3);
    assert_given(g[4] = suggest(), 4, 1, 1); /* a third of two is none */
    runs(g[3], 2);
    world_kill(false);
    assert_given(g[2] = suggest(), 2, 2, 3);
    assert_given(g[5] = suggest(), 5, 1, 1); /* no second one of three */
    runs(g[4], 0.5);
    runs(g[5], 4);
    assert_given(g[4] = suggest(), 4, 2, 3); /* the best of five now; that an earlier best went on takes no place from it */
    assert_given(g[6] = suggest(), 6, 1, 1);
    runs(g[6], 5);
    runs(g[2], 0.9);
    runs(g[4], 0.4);
    /* nothing more will come, and a third of two is none: the better one goes to the top all the same */
    assert_given(g[4] = suggest(), 4, 3, 9);
    runs(g[4], 0.1);
    assert_state(4, TRIAL_SUCCEEDED, 0.1);
    assert_true(suggest().done);
    assert_state(2, TRIAL_PRUNED, 0.9);
    assert_state(6, TRIAL_PRUNED, 5);
    world_end();
}

static void what_a_paused_attempt_says_late_changes_nothing(void **state)
{
    (void)state;
    world_begin(2, dir);
    world_create(HEAD ASHA "trials: {max: 3}\n");
    struct given g[4] = {0};
    for (int i = 1; i <= 3; i++)
        g[i] = suggest();
    char *first CLEANUP_FREE = report(1, 1, 1), *again CLEANUP_FREE = report(1, 1, 1), *beyond CLEANUP_FREE = report(1, 2, 0.5);
    assert_string_equal(first, "PAUSED");
    assert_string_equal(again, "PAUSED"); /* a repeat gets the same answer */
    assert_string_equal(beyond, "PAUSED");
    give(CMD_TRIAL_COMPLETE, 1, NULL);
    assert_state(1, TRIAL_PAUSED, 0.5); /* it went on a step: that is kept */
    give(CMD_TRIAL_COMPLETE, 1, NULL);
    char *late CLEANUP_FREE = report(1, 3, 0.1);
    assert_string_equal(late, "PAUSED");
    assert_state(1, TRIAL_PAUSED, 0.5);
    runs(g[2], 2);
    runs(g[3], 3);
    world_kill(false);
    assert_given(g[1] = suggest(), 1, 2, 3);
    struct call call;
    world_send(&call, world_command(CMD_TRIAL_REPORT, EXPERIMENT, 1, json_pack("{s:[], s:i}", "measurements", "attempt", 1)));
    world_turn();
    assert_string_equal(call.command->error.name, "LEASE_LOST"); /* the paused attempt is another one now */
    command_free(call.command);
    world_end();
}

static void a_worker_that_vanishes_at_its_rung_loses_nothing(void **state)
{
    (void)state;
    world_begin(3, dir);
    world_create(HEAD ASHA "trials: {max: 3, retries: 0}\n");
    struct given g[4] = {0};
    for (int i = 1; i <= 3; i++)
        g[i] = suggest();
    char *reason CLEANUP_FREE = report(1, 1, 1);
    assert_string_equal(reason, "PAUSED");
    world_pass(3601 * 1000); /* all leases are over; the others had not come to a rung */
    world_turn();
    assert_state(1, TRIAL_PAUSED, 1);
    struct trial *lost = read_trial(2);
    assert_int_equal(lost->state, TRIAL_LOST);
    trial_free(lost);
    assert_given(g[1] = suggest(), 1, 2, 3); /* alone, with nothing more to come */
    world_pass(3601 * 1000);
    world_turn();
    lost = read_trial(1);
    assert_int_equal(lost->state, TRIAL_LOST); /* retries: 0; a pause is no failure, this is */
    trial_free(lost);
    world_end();
}

static void a_stop_ends_paused_trials(void **state)
{
    (void)state;
    static const char *const modes[] = {"now", "drain"};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        world_begin(4, dir);
        world_create(HEAD ASHA "trials: {max: 9}\n");
        struct given a = suggest(), b = suggest();
        runs(a, 1);
        give(CMD_EXPERIMENT_STOP, 0, json_pack("{s:s}", "mode", modes[i]));
        if (i == 1) /* it runs out: at its rung there is no more to wait for */
            runs(b, 2);
        world_turn();
        assert_state(1, TRIAL_CANCELLED, 1);
        if (i == 1)
            assert_state(2, TRIAL_PRUNED, 2);
        struct experiment *e;
        assert_int_equal(experiment_get(world_db(), "default", EXPERIMENT, &e, NULL), OK);
        assert_int_equal(e->state, EXPERIMENT_CANCELLED);
        experiment_free(e);
        world_end();
    }
}

/* --- runs under kills */

static double curve(const json_t *params, int64_t step)
{
    double x = json_number_value(json_object_get(params, "x"));
    return x + 2.0 / (double)(step + 1) + 0.1 * sin(40 * x + (double)step);
}

struct told {
    int64_t id, number, attempt;
    enum trial_state state;
    double objective, x;
};

struct book {
    struct told told[MAX_TRIALS];
    size_t n;
};

static bool enter(void *arg, const struct trial *t)
{
    struct book *b = arg;
    assert_true(b->n < MAX_TRIALS);
    json_t *params = json_loads(t->params, 0, NULL);
    b->told[b->n++] = (struct told){t->id, t->number, t->attempt, t->state, t->objective, json_number_value(json_object_get(params, "x"))};
    json_decref(params);
    return true;
}

static bool next_step(void *arg, const struct measurement *m)
{
    int64_t *last = arg;
    assert_int_equal(m->step, *last + 1); /* each step once, whatever attempt took it */
    *last = m->step;
    return true;
}

static int64_t last_step(int64_t id)
{
    int64_t last = 0;
    const struct measurement_query q = {.trial_id = id, .metric = "loss", .from_step = INT64_MIN};
    assert_int_equal(measurement_list(world_db(), &q, next_step, &last, NULL), OK);
    return last;
}

struct attempts {
    int64_t paused, open;
};

static bool count_attempt(void *arg, const struct attempt *a)
{
    struct attempts *n = arg;
    n->paused += a->state == TRIAL_PAUSED;
    n->open += !attempt_over(a);
    return true;
}

/* Of every rung no more have gone on than a third of those that came, those whose place better ones took later (in the order of the root, by the
 * paper), and the one that goes on at the very end. */
static void check_book(const struct book *b, int64_t eta)
{
    int64_t reached[TOP + 1] = {0}, steps = 0;
    bool completed = false;
    for (size_t i = 0; i < b->n; i++) {
        const struct told *t = &b->told[i];
        const int64_t last = last_step(t->id);
        struct attempts n = {0};
        assert_int_equal(attempt_list(world_db(), t->id, count_attempt, &n, NULL), OK);
        assert_int_equal(n.open, 0);
        if (t->state == TRIAL_SUCCEEDED) {
            json_t *params = json_pack("{s:f}", "x", t->x);
            assert_int_equal(last, TOP);
            assert_true(fabs(t->objective - curve(params, TOP)) < 1e-12);
            json_decref(params);
            completed = true;
        }
        for (int64_t rung = 1; rung <= TOP; rung *= eta)
            reached[rung] += last >= rung;
        steps += last;
    }
    for (int64_t rung = 1; rung < TOP; rung *= eta)
        if ((double)reached[rung * eta] > (double)(reached[rung] / eta) + sqrt((double)reached[rung]) + 1)
            fail_msg("seed %llu: %lld of %lld went on from the rung of step %lld", (unsigned long long)seed_now, (long long)reached[rung * eta],
                     (long long)reached[rung], (long long)rung);
    assert_true(completed || !world_lost_percent);
    assert_int_equal(steps, world_steps_taken()); /* what a checkpoint held was not done again */
}

static void run_to_the_end(const char *yaml, unsigned kill_percent, struct book *book)
{
    world_create(yaml);
    struct experiment *e;
    for (int turn = 0;; turn++) {
        if (turn > 20000)
            fail_msg("seed %llu: stuck", (unsigned long long)seed_now);
        assert_int_equal(experiment_get(world_db(), "default", EXPERIMENT, &e, NULL), OK);
        if (experiment_state_final(e->state))
            break;
        experiment_free(e);
        if (world_draw(100) < kill_percent)
            world_kill(world_draw(2));
        world_turn();
        world_pass((int64_t)world_draw(120)); /* about a step: a run does not go far beyond what stops it */
    }
    struct list_query q = {.experiment_id = e->id, .after = "", .order_by = "number", .limit = 1000};
    char *next = NULL;
    assert_int_equal(trial_list(world_db(), &q, enter, book, &next, NULL), OK);
    assert_null(next);
    experiment_free(e);
    struct error error;
    if (store_check(world_db(), &error))
        fail_msg("seed %llu: %s", (unsigned long long)seed_now, error.detail);
    assert_int_equal(world_runs_alive(), 0);
}

static void runs_are_promoted_as_they_earned_under_crashes(void **state)
{
    (void)state;
    static const char *const rules[] = {ASHA, "stopping: {name: hyperband, settings: {form: pause, max_resource: 9}}\n"};
    world_lost_percent = 15;
    for (seed_now = 1; seed_now <= 60; seed_now++) {
        struct book book = {0};
        char yaml[600];
        (void)snprintf(yaml, sizeof yaml, HEAD "%s" "run: {command: [/bin/true]}\ntrials: {max: 30, parallel: 4, retries: 50}\n", rules[seed_now % 2]);
        world_begin(seed_now, dir);
        run_to_the_end(yaml, 12, &book);
        assert_int_equal(book.n, 30);
        if (seed_now % 2 == 0)
            check_book(&book, 3);
        world_end();
    }
    world_lost_percent = 0;
}

static void crashes_change_no_promotion_of_serial_runs(void **state)
{
    (void)state;
    static const char yaml[] = HEAD ASHA "run: {command: [/bin/true]}\ntrials: {max: 20, parallel: 1}\n";
    struct book quiet = {0};
    world_begin(seed_now = 0, dir);
    run_to_the_end(yaml, 0, &quiet);
    check_book(&quiet, 3);
    world_end();
    for (seed_now = 1; seed_now <= 15; seed_now++) {
        struct book crashed = {0};
        world_begin(seed_now, dir);
        run_to_the_end(yaml, 15, &crashed);
        assert_int_equal(crashed.n, quiet.n);
        for (size_t i = 0; i < quiet.n; i++)
            if (crashed.told[i].state != quiet.told[i].state || crashed.told[i].attempt != quiet.told[i].attempt || crashed.told[i].objective != quiet.told[i].objective)
                fail_msg("seed %llu: trial %zu is %s after %lld attempts with %g, without crashes %s after %lld with %g", (unsigned long long)seed_now, i + 1,
                         trial_state_name(crashed.told[i].state), (long long)crashed.told[i].attempt, crashed.told[i].objective,
                         trial_state_name(quiet.told[i].state), (long long)quiet.told[i].attempt, quiet.told[i].objective);
        world_end();
    }
}

int main(void)
{
    algorithms_setup();
    (void)snprintf(dir, sizeof dir, "%s/hone-pause-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
    world_curve = curve;
    world_steps = TOP;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_third_of_a_rung_goes_on),
        cmocka_unit_test(what_a_paused_attempt_says_late_changes_nothing),
        cmocka_unit_test(a_worker_that_vanishes_at_its_rung_loses_nothing),
        cmocka_unit_test(a_stop_ends_paused_trials),
        cmocka_unit_test(runs_are_promoted_as_they_earned_under_crashes),
        cmocka_unit_test(crashes_change_no_promotion_of_serial_runs),
    };
    int failed = cmocka_run_group_tests_name("trials that pause", tests, NULL, NULL);
    char clean[140];
    (void)snprintf(clean, sizeof clean, "rm -rf '%s'", dir);
    return system(clean) ? 1 : failed;
}
