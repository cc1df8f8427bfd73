/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine under thousands of crash schedules: whatever the moment of a kill -9, what was answered is kept, no trial runs twice with effect, none
 * is stuck, and the suggestions are those of a life without crashes. Each seed is one history; a failing one names itself. */
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

#define MAX_TRIALS 64
#define MAX_WORKERS 8

static char dir[100];
static uint64_t seed_now;

static double bowl(const json_t *params)
{
    double x = json_number_value(json_object_get(params, "x")), y = json_number_value(json_object_get(params, "y"));
    return (x - 0.3) * (x - 0.3) + (y - 0.6) * (y - 0.6);
}

/* --- what the store holds at the end */

struct book {
    char *params[MAX_TRIALS + 1]; /* by number */
    double objective[MAX_TRIALS + 1];
    enum trial_state state[MAX_TRIALS + 1];
    int64_t id[MAX_TRIALS + 1], attempt[MAX_TRIALS + 1];
    int64_t n;
};

static bool enter(void *arg, const struct trial *t)
{
    struct book *b = arg;
    assert_true(t->number >= 1 && t->number <= MAX_TRIALS);
    assert_null(b->params[t->number]); /* a number is given once */
    b->params[t->number] = x_strdup(t->params);
    b->objective[t->number] = t->objective;
    b->state[t->number] = t->state;
    b->id[t->number] = t->id;
    b->attempt[t->number] = t->attempt;
    b->n++;
    return true;
}

static struct experiment *read_book(const char *name, struct book *b)
{
    struct error error;
    struct experiment *e;
    if (experiment_get(world_db(), "default", name, &e, &error))
        fail_msg("seed %llu: %s", (unsigned long long)seed_now, error.detail);
    struct list_query q = {.experiment_id = e->id, .after = "", .limit = 1000};
    char *next = NULL;
    assert_int_equal(trial_list(world_db(), &q, enter, b, &next, &error), OK);
    assert_null(next);
    if (store_check(world_db(), &error))
        fail_msg("seed %llu: %s", (unsigned long long)seed_now, error.detail);
    return e;
}

static void close_book(struct book *b)
{
    for (int i = 0; i <= MAX_TRIALS; i++)
        free(b->params[i]);
}

/* The same points by number, whatever happened on the way. */
static void assert_same_points(const struct book *a, const struct book *b)
{
    assert_int_equal(a->n, b->n);
    for (int64_t i = 1; i <= a->n; i++)
        if (strcmp(a->params[i], b->params[i]) != 0)
            fail_msg("seed %llu: trial %lld is %s, without crashes %s", (unsigned long long)seed_now, (long long)i, b->params[i], a->params[i]);
}

/* --- workers that ask and tell */

enum doing { ASKING, REPORTING, COMPLETING, DONE };

struct worker {
    char name[16];
    enum doing doing;
    int64_t trial;
    double value;
    int step;
    int64_t away_until;
    struct call call;
    bool sent;
};

static double kept[MAX_TRIALS + 1]; /* what a worker was told is kept; NAN = nothing */

static void send_next(struct worker *w)
{
    json_t *body;
    switch (w->doing) {
    case ASKING:
        body = json_pack("{s:s, s:i, s:i}", "worker", w->name, "lease_seconds", 20, "wait_seconds", 5);
        world_send(&w->call, world_command(CMD_TRIAL_SUGGEST, "sim", 0, body));
        break;
    case REPORTING:
        body = json_pack("{s:[{s:i, s:{s:f}}]}", "measurements", "step", w->step, "metrics", "loss", w->value + 1.0 / (w->step + 1));
        world_send(&w->call, world_command(CMD_TRIAL_REPORT, "sim", w->trial, body));
        break;
    case COMPLETING:
        body = json_pack("{s:{s:f}}", "metrics", "loss", w->value);
        world_send(&w->call, world_command(CMD_TRIAL_COMPLETE, "sim", w->trial, body));
        break;
    case DONE:
        return;
    }
    w->sent = true;
}

static void take_trial(struct worker *w, const json_t *reply)
{
    const json_t *trial = json_array_get(json_object_get(reply, "trials"), 0);
    if (!trial) {
        if (json_is_true(json_object_get(reply, "done")))
            w->doing = DONE;
        return;
    }
    w->trial = json_integer_value(json_object_get(trial, "number"));
    w->value = bowl(json_object_get(trial, "params"));
    w->step = 0;
    w->doing = REPORTING;
}

static void take_answer(struct worker *w)
{
    const struct command *c = w->call.command;
    if (c->error.code) { /* its lease ran out while it was away, and another has the trial now */
        if (c->error.code != ERR_CONFLICT)
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed_now, c->error.name, c->error.detail);
        w->doing = ASKING;
    } else if (w->doing == ASKING) {
        json_t *reply = command_reply(c);
        take_trial(w, reply);
        json_decref(reply);
    } else if (w->doing == REPORTING) {
        w->doing = ++w->step < 3 ? REPORTING : COMPLETING;
    } else {
        kept[w->trial] = w->value;
        w->doing = ASKING;
    }
    command_free(w->call.command);
    w->call.command = NULL;
}

static void worker_goes_on(struct worker *w, bool may_leave, int64_t now)
{
    if (w->call.waiting || now < w->away_until)
        return;
    if (w->sent && w->call.command)
        take_answer(w);
    w->sent = false; /* no answer: it asks the same again */
    if (may_leave && world_draw(40) == 0)
        w->away_until = now + 60000; /* past its lease */
    else
        send_next(w);
}

static void live(const char *yaml, int n_workers, unsigned kill_percent, struct book *book)
{
    static struct worker workers[MAX_WORKERS];
    memset(workers, 0, sizeof workers);
    for (int i = 0; i <= MAX_TRIALS; i++)
        kept[i] = NAN;
    world_create(yaml);
    bool over = false;
    int64_t now = 0;
    for (int turn = 0; !over; turn++) {
        if (turn > 20000)
            fail_msg("seed %llu: stuck", (unsigned long long)seed_now);
        over = true;
        for (int i = 0; i < n_workers; i++) {
            (void)snprintf(workers[i].name, sizeof workers[i].name, "w%d", i);
            worker_goes_on(&workers[i], n_workers > 1, now);
            over &= workers[i].doing == DONE;
        }
        if (world_draw(100) < kill_percent)
            world_kill(world_draw(2));
        else
            world_turn();
        int64_t step = (int64_t)world_draw(1500);
        now += step;
        world_pass(step);
    }
    struct experiment *e = read_book("sim", book);
    assert_true(experiment_state_final(e->state));
    for (int64_t i = 1; i <= book->n; i++) {
        assert_int_equal(book->state[i], TRIAL_SUCCEEDED);
        if (!isnan(kept[i]) && book->objective[i] != kept[i])
            fail_msg("seed %llu: trial %lld was acknowledged with %g, kept is %g", (unsigned long long)seed_now, (long long)i, kept[i], book->objective[i]);
    }
    experiment_free(e);
}

#define HEAD "name: sim\nobjective: {metric: loss, direction: minimize}\nseed: 7\nparameters: {x: {type: float, min: 0, max: 1}, y: {type: float, min: 0, max: 1}}\n"

static void with_one_worker_crashes_change_no_suggestion(const char *algorithm, int n, int n_seeds)
{
    char yaml[600];
    struct book quiet = {0};
    (void)snprintf(yaml, sizeof yaml, HEAD "algorithm: %s\ntrials: {max: %d, parallel: 1}\n", algorithm, n);
    world_begin(seed_now = 0, dir);
    live(yaml, 1, 0, &quiet);
    world_end();
    for (seed_now = 1; seed_now <= (uint64_t)n_seeds; seed_now++) {
        struct book crashed = {0};
        world_begin(seed_now, dir);
        live(yaml, 1, 20, &crashed);
        world_end();
        assert_same_points(&quiet, &crashed);
        close_book(&crashed);
    }
    close_book(&quiet);
}

static void crashes_change_no_random_suggestion(void **state)
{
    (void)state;
    with_one_worker_crashes_change_no_suggestion("random", 20, 60);
}

static void crashes_change_no_suggestion_of_a_model(void **state)
{
    (void)state;
    with_one_worker_crashes_change_no_suggestion("gp", 14, 12);
}

static void many_workers_lose_nothing_in_crashes(void **state)
{
    (void)state;
    for (seed_now = 1; seed_now <= 60; seed_now++) {
        struct book book = {0};
        world_begin(seed_now, dir);
        live(HEAD "algorithm: sobol\ntrials: {max: 40, parallel: 6, retries: 50}\n", 6, 10, &book);
        world_end();
        assert_int_equal(book.n, 40);
        close_book(&book);
    }
}

/* --- runs that the service starts itself */

static bool count_attempt(void *arg, const struct attempt *a)
{
    int *n = arg; /* ended well, still open */
    n[0] += a->state == TRIAL_SUCCEEDED;
    n[1] += !trial_state_final(a->state);
    return true;
}

static void check_attempts(const struct book *b)
{
    for (int64_t i = 1; i <= b->n; i++) {
        int n[2] = {0};
        assert_int_equal(attempt_list(world_db(), b->id[i], count_attempt, n, NULL), OK);
        assert_int_equal(n[0], b->state[i] == TRIAL_SUCCEEDED); /* once with effect */
        assert_int_equal(n[1], 0);
        if (b->state[i] == TRIAL_SUCCEEDED) {
            json_t *params = json_loads(b->params[i], 0, NULL);
            assert_true(b->objective[i] == bowl(params));
            json_decref(params);
        }
    }
}

static void run_to_the_end(const char *yaml, unsigned kill_percent, struct book *book)
{
    world_create(yaml);
    for (int turn = 0;; turn++) {
        struct experiment *e;
        if (turn > 20000)
            fail_msg("seed %llu: stuck", (unsigned long long)seed_now);
        assert_int_equal(experiment_get(world_db(), "default", "sim", &e, NULL), OK);
        bool over = experiment_state_final(e->state);
        experiment_free(e);
        if (over)
            break;
        if (world_draw(100) < kill_percent)
            world_kill(world_draw(2));
        world_turn();
        world_pass((int64_t)world_draw(400));
    }
    experiment_free(read_book("sim", book));
    check_attempts(book);
    assert_int_equal(world_runs_alive(), 0);
}

#define RUNS HEAD "run: {command: [/bin/true]}\n"

static void runs_survive_crashes_and_count_once(void **state)
{
    (void)state;
    world_fail_percent = 5;
    world_lost_percent = 10;
    for (seed_now = 1; seed_now <= 80; seed_now++) {
        struct book book = {0};
        world_begin(seed_now, dir);
        run_to_the_end(RUNS "algorithm: random\ntrials: {max: 25, parallel: 4, max_failed: 20}\n", 12, &book);
        int64_t attempts = 0;
        for (int64_t i = 1; i <= book.n; i++)
            attempts += book.attempt[i];
        assert_int_equal(world_starts(), attempts); /* none was started that no attempt is about, none twice */
        world_end();
        assert_int_equal(book.n, 25);
        close_book(&book);
    }
    world_fail_percent = world_lost_percent = 0;
}

static void crashes_change_no_point_of_serial_runs(void **state)
{
    (void)state;
    static const char yaml[] = RUNS "algorithm: gp\ntrials: {max: 12, parallel: 1}\n";
    struct book quiet = {0};
    world_begin(seed_now = 0, dir);
    run_to_the_end(yaml, 0, &quiet);
    world_end();
    for (seed_now = 1; seed_now <= 10; seed_now++) {
        struct book crashed = {0};
        world_begin(seed_now, dir);
        run_to_the_end(yaml, 15, &crashed);
        world_end();
        assert_same_points(&quiet, &crashed);
        close_book(&crashed);
    }
    close_book(&quiet);
}

int main(void)
{
    algorithms_setup();
    /* in memory where that is possible: what is simulated is the kill of the service, not of the machine */
    (void)snprintf(dir, sizeof dir, "%s/hone-sim-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
    world_objective = bowl;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_change_no_random_suggestion),
        cmocka_unit_test(crashes_change_no_suggestion_of_a_model),
        cmocka_unit_test(many_workers_lose_nothing_in_crashes),
        cmocka_unit_test(runs_survive_crashes_and_count_once),
        cmocka_unit_test(crashes_change_no_point_of_serial_runs),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char clean[140];
    (void)snprintf(clean, sizeof clean, "rm -rf '%s'", dir);
    return system(clean) ? 1 : failed;
}
