/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api/watch.c: who waits is woken once, by what concerns it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "watch.h"

#include <pthread.h>
#include <stdatomic.h>

struct asker {
    struct waiter waiter; /* first */
    _Atomic int woken;
    enum wake_reason why;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void on_wake(struct waiter *w, enum wake_reason why)
{
    struct asker *a = (struct asker *)w;
    pthread_mutex_lock(&mutex);
    a->why = why;
    a->woken++;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
}

static void until_woken(struct asker *a)
{
    pthread_mutex_lock(&mutex);
    while (!a->woken)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void change(struct watch *w, int64_t revision, int64_t experiment)
{
    watch_change(w, &(struct core_change){revision, &experiment, 1});
}

static void a_change_wakes_only_those_it_concerns(void **state)
{
    (void)state;
    struct watch *w = watch_new(on_wake);
    struct asker one = {.waiter.experiment = 1}, two = {.waiter.experiment = 2}, any = {.waiter.experiment = WATCH_ANY}, none = {.waiter.experiment = WATCH_NOTHING};
    struct asker *all[] = {&one, &two, &any, &none};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_true(watch_arm(w, &all[i]->waiter, 0));
    assert_int_equal(watch_count(w), 4);
    change(w, 1, 1);
    assert_true(one.woken == 1 && any.woken == 1 && !two.woken && !none.woken);
    change(w, 2, 1);
    assert_true(one.woken == 1 && any.woken == 1);
    assert_int_equal(watch_count(w), 2);
    assert_true(watch_disarm(w, &two.waiter));
    assert_false(watch_disarm(w, &two.waiter));
    assert_false(watch_disarm(w, &one.waiter));
    watch_stop(w);
    assert_true(none.woken == 1 && none.why == WAKE_STOP && !two.woken);
    watch_free(w);
}

static void a_change_since_the_look_is_not_slept_through(void **state)
{
    (void)state;
    struct watch *w = watch_new(on_wake);
    struct asker a = {.waiter.experiment = 1};
    int64_t seen = watch_revision(w);
    change(w, 5, 1);
    assert_false(watch_arm(w, &a.waiter, seen));
    assert_true(watch_arm(w, &a.waiter, watch_revision(w)));
    assert_true(watch_disarm(w, &a.waiter));
    watch_stop(w);
    assert_false(watch_arm(w, &a.waiter, 5));
    watch_free(w);
}

static void a_deadline_wakes_not_before_its_time(void **state)
{
    (void)state;
    struct watch *w = watch_new(on_wake);
    struct asker past = {.waiter = {.experiment = 1, .due = 1}}, soon = {.waiter = {.experiment = 1, .due = clock_mono_ms() + 150}};
    struct asker far = {.waiter = {.experiment = 1, .due = clock_mono_ms() + 600000}};
    int64_t due = soon.waiter.due;
    assert_true(watch_arm(w, &far.waiter, 0) && watch_arm(w, &soon.waiter, 0) && watch_arm(w, &past.waiter, 0));
    until_woken(&soon);
    assert_true(clock_mono_ms() >= due);
    assert_int_equal(soon.why, WAKE_DUE);
    until_woken(&past);
    assert_int_equal(far.woken, 0);
    assert_true(watch_disarm(w, &far.waiter));
    watch_free(w);
}

static void a_paced_waiter_is_told_of_changes_together(void **state)
{
    (void)state;
    struct watch *w = watch_new(on_wake);
    int64_t not_before = clock_mono_ms() + 120;
    struct asker a = {.waiter = {.experiment = 1, .due = clock_mono_ms() + 60000, .not_before = not_before}};
    assert_true(watch_arm(w, &a.waiter, 0));
    for (int64_t i = 1; i <= 50; i++)
        change(w, i, 1);
    until_woken(&a);
    assert_true(clock_mono_ms() >= not_before);
    assert_int_equal(a.why, WAKE_CHANGE);
    change(w, 51, 1);
    assert_int_equal(a.woken, 1);
    watch_free(w);
}

#define MANY 2000

static void *keep_changing(void *arg)
{
    struct watch *w = arg;
    for (int64_t i = 1; i <= 500; i++)
        change(w, i, i % 7);
    return NULL;
}

static void nobody_is_lost_or_woken_twice_in_a_race(void **state)
{
    (void)state;
    struct watch *w = watch_new(on_wake);
    struct asker *askers = x_calloc(MANY, sizeof *askers);
    pthread_t thread;
    int disarmed = 0, armed = 0, woken = 0;
    assert_int_equal(pthread_create(&thread, NULL, keep_changing, w), 0);
    for (int i = 0; i < MANY; i++) {
        askers[i].waiter.experiment = i % 10;
        askers[i].waiter.due = i % 3 ? 0 : clock_mono_ms() + i % 50;
        while (!watch_arm(w, &askers[i].waiter, watch_revision(w)))
            ;
        armed++;
        if (i % 5 == 0)
            disarmed += watch_disarm(w, &askers[i].waiter);
    }
    (void)pthread_join(thread, NULL);
    watch_stop(w);
    watch_free(w);
    for (int i = 0; i < MANY; i++) {
        assert_true(askers[i].woken <= 1);
        woken += askers[i].woken;
    }
    assert_int_equal(woken + disarmed, armed);
    free(askers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_wakes_only_those_it_concerns),
        cmocka_unit_test(a_change_since_the_look_is_not_slept_through),
        cmocka_unit_test(a_deadline_wakes_not_before_its_time),
        cmocka_unit_test(a_paced_waiter_is_told_of_changes_together),
        cmocka_unit_test(nobody_is_lost_or_woken_twice_in_a_race),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
