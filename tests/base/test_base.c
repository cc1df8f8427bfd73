/* SPDX-License-Identifier: GPL-3.0-or-later */
/* base/: buffers, problems, settings, queue, pool, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/problems.h"
#include "base/settings.h"
#include "base/token.h"

#include <stdatomic.h>
#include <string.h>

static void buf_keeps_its_limit_and_stays_ended(void **state)
{
    (void)state;
    struct buf b = {.limit = 8};
    buf_adds(&b, "12345");
    buf_addf(&b, "%d", 678);
    assert_string_equal(b.data, "12345678");
    buf_adds(&b, "9");
    assert_true(b.overflow);
    assert_string_equal(b.data, "12345678");
    buf_remove_front(&b, 3);
    assert_string_equal(b.data, "45678");
    buf_release(&b);
}

static void pointers_are_shown_dotted(void **state)
{
    (void)state;
    static const struct {
        const char *pointer, *dotted;
    } cases[] = {{"", "(file)"}, {"/parameters/lr/min", "parameters.lr.min"}, {"/objectives/0", "objectives[0]"}, {"/a~1b/~0c", "a/b.~c"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[80];
        problems_dotted(cases[i].pointer, out, sizeof out);
        assert_string_equal(out, cases[i].dotted);
    }
}

static void a_typo_is_guessed_and_nonsense_is_not(void **state)
{
    (void)state;
    static const char *const words[] = {"minimize", "maximize", "goal", NULL};
    assert_string_equal(did_you_mean("minimise", words), "minimize");
    assert_string_equal(did_you_mean("gaol", words), "goal");
    assert_null(did_you_mean("temperature", words));
}

static const char *const orders[] = {"coverage", "lexicographic", NULL};
static const struct setting table[] = {{"levels", SETTING_INT, 5, 1, 100, NULL, "points"},
                                       {"order", SETTING_CHOICE, 0, 0, 0, orders, "order"},
                                       {"on", SETTING_BOOL, 1, 0, 1, NULL, "switch"},
                                       {0}};

static void settings_fill_defaults_and_name_what_is_wrong(void **state)
{
    (void)state;
    struct settings s;
    struct problems p = {0};
    json_t *good = json_pack("{s:s, s:s}", "levels", "7", "order", "lexicographic"), *back;
    settings_read(&s, table, good, "/settings", &p);
    assert_int_equal(p.n, 0);
    assert_true(settings_get(&s, "levels") == 7 && settings_get(&s, "order") == 1 && settings_get(&s, "on") == 1);
    back = settings_json(&s);
    assert_string_equal(json_string_value(json_object_get(back, "order")), "lexicographic");
    json_t *bad = json_pack("{s:i, s:s, s:s, s:i}", "levels", 101, "order", "coverag", "on", "maybe", "levls", 3);
    settings_read(&s, table, bad, "/settings", &p);
    assert_int_equal(p.n, 4);
    assert_string_equal(p.items[1].hint, "coverage");
    assert_string_equal(p.items[3].hint, "levels");
    problems_release(&p);
    json_decref(good);
    json_decref(bad);
    json_decref(back);
}

struct counted {
    struct job job;
    _Atomic int *n;
};

static void count(struct job *job)
{
    struct counted *c = (struct counted *)job;
    atomic_fetch_add(c->n, 1);
    free(c);
}

static void a_pool_runs_all_before_it_ends(void **state)
{
    (void)state;
    _Atomic int n = 0;
    struct pool *pool = pool_new(3);
    for (int i = 0; i < 1000; i++) {
        struct counted *c = X_NEW(struct counted);
        c->job.run = count;
        c->n = &n;
        assert_true(pool_submit(pool, &c->job));
    }
    pool_free(pool);
    assert_int_equal(n, 1000);
}

static void a_queue_gives_in_order_and_says_when_it_is_done(void **state)
{
    (void)state;
    struct queue q;
    struct queue_item items[5];
    bool done;
    queue_init(&q);
    assert_null(queue_take(&q, 1, clock_mono_ms() - 1, &done));
    assert_false(done);
    for (int i = 0; i < 5; i++)
        assert_true(queue_push(&q, &items[i]));
    struct queue_item *got = queue_take(&q, 2, INT64_MAX, &done);
    assert_true(got == &items[0] && got->next == &items[1] && !got->next->next);
    queue_close(&q);
    assert_false(queue_push(&q, &items[0]));
    got = queue_take(&q, 10, INT64_MAX, &done);
    assert_true(got == &items[2] && !done);
    assert_null(queue_take(&q, 1, INT64_MAX, &done));
    assert_true(done);
    queue_release(&q);
}

#define LONG_US 600000000 /* one that is not woken is seen to hang */

static void *push_three(void *arg)
{
    static struct queue_item items[3];
    for (size_t i = 0; i < 3; i++)
        assert_true(queue_push(arg, &items[i]));
    return NULL;
}

static void a_reader_that_gathers_waits_for_as_many_as_it_wants(void **state)
{
    (void)state;
    struct queue q;
    struct queue_item first;
    pthread_t thread;
    bool done;
    size_t n = 0;
    queue_init(&q);
    assert_true(queue_push(&q, &first));
    assert_int_equal(pthread_create(&thread, NULL, push_three, &q), 0);
    for (struct queue_item *k = queue_take_together(&q, 10, 4, LONG_US, INT64_MAX, &done); k; k = k->next)
        n++;
    assert_int_equal(n, 4);
    (void)pthread_join(thread, NULL);
    assert_true(queue_push(&q, &first)); /* not beyond its deadline, */
    assert_true(queue_take_together(&q, 10, 2, LONG_US, clock_mono_ms() - 1, &done) == &first);
    assert_true(queue_push(&q, &first)); /* and not for those that do not come */
    assert_true(queue_take_together(&q, 10, 2, 1, INT64_MAX, &done) == &first);
    assert_true(queue_push(&q, &first));
    queue_close(&q);
    assert_true(queue_take_together(&q, 10, 2, LONG_US, INT64_MAX, &done) == &first);
    queue_release(&q);
}

static void a_trial_token_proves_its_attempt_and_nothing_else(void **state)
{
    (void)state;
    char uid[ID_TEXT], back[ID_TEXT];
    int64_t trial, attempt;
    assert_true(token_setup());
    id_new(clock_wall_ms(), uid);
    char *token CLEANUP_FREE = trial_token_new("secret", uid, 12, 3);
    assert_true(trial_token_read("secret", token, back, &trial, &attempt));
    assert_string_equal(back, uid);
    assert_int_equal(trial, 12);
    assert_int_equal(attempt, 3);
    assert_false(trial_token_read("other", token, back, &trial, &attempt));
    char *forged CLEANUP_FREE = x_strdup(token);
    *strstr(forged, ".12.") = ',';
    assert_false(trial_token_read("secret", forged, back, &trial, &attempt));
    assert_false(trial_token_read("secret", "hone_t.", back, &trial, &attempt));
}

static void kept_json_has_no_more_digits_than_it_needs(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"lr\": 0.1, \"n\": 3}", "{\"lr\":0.1,\"n\":3}"},
        {"[1e-05, 0.30000000000000004]", "[1.0000000000000001e-5,0.30000000000000004]"}, /* one that needs 17 */
        {"0.5", "0.5"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *value = json_loads(cases[i][0], JSON_DECODE_ANY, NULL);
        char *text CLEANUP_FREE = json_text(value);
        assert_string_equal(text, cases[i][1]);
        json_decref(value);
    }
    assert_null(json_text(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_json_has_no_more_digits_than_it_needs),
        cmocka_unit_test(buf_keeps_its_limit_and_stays_ended), cmocka_unit_test(pointers_are_shown_dotted),
        cmocka_unit_test(a_typo_is_guessed_and_nonsense_is_not), cmocka_unit_test(settings_fill_defaults_and_name_what_is_wrong),
        cmocka_unit_test(a_pool_runs_all_before_it_ends), cmocka_unit_test(a_queue_gives_in_order_and_says_when_it_is_done), cmocka_unit_test(a_reader_that_gathers_waits_for_as_many_as_it_wants),
        cmocka_unit_test(a_trial_token_proves_its_attempt_and_nothing_else),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
