/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Population based training in the service, killed at any moment: every member's trials are its generations in order, each goes on exactly where the
 * trial whose checkpoint it takes had ended, and without crashes nothing would have been different. */
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
#define MEMBERS 6
#define STRETCH 3

static char dir[100];
static uint64_t seed_now;

static const char spec[] = "name: sim\nobjective: {metric: loss, direction: minimize}\nseed: 7\nparameters: {x: {type: float, min: 0, max: 1}}\n"
                           "algorithm: {name: pbt, settings: {n_population: 6, truncation_threshold: 0.3}}\n"
                           "run: {command: [/bin/true]}\ntrials: {max: 36, parallel: %d, retries: 50, max_failed: -1}\n";

static double curve(const json_t *params, int64_t step)
{
    return fabs(json_number_value(json_object_get(params, "x")) - 0.4) + 1.0 / (double)(step + 1);
}

struct told {
    int64_t id, last; /* its last step */
    enum trial_state state;
    struct lineage lineage;
    double x;
};

struct book {
    struct told told[MAX_TRIALS + 1]; /* by number */
    int64_t n;
};

static bool enter(void *arg, const struct trial *t)
{
    struct book *b = arg;
    assert_int_equal(t->number, ++b->n);
    assert_true(b->n <= MAX_TRIALS);
    json_t *params = json_loads(t->params, 0, NULL);
    b->told[b->n] = (struct told){.id = t->id, .state = t->state, .lineage = lineage_of(t->origin), .x = json_number_value(json_object_get(params, "x"))};
    json_decref(params);
    return true;
}

static bool next_step(void *arg, const struct measurement *m)
{
    int64_t *last = arg;
    assert_int_equal(m->step, *last + 1);
    *last = m->step;
    return true;
}

static void check_book(struct book *b, bool all_succeed)
{
    int64_t generation[MEMBERS + 1], exploited = 0;
    for (int m = 1; m <= MEMBERS; m++)
        generation[m] = -1;
    for (int64_t n = 1; n <= b->n; n++) {
        struct told *t = &b->told[n];
        const struct lineage *l = &t->lineage;
        assert_in_range(l->member, 1, MEMBERS);
        if (all_succeed)
            assert_int_equal(l->generation, generation[l->member] + 1);
        assert_int_equal(l->parent == 0, l->generation == 0);
        generation[l->member] = l->generation;
        const struct told *parent = &b->told[l->parent];
        assert_true(l->parent < n && (!l->parent || parent->state == TRIAL_SUCCEEDED));
        t->last = l->parent ? parent->last : 0; /* it goes on from there */
        const int64_t began = t->last;
        const struct measurement_query q = {.trial_id = t->id, .metric = "loss", .from_step = INT64_MIN};
        assert_int_equal(measurement_list(world_db(), &q, next_step, &t->last, NULL), OK);
        if (t->state == TRIAL_SUCCEEDED)
            assert_int_equal(t->last, began + STRETCH);
        exploited += l->parent && parent->lineage.member != l->member;
        if (all_succeed && l->parent && parent->lineage.member == l->member && t->x != parent->x)
            assert_true(false); /* only what is taken over is changed */
    }
    assert_true(exploited > 0);
}

static void run_to_the_end(int parallel, unsigned kill_percent, struct book *book)
{
    char yaml[600];
    (void)snprintf(yaml, sizeof yaml, spec, parallel);
    world_create(yaml);
    struct experiment *e;
    for (int turn = 0;; turn++) {
        if (turn > 20000)
            fail_msg("seed %llu: stuck", (unsigned long long)seed_now);
        assert_int_equal(experiment_get(world_db(), "default", "sim", &e, NULL), OK);
        if (experiment_state_final(e->state))
            break;
        experiment_free(e);
        if (world_draw(100) < kill_percent)
            world_kill(world_draw(2));
        world_turn();
        world_pass((int64_t)world_draw(150));
    }
    struct list_query q = {.experiment_id = e->id, .after = "", .order_by = "number", .limit = 1000};
    char *next = NULL;
    assert_int_equal(trial_list(world_db(), &q, enter, book, &next, NULL), OK);
    experiment_free(e);
    struct error error;
    if (store_check(world_db(), &error))
        fail_msg("seed %llu: %s", (unsigned long long)seed_now, error.detail);
}

static void members_go_on_from_checkpoints_under_crashes(void **state)
{
    (void)state;
    for (seed_now = 1; seed_now <= 40; seed_now++) {
        struct book book = {0};
        world_lost_percent = 15;
        world_fail_percent = seed_now % 2 ? 10 : 0;
        world_begin(seed_now, dir);
        run_to_the_end(1 + (int)(seed_now % 8), 12, &book); /* more at once than there are members, too: they wait */
        assert_int_equal(book.n, 36);
        check_book(&book, world_fail_percent == 0);
        world_end();
    }
    world_lost_percent = world_fail_percent = 0;
}

static void crashes_change_no_serial_population(void **state)
{
    (void)state;
    struct book quiet = {0};
    world_begin(seed_now = 0, dir);
    run_to_the_end(1, 0, &quiet);
    check_book(&quiet, true);
    world_end();
    for (seed_now = 1; seed_now <= 10; seed_now++) {
        struct book crashed = {0};
        world_begin(seed_now, dir);
        run_to_the_end(1, 15, &crashed);
        for (int64_t n = 1; n <= quiet.n; n++) {
            const struct told *a = &quiet.told[n], *b = &crashed.told[n];
            if (a->x != b->x || a->lineage.member != b->lineage.member || a->lineage.parent != b->lineage.parent || a->lineage.generation != b->lineage.generation)
                fail_msg("seed %llu: trial %lld is another one than without crashes", (unsigned long long)seed_now, (long long)n);
        }
        world_end();
    }
}

int main(void)
{
    algorithms_setup();
    (void)snprintf(dir, sizeof dir, "%s/hone-population-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
    world_curve = curve;
    world_stretch = STRETCH;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_go_on_from_checkpoints_under_crashes),
        cmocka_unit_test(crashes_change_no_serial_population),
    };
    int failed = cmocka_run_group_tests_name("populations", tests, NULL, NULL);
    char clean[140];
    (void)snprintf(clean, sizeof clean, "rm -rf '%s'", dir);
    return system(clean) ? 1 : failed;
}
