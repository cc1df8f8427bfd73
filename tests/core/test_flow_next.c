/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What comes next in a run, as a table: a pipeline, the states of its steps, and what is to be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "core/flow.h"

#include <string.h>

/* A run in memory alone. */
static struct flow *make(const char *yaml)
{
    struct problems problems = {0};
    struct pipeline *p = pipeline_parse(yaml, strlen(yaml), &problems);
    if (!p)
        fail_msg("%s: %s", problems.items[0].pointer, problems.items[0].detail);
    problems_release(&problems);
    struct core *c = X_NEW(struct core);
    struct flow_plan *plan = X_NEW(struct flow_plan);
    plan->id = 1;
    plan->pipeline = p;
    atomic_init(&plan->refs, 1);
    HASH_ADD(hh, c->flow_plans, id, sizeof plan->id, plan);
    struct run_row row = {.id = 1, .uid = "u", .project = "p", .pipeline_id = 1, .pipeline = "p", .key = "", .params = "{}", .origin = "{}", .labels = "{}",
                          .state = RUN_RUNNING, .outcome = "", .reason = "", .message = "", .outputs = "{}", .start_ms = 1000};
    struct flow *f;
    assert_int_equal(flow_add(c, &row, &f, NULL), OK);
    f->parallel = 100;
    f->origin = f->origin ? f->origin : json_object();
    (void)json_object_set_new(f->origin, "core", json_integer((json_int_t)(intptr_t)c)); /* to free it with the run */
    return f;
}

static void release(struct flow *f)
{
    struct core *c = (struct core *)(intptr_t)json_integer_value(json_object_get(f->origin, "core"));
    flows_free_all(c);
    free(c->flows_touched);
    free(c);
}

static struct node *node(struct flow *f, const char *id)
{
    for (size_t i = 0; i < f->root->n + f->root->n_finally; i++)
        if (!strcmp(f->root->nodes[i]->step->id, id))
            return f->root->nodes[i];
    fail_msg("no step %s", id);
    return NULL;
}

/* "a=SUCCEEDED b=FAILED" */
static void set(struct flow *f, const char *states)
{
    char *text = x_strdup(states), *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        node(f, word)->row->state = (enum step_state)step_state_parse(equals + 1);
    }
    free(text);
}

/* "START a, END b CANCELLED, OUTCOME FAILED" */
static char *next(struct flow *f, int64_t now_ms, int64_t *wake_ms)
{
    static const char *const names[] = {[ACT_END] = "END",       [ACT_START] = "START", [ACT_OPEN] = "OPEN",       [ACT_ITEM] = "ITEM",
                                        [ACT_CANCEL] = "CANCEL", [ACT_CLOSE] = "CLOSE", [ACT_OUTCOME] = "OUTCOME", [ACT_FINISH] = "FINISH"};
    struct acts acts = {0};
    struct buf b = BUF_INIT;
    flow_next(f, now_ms, &acts);
    buf_adds(&b, "");
    for (size_t i = 0; i < acts.n; i++) {
        const struct act *a = &acts.items[i];
        bool tells = a->kind == ACT_END || a->kind == ACT_CLOSE || a->kind == ACT_OUTCOME || a->kind == ACT_FINISH;
        buf_addf(&b, "%s%s", i ? ", " : "", names[a->kind]);
        if (a->node)
            buf_addf(&b, " %s", a->node->row->path);
        if (tells)
            buf_addf(&b, " %s", step_state_name(a->state));
    }
    if (wake_ms)
        *wake_ms = acts.wake_ms;
    free(acts.items);
    return buf_take(&b);
}

#define ABC "steps: {a: {run: [x]}, b: {run: [x], needs: [a]}, c: {run: [x], needs: [a]}}"

static const struct {
    const char *name, *pipeline, *states, *expected;
    enum run_state state;
    const char *outcome;
} table[] = {
    {"what needs nothing starts", ABC, "", "START a", RUN_RUNNING, ""},
    {"what waits for a running step waits", ABC, "a=RUNNING", "", RUN_RUNNING, ""},
    {"branches start together", ABC, "a=SUCCEEDED", "START b, START c", RUN_RUNNING, ""},
    {"a cached step is as good as one that ran", ABC, "a=CACHED", "START b, START c", RUN_RUNNING, ""},
    {"what follows a failure does not run", ABC, "a=FAILED", "END b UPSTREAM_FAILED, END c UPSTREAM_FAILED", RUN_RUNNING, ""},
    {"what follows a skipped step is skipped", ABC, "a=SKIPPED", "END b SKIPPED, END c SKIPPED", RUN_RUNNING, ""},
    {"all over: the outcome is known", ABC, "a=SUCCEEDED b=SUCCEEDED c=CACHED", "OUTCOME SUCCEEDED", RUN_RUNNING, ""},
    {"a skipped step is no failure", ABC, "a=SUCCEEDED b=SKIPPED c=SUCCEEDED", "OUTCOME SUCCEEDED", RUN_RUNNING, ""},
    {"a failed step is one", ABC, "a=SUCCEEDED b=FAILED c=SUCCEEDED", "OUTCOME FAILED", RUN_RUNNING, ""},
    {"a run that ends stops what runs and starts nothing", ABC, "a=SUCCEEDED b=RUNNING", "CANCEL b, END c CANCELLED", RUN_STOPPING, "CANCELLED"},
    {"what was stopped is waited for", ABC, "a=SUCCEEDED b=STOPPING c=CANCELLED", "", RUN_STOPPING, "CANCELLED"},
    {"then it is over", ABC, "a=SUCCEEDED b=CANCELLED c=CANCELLED", "FINISH SUCCEEDED", RUN_STOPPING, "CANCELLED"},
    {"on_failure: stop starts no other branch", "steps: {a: {run: [x]}, b: {run: [x]}, c: {run: [x], needs: [b]}}", "a=FAILED b=SUCCEEDED", "END c CANCELLED", RUN_RUNNING, ""},
    {"on_failure: continue does", "on_failure: continue\nsteps: {a: {run: [x]}, b: {run: [x]}, c: {run: [x], needs: [b]}}", "a=FAILED b=SUCCEEDED", "START c", RUN_RUNNING, ""},
    {"any_failed runs after a failure", "steps: {a: {run: [x]}, b: {run: [x], needs: [a], trigger: any_failed}}", "a=FAILED", "START b", RUN_RUNNING, ""},
    {"any_failed is skipped without one", "steps: {a: {run: [x]}, b: {run: [x], needs: [a], trigger: any_failed}}", "a=SUCCEEDED", "END b SKIPPED", RUN_RUNNING, ""},
    {"all_done runs whatever came", "steps: {a: {run: [x]}, b: {run: [x], needs: [a], trigger: all_done}}", "a=FAILED", "START b", RUN_RUNNING, ""},
    {"none_failed takes skipped steps", "steps: {a: {run: [x]}, b: {run: [x], needs: [a], trigger: none_failed}}", "a=SKIPPED", "START b", RUN_RUNNING, ""},
    {"one of several is enough with any", "steps: {a: {run: [x]}, b: {run: [x]}, c: {run: [x], needs: {any: [a, b]}}}", "a=RUNNING b=SUCCEEDED", "START c", RUN_RUNNING, ""},
    {"finally comes when the outcome is known", "steps: {a: {run: [x]}}\nfinally: {z: {run: [x]}}", "a=SUCCEEDED", "OUTCOME SUCCEEDED", RUN_RUNNING, ""},
    {"and runs then", "steps: {a: {run: [x]}}\nfinally: {z: {run: [x]}}", "a=SUCCEEDED", "START z", RUN_STOPPING, "SUCCEEDED"},
    {"a failure of it makes a good run fail", "steps: {a: {run: [x]}}\nfinally: {z: {run: [x]}}", "a=SUCCEEDED z=FAILED", "FINISH FAILED", RUN_STOPPING, "SUCCEEDED"},
    {"it runs after a failure too", "steps: {a: {run: [x]}}\nfinally: {z: {run: [x]}}", "a=FAILED", "START z", RUN_STOPPING, "FAILED"},
    {"a map is opened", "steps: {m: {map: {over: [1, 2]}, run: [x]}}", "", "OPEN m", RUN_RUNNING, ""},
    {"a condition that does not hold skips", "steps: {a: {run: [x], when: '1 > 2'}}", "", "END a SKIPPED", RUN_RUNNING, ""},
    {"a step that waits for another's work starts when nobody does it", ABC, "a=CACHE_WAIT", "START a", RUN_RUNNING, ""},
    {"an ended run has no next", ABC, "a=FAILED", "", RUN_FAILED, "FAILED"},
};

static void what_comes_next_follows_from_the_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct flow *f = make(table[i].pipeline);
        f->row->state = table[i].state;
        set_text(&f->row->outcome, table[i].outcome);
        set(f, table[i].states);
        char *got = next(f, 2000, NULL);
        if (strcmp(got, table[i].expected) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\"", table[i].name, table[i].expected, got);
        free(got);
        release(f);
    }
}

static void no_more_start_than_there_are_slots(void **state)
{
    (void)state;
    struct flow *f = make("steps: {a: {run: [x]}, b: {run: [x]}, c: {run: [x]}}");
    f->parallel = 2;
    char *got = next(f, 2000, NULL);
    assert_string_equal(got, "START a, START b");
    free(got);
    f->n_running = 2;
    got = next(f, 2000, NULL);
    assert_string_equal(got, "");
    free(got);
    release(f);
}

static void a_retry_waits_for_its_time(void **state)
{
    (void)state;
    struct flow *f = make("steps: {a: {run: [x]}}");
    set(f, "a=RETRYING");
    node(f, "a")->row->retry_ms = 5000;
    int64_t wake;
    char *got = next(f, 2000, &wake);
    assert_string_equal(got, "");
    assert_int_equal(wake, 5000);
    free(got);
    got = next(f, 5000, &wake);
    assert_string_equal(got, "START a");
    free(got);
    release(f);
}

static void a_run_that_takes_too_long_ends(void **state)
{
    (void)state;
    struct flow *f = make("timeout: 10\nsteps: {a: {run: [x]}}");
    set(f, "a=RUNNING");
    int64_t wake;
    char *got = next(f, 2000, &wake);
    assert_string_equal(got, "");
    assert_int_equal(wake, 11000);
    free(got);
    got = next(f, 11000, &wake);
    assert_string_equal(got, "OUTCOME FAILED");
    free(got);
    release(f);
}

static void silence_is_a_timeout(void **state)
{
    (void)state;
    struct flow *f = make("steps: {a: {run: [x], timeout: {idle: 10}}}");
    set(f, "a=RUNNING");
    node(f, "a")->heard_ms = 3000;
    int64_t wake;
    char *got = next(f, 12999, &wake);
    assert_string_equal(got, "");
    assert_int_equal(wake, 13000);
    free(got);
    got = next(f, 13000, &wake);
    assert_string_equal(got, "CANCEL a");
    free(got);
    release(f);
}

static void retries_are_counted_by_cause(void **state)
{
    (void)state;
    static const struct {
        const char *retry;
        enum failure why;
        int exit_code;
        int64_t n_user, n_infra;
        bool due;
    } cases[] = {
        {"{max: 2}", FAILURE_USER, 1, 0, 0, true},
        {"{max: 2}", FAILURE_USER, 1, 2, 0, false},
        {"{max: 0}", FAILURE_USER, 1, 0, 0, false},
        {"{max: 0, infra_max: 3}", FAILURE_INFRA, -1, 0, 2, true},
        {"{max: 0, infra_max: 3}", FAILURE_INFRA, -1, 0, 3, false},
        {"{max: 1, on: [oom]}", FAILURE_USER, 1, 0, 0, false},
        {"{max: 1, on: [oom]}", FAILURE_OOM, -1, 0, 0, true},
        {"{max: 1, on: [timeout]}", FAILURE_TIMEOUT, -1, 0, 0, true},
        {"{max: 1, on: ['exit:75']}", FAILURE_USER, 75, 0, 0, true},
        {"{max: 1, on: ['exit:75']}", FAILURE_USER, 74, 0, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = x_asprintf("steps: {a: {run: [x], retry: %s}}", cases[i].retry);
        struct flow *f = make(text);
        struct node *n = node(f, "a");
        n->row->n_user = cases[i].n_user;
        n->row->n_infra = cases[i].n_infra;
        int64_t delay;
        if (retry_due(n->step, n->row, 1, cases[i].why, cases[i].exit_code, &delay) != cases[i].due)
            fail_msg("case %zu: %s", i, cases[i].retry);
        release(f);
        free(text);
    }
}

static void waits_between_retries_grow_and_are_the_same_after_a_restart(void **state)
{
    (void)state;
    struct flow *f = make("steps: {a: {run: [x], retry: {max: 9, backoff: 10, factor: 2, max_backoff: 30, jitter: false}}, "
                          "b: {run: [x], retry: {max: 9, backoff: 10, factor: 2, max_backoff: 30, jitter: true}}}");
    static const int64_t expected[] = {10000, 20000, 30000, 30000};
    struct node *plain = node(f, "a"), *drawn = node(f, "b");
    for (int64_t i = 0; i < 4; i++) {
        int64_t delay, once, again;
        plain->row->n_user = drawn->row->n_user = drawn->row->attempt = i;
        assert_true(retry_due(plain->step, plain->row, 1, FAILURE_USER, 1, &delay));
        assert_int_equal(delay, expected[i]);
        assert_true(retry_due(drawn->step, drawn->row, 7, FAILURE_USER, 1, &once));
        assert_true(retry_due(drawn->step, drawn->row, 7, FAILURE_USER, 1, &again));
        assert_int_equal(once, again);
        assert_in_range(once, 0, expected[i]);
    }
    release(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_next_follows_from_the_states), cmocka_unit_test(no_more_start_than_there_are_slots), cmocka_unit_test(a_retry_waits_for_its_time),
        cmocka_unit_test(a_run_that_takes_too_long_ends),          cmocka_unit_test(silence_is_a_timeout),               cmocka_unit_test(retries_are_counted_by_cause),
        cmocka_unit_test(waits_between_retries_grow_and_are_the_same_after_a_restart),
    };
    return cmocka_run_group_tests_name("flow_next", tests, NULL, NULL);
}
