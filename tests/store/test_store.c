/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store/: what is written is read again, noun by noun. */
#include "tests/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

struct place {
    char *dir;
    struct store *store;
    struct db *db;
};

static int setup(void **state)
{
    struct place *p = X_NEW(struct place);
    p->dir = make_dir();
    assert_ok(store_open(p->dir, &p->store, e));
    p->db = store_writer(p->store);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    store_close(p->store);
    remove_dir(p->dir);
    free(p);
    return 0;
}

static void meta_values_are_replaced(void **state)
{
    struct place *p = *state;
    char *value = NULL;
    struct error error;
    assert_int_equal(meta_get(p->db, "secret", &value, &error), ERR_NOT_FOUND);
    assert_non_null(strstr(error.detail, "secret"));
    assert_ok(meta_put(p->db, "secret", "a", e));
    assert_ok(meta_put(p->db, "secret", "b", e));
    assert_ok(meta_get(p->db, "secret", &value, e));
    assert_string_equal(value, "b");
    free(value);
}

static bool collect_project(void *arg, const char *name, int64_t create_ms)
{
    assert_true(create_ms > 1700000000000);
    (void)snprintf(arg, 40, "%s", name);
    return true;
}

static void the_default_project_exists(void **state)
{
    struct place *p = *state;
    char name[40] = "";
    assert_true(project_exists(p->db, "default"));
    assert_false(project_exists(p->db, "other"));
    assert_ok(project_list(p->db, collect_project, name, e));
    assert_string_equal(name, "default");
}

static void assert_same_experiment(const struct experiment *a, const struct experiment *b)
{
    const char *texts[][2] = {{a->uid, b->uid}, {a->project, b->project}, {a->name, b->name}, {a->spec, b->spec}, {a->reason, b->reason}, {a->message, b->message}, {a->labels, b->labels}, {a->annotations, b->annotations}, {a->note, b->note}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(texts[i][0], texts[i][1]);
    const int64_t numbers[][2] = {{a->id, b->id},
                                  {a->state, b->state},
                                  {a->seed, b->seed},
                                  {a->cursor, b->cursor},
                                  {a->n_trials, b->n_trials},
                                  {a->best_number, b->best_number},
                                  {a->revision, b->revision},
                                  {a->create_ms, b->create_ms},
                                  {a->update_ms, b->update_ms},
                                  {a->start_ms, b->start_ms},
                                  {a->end_ms, b->end_ms}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_true(numbers[i][0] == numbers[i][1]);
    assert_memory_equal(a->counts, b->counts, sizeof a->counts);
    assert_true(a->best_value == b->best_value || (isnan(a->best_value) && isnan(b->best_value)));
}

static void an_experiment_comes_back_as_it_was_written(void **state)
{
    struct place *p = *state;
    struct experiment x = some_experiment("svm"), *back;
    assert_ok(experiment_insert(p->db, &x, e));
    assert_true(x.id > 0);
    assert_ok(experiment_get(p->db, "default", "svm", &back, e));
    assert_same_experiment(&x, back);
    experiment_free(back);
    x.state = EXPERIMENT_FAILED;
    x.reason = "TOO_MANY_FAILURES";
    x.message = "three of \xc3\xa4";
    x.seed = INT64_MIN;
    x.cursor = 7;
    x.n_trials = 12;
    x.best_number = 3;
    x.best_value = -INFINITY;
    x.revision = 99;
    x.update_ms = 5;
    x.start_ms = 6;
    x.end_ms = 8;
    x.spec = "{\"other\": 1}";
    x.labels = "{\"a\": \"b\"}";
    x.annotations = "{\"c\": \"d\"}";
    x.note = "n";
    for (int i = 0; i < TRIAL_STATE_COUNT; i++)
        x.counts[i] = 100 + i;
    assert_ok(experiment_update(p->db, &x, e));
    assert_ok(experiment_get_id(p->db, x.id, &back, e));
    assert_same_experiment(&x, back);
    experiment_free(back);
}

static void experiments_that_are_not_there_are_named(void **state)
{
    struct place *p = *state;
    struct experiment x = some_experiment("svm"), *back;
    struct error error;
    assert_ok(experiment_insert(p->db, &x, e));
    assert_int_equal(experiment_insert(p->db, &x, &error), ERR_CONFLICT);
    assert_string_equal(error.name, "EXPERIMENT_EXISTS");
    assert_non_null(strstr(error.detail, "svm"));
    assert_int_equal(experiment_get(p->db, "default", "tree", &back, &error), ERR_NOT_FOUND);
    assert_string_equal(error.name, "EXPERIMENT_NOT_FOUND");
    assert_non_null(strstr(error.detail, "tree"));
    assert_int_equal(experiment_get_id(p->db, 77, &back, &error), ERR_NOT_FOUND);
    assert_int_equal(experiment_delete(p->db, 77, &error), ERR_NOT_FOUND);
    x.id = 77;
    assert_int_equal(experiment_update(p->db, &x, &error), ERR_NOT_FOUND);
}

static bool add_name(void *arg, const struct experiment *x)
{
    strcat(arg, x->name);
    strcat(arg, " ");
    return true;
}

static void only_experiments_that_go_on_are_live(void **state)
{
    struct place *p = *state;
    char names[100] = "";
    for (int i = 0; i < EXPERIMENT_STATE_COUNT; i++) {
        struct experiment x = some_experiment(experiment_state_name((enum experiment_state)i));
        x.state = (enum experiment_state)i;
        assert_ok(experiment_insert(p->db, &x, e));
    }
    assert_ok(experiment_live(p->db, add_name, names, e));
    assert_string_equal(names, "CREATED RUNNING PAUSED STOPPING ");
}

static void assert_same_trial(const struct trial *a, const struct trial *b)
{
    const char *texts[][2] = {{a->reason, b->reason}, {a->message, b->message}, {a->params, b->params}, {a->metrics, b->metrics}, {a->worker, b->worker}, {a->origin, b->origin}, {a->labels, b->labels}, {a->note, b->note}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(texts[i][0], texts[i][1]);
    const int64_t numbers[][2] = {{a->id, b->id},
                                  {a->experiment_id, b->experiment_id},
                                  {a->number, b->number},
                                  {a->state, b->state},
                                  {a->attempt, b->attempt},
                                  {a->replicate, b->replicate},
                                  {a->revision, b->revision},
                                  {a->create_ms, b->create_ms},
                                  {a->update_ms, b->update_ms},
                                  {a->start_ms, b->start_ms},
                                  {a->end_ms, b->end_ms}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_true(numbers[i][0] == numbers[i][1]);
    const double reals[][2] = {{a->objective, b->objective}, {a->rank, b->rank}, {a->objective_se, b->objective_se}, {a->progress, b->progress}};
    for (size_t i = 0; i < ARRAY_LEN(reals); i++)
        assert_true(reals[i][0] == reals[i][1] || (isnan(reals[i][0]) && isnan(reals[i][1])));
    assert_true(a->n_x == b->n_x && !a->x == !b->x);
    if (a->x)
        assert_memory_equal(a->x, b->x, a->n_x * sizeof *a->x);
}

static void a_trial_comes_back_as_it_was_written(void **state)
{
    struct place *p = *state;
    const double x[] = {0, 1, 1.0 / 3, 5e-324};
    struct trial t = some_trial(9, 4), *back;
    assert_ok(trial_insert(p->db, &t, e));
    assert_ok(trial_get(p->db, 9, 4, &back, e));
    assert_same_trial(&t, back);
    trial_free(back);
    t.number = 5;
    t.x = x;
    t.n_x = ARRAY_LEN(x);
    assert_ok(trial_insert(p->db, &t, e));
    t.state = TRIAL_SUCCEEDED;
    t.reason = "R";
    t.message = "M";
    t.objective = INFINITY;
    t.rank = -0.1;
    t.objective_se = 0.25;
    t.progress = 1;
    t.metrics = "{\"loss\": \"Infinity\"}";
    t.attempt = 3;
    t.replicate = 2;
    t.worker = "w";
    t.origin = "{}";
    t.labels = "{\"l\": \"v\"}";
    t.note = "note";
    t.revision = 44;
    t.update_ms = 1;
    t.start_ms = 2;
    t.end_ms = 3;
    assert_ok(trial_update(p->db, &t, e));
    assert_ok(trial_get(p->db, 9, 5, &back, e));
    assert_same_trial(&t, back);
    trial_free(back);
}

static void a_trial_exists_once_and_is_named_when_missing(void **state)
{
    struct place *p = *state;
    struct trial t = some_trial(1, 1), *back;
    struct error error;
    assert_ok(trial_insert(p->db, &t, e));
    assert_int_equal(trial_insert(p->db, &t, &error), ERR_CONFLICT);
    static const int64_t missing[] = {0, -1, 2, INT64_MAX, (int64_t)UINT32_MAX + 2};
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        assert_int_equal(trial_get(p->db, 1, missing[i], &back, &error), ERR_NOT_FOUND);
        assert_string_equal(error.name, "TRIAL_NOT_FOUND");
    }
    assert_int_equal(trial_get(p->db, 2, 1, &back, &error), ERR_NOT_FOUND);
    assert_ok(trial_delete(p->db, t.id, e));
    assert_int_equal(trial_delete(p->db, t.id, &error), ERR_NOT_FOUND);
    assert_int_equal(trial_update(p->db, &t, &error), ERR_NOT_FOUND);
    t.number = (int64_t)UINT32_MAX + 1;
    assert_int_equal(trial_insert(p->db, &t, &error), ERR_EXHAUSTED);
}

static bool add_number(void *arg, const struct trial *t)
{
    char *text = arg;
    size_t len = strlen(text);
    (void)snprintf(text + len, 200 - len, "%lld ", (long long)t->number);
    return true;
}

static bool stop_after_two(void *arg, const struct trial *t)
{
    (void)add_number(arg, t);
    return t->number < 2;
}

static void live_history_and_leaderboard_give_what_they_say(void **state)
{
    struct place *p = *state;
    const double x[] = {0.5};
    static const double ranks[] = {3, 1, 2, 1};
    for (int64_t i = 1; i <= TRIAL_STATE_COUNT; i++) {
        struct trial t = some_trial(1, i), other = some_trial(2, i);
        t.state = other.state = (enum trial_state)(i - 1);
        t.x = i % 2 ? x : NULL;
        t.n_x = t.x ? 1 : 0;
        assert_ok(trial_insert(p->db, &t, e));
        assert_ok(trial_insert(p->db, &other, e));
    }
    for (int64_t i = 0; i < 4; i++) {
        struct trial t = some_trial(1, 20 + i);
        t.state = TRIAL_SUCCEEDED;
        t.rank = ranks[i];
        assert_ok(trial_insert(p->db, &t, e));
    }
    static const struct {
        enum err (*read)(struct db *, int64_t, trial_row_fn *, void *, struct error *);
        trial_row_fn *row;
        const char *want;
    } cases[] = {{trial_live, add_number, "1 2 3 4 5 "}, {trial_live, stop_after_two, "1 2 "}, {trial_history, add_number, "1 3 5 7 9 11 "}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[200] = "";
        assert_ok(cases[i].read(p->db, 1, cases[i].row, got, e));
        assert_string_equal(got, cases[i].want);
    }
    char got[200] = "";
    assert_ok(trial_leaderboard(p->db, 1, 3, add_number, got, e));
    assert_string_equal(got, "21 23 22 ");
}

static void a_trial_leaves_and_joins_the_live_ones(void **state)
{
    struct place *p = *state;
    struct trial t = some_trial(1, 1);
    assert_ok(trial_insert(p->db, &t, e));
    static const struct {
        enum trial_state state;
        const char *live, *board;
    } steps[] = {{TRIAL_RUNNING, "1 ", ""}, {TRIAL_SUCCEEDED, "", "1 "}, {TRIAL_QUEUED, "1 ", ""}, {TRIAL_FAILED, "", ""}};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        char live[200] = "", board[200] = "";
        t.state = steps[i].state;
        t.rank = t.state == TRIAL_SUCCEEDED ? 1 : (double)NAN;
        assert_ok(trial_update(p->db, &t, e));
        assert_ok(trial_live(p->db, 1, add_number, live, e));
        assert_ok(trial_leaderboard(p->db, 1, 10, add_number, board, e));
        assert_string_equal(live, steps[i].live);
        assert_string_equal(board, steps[i].board);
    }
}

static bool add_attempt(void *arg, const struct attempt *a)
{
    *(int64_t *)arg = *(int64_t *)arg * 10 + a->number;
    return true;
}

static void attempts_come_back_as_they_were_written(void **state)
{
    struct place *p = *state;
    struct trial t = some_trial(1, 1);
    assert_ok(trial_insert(p->db, &t, e));
    struct attempt a = some_attempt(t.id, 1), b = some_attempt(t.id, 2), *back;
    struct error error;
    assert_ok(attempt_insert(p->db, &b, e));
    assert_ok(attempt_insert(p->db, &a, e));
    assert_int_equal(attempt_insert(p->db, &a, &error), ERR_CONFLICT);
    a = (struct attempt){t.id, 1, 2, TRIAL_FAILED, "EXIT_CODE", "m", "key", "{}", "42", "host", 3, 9, 1.5, 10, 11, 12};
    assert_ok(attempt_update(p->db, &a, e));
    assert_ok(attempt_get(p->db, t.id, 1, &back, e));
    assert_true(back->trial_id == a.trial_id && back->number == 1 && back->replicate == 2 && back->state == TRIAL_FAILED && back->exit_code == 3 && back->signal == 9);
    assert_true(back->lease_s == 1.5 && back->create_ms == 10 && back->start_ms == 11 && back->end_ms == 12);
    const char *texts[][2] = {{back->reason, "EXIT_CODE"}, {back->message, "m"}, {back->run_key, "key"}, {back->handle, "{}"}, {back->cursor, "42"}, {back->worker, "host"}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(texts[i][0], texts[i][1]);
    attempt_free(back);
    int64_t order = 0;
    assert_ok(attempt_list(p->db, t.id, add_attempt, &order, e));
    assert_int_equal(order, 12);
    assert_int_equal(attempt_get(p->db, t.id, 3, &back, &error), ERR_NOT_FOUND);
    a.number = 3;
    assert_int_equal(attempt_update(p->db, &a, &error), ERR_NOT_FOUND);
    a.trial_id = 5;
    assert_int_equal(attempt_insert(p->db, &a, &error), ERR_INTERNAL); /* no such trial: our own mistake, not a conflict */
}

/* --- measurements */

static int64_t a_trial(struct place *p)
{
    struct trial t = some_trial(1, 1);
    assert_ok(trial_insert(p->db, &t, e));
    return t.id;
}

static bool put(struct place *p, int64_t trial, const char *metric, int64_t attempt, int64_t step, double value)
{
    struct measurement m = {.metric = metric, .step = step, .attempt = attempt, .value = value, .time_ms = 7};
    bool is_new = false;
    assert_ok(measurement_put(p->db, trial, &m, &is_new, e));
    return is_new;
}

static bool add_value(void *arg, const struct measurement *m)
{
    char *text = arg;
    size_t len = strlen(text);
    (void)snprintf(text + len, 400 - len, "%s%lld=%g ", m->metric, (long long)m->step, m->value);
    return true;
}

static void the_first_value_of_a_step_wins(void **state)
{
    struct place *p = *state;
    int64_t trial = a_trial(p);
    assert_true(put(p, trial, "a", 1, 1, (double)NAN));
    assert_false(put(p, trial, "a", 1, 1, 5));
    assert_true(put(p, trial, "a", 1, -3, -INFINITY));
    assert_true(put(p, trial, "a", 2, 2, INFINITY));
    assert_true(put(p, trial, "B", 1, 9, 2));
    char got[400] = "";
    struct measurement_query q = {.trial_id = trial, .from_step = INT64_MIN};
    assert_ok(measurement_list(p->db, &q, add_value, got, e));
    assert_string_equal(got, "B9=2 a-3=-inf a1=nan a2=inf ");
    *got = '\0';
    q.metric = "a";
    q.from_step = 1;
    assert_ok(measurement_list(p->db, &q, add_value, got, e));
    assert_string_equal(got, "a1=nan a2=inf ");
}

static bool add_summary(void *arg, const char *metric, const struct measurement_summary *s)
{
    char *text = arg;
    size_t len = strlen(text);
    (void)snprintf(text + len, 400 - len, "%s n=%lld last=%g min=%g max=%g mean=%g; ", metric, (long long)s->n, s->last, s->min, s->max, s->mean);
    return true;
}

static bool first_summary(void *arg, const char *metric, const struct measurement_summary *s)
{
    (void)add_summary(arg, metric, s);
    return false;
}

static void summaries_leave_nan_out(void **state)
{
    struct place *p = *state;
    int64_t trial = a_trial(p);
    static const double loss[] = {3, (double)NAN, -1, 4}, ends_nan[] = {1, 2, (double)NAN}, all_nan[] = {(double)NAN}, inf[] = {INFINITY, 1};
    static const struct {
        const char *metric;
        const double *values;
        size_t n;
    } series[] = {{"a", loss, 4}, {"b", ends_nan, 3}, {"c", all_nan, 1}, {"d", inf, 2}};
    for (size_t i = 0; i < ARRAY_LEN(series); i++)
        for (size_t k = 0; k < series[i].n; k++)
            (void)put(p, trial, series[i].metric, 1, (int64_t)k, series[i].values[k]);
    (void)put(p, trial, "a", 2, 100, -50); /* another attempt's */
    char got[400] = "";
    assert_ok(measurement_metrics(p->db, trial, 1, add_summary, got, e));
    assert_string_equal(got, "a n=4 last=4 min=-1 max=4 mean=2; b n=3 last=nan min=1 max=2 mean=1.5; c n=1 last=nan min=nan max=nan mean=nan; "
                             "d n=2 last=1 min=1 max=inf mean=inf; ");
    struct measurement_summary s;
    assert_ok(measurement_summarise(p->db, trial, 2, "a", &s, e));
    assert_true(s.n == 1 && s.last == -50 && s.last_step == 100 && s.min == -50 && s.max == -50 && s.mean == -50);
    assert_ok(measurement_summarise(p->db, trial, 3, "a", &s, e));
    assert_true(s.n == 0 && isnan(s.last));
    *got = '\0';
    assert_ok(measurement_metrics(p->db, trial, 1, first_summary, got, e));
    assert_string_equal(got, "a n=4 last=4 min=-1 max=4 mean=2; ");
}

/* Attempts 1 (paused), 2 (lost), 3: a trial goes on from what it had paused at, not from what was lost. */
static void an_attempt_goes_on_from_the_paused_ones_before_it(void **state)
{
    struct place *p = *state;
    int64_t trial = a_trial(p);
    static const enum trial_state states[] = {TRIAL_PAUSED, TRIAL_LOST, TRIAL_RUNNING};
    for (int64_t i = 0; i < 3; i++) {
        struct attempt a = {.trial_id = trial, .number = i + 1, .state = states[i], .reason = "", .message = "", .run_key = "", .handle = "", .cursor = "",
                            .worker = "", .exit_code = -1, .signal = -1, .create_ms = 1};
        assert_ok(attempt_insert(p->db, &a, e));
    }
    (void)put(p, trial, "a", 1, 1, 8);
    (void)put(p, trial, "a", 1, 2, 4);
    (void)put(p, trial, "a", 2, 3, -9);
    (void)put(p, trial, "a", 3, 3, 6);
    (void)put(p, trial, "a", 3, 9, (double)NAN);
    struct measurement_summary s;
    assert_ok(measurement_summarise(p->db, trial, 3, "a", &s, e));
    assert_true(s.n == 4 && s.last_step == 9 && s.min == 4 && s.max == 8 && s.mean == 6);
    assert_ok(measurement_summarise(p->db, trial, 1, "a", &s, e));
    assert_true(s.n == 2 && s.last == 4);
    static const struct {
        int64_t step;
        double value;
        bool found;
    } cases[] = {{0, 8, true}, {2, 4, true}, {3, 6, true} /* of the newest attempt */, {4, (double)NAN, true}, {10, 0, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double value = 0;
        bool found;
        assert_ok(measurement_at(p->db, trial, "a", cases[i].step, &value, &found, e));
        assert_int_equal(found, cases[i].found);
        assert_true(isnan(cases[i].value) ? isnan(value) : value == cases[i].value);
    }
}

struct curve {
    int64_t n, first, last, previous;
    double low, high;
    bool in_order;
};

static bool follow(void *arg, const struct measurement *m)
{
    struct curve *c = arg;
    if (c->n++ == 0)
        c->first = m->step;
    else
        c->in_order = c->in_order && m->step > c->previous;
    c->previous = c->last = m->step;
    c->low = fmin(c->low, m->value);
    c->high = fmax(c->high, m->value);
    return true;
}

static void a_thinned_curve_keeps_ends_and_peaks(void **state)
{
    struct place *p = *state;
    int64_t trial = a_trial(p);
    assert_ok(db_begin(p->db, e));
    for (int64_t i = 0; i < 5000; i++)
        (void)put(p, trial, "a", 1, i, i == 1234 ? 1000 : i == 3456 ? -1000
                                                      : i % 7       ? sin((double)i)
                                                                    : (double)NAN);
    for (int64_t i = 0; i < 50; i++)
        (void)put(p, trial, "b", 1, i, (double)i);
    assert_ok(db_commit(p->db, e));
    static const struct {
        int64_t max, least, most;
    } cases[] = {{0, 5000, 5000}, {6000, 5000, 5000}, {1000, 900, 1000}, {100, 90, 100}, {10, 8, 10}, {4, 4, 4}, {1, 3, 4}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct curve c = {.in_order = true, .low = (double)NAN, .high = (double)NAN};
        struct measurement_query q = {.trial_id = trial, .metric = "a", .max_points = cases[i].max};
        assert_ok(measurement_list(p->db, &q, follow, &c, e));
        assert_true(c.n >= cases[i].least && c.n <= cases[i].most && c.in_order && c.first == 0 && c.last == 4999);
        assert_true(c.low == -1000 && c.high == 1000);
    }
    char got[400] = ""; /* each metric is a curve of its own */
    struct measurement_query q = {.trial_id = trial, .from_step = 4996, .max_points = 4};
    (void)put(p, trial, "b", 1, 5000, 1);
    assert_ok(measurement_list(p->db, &q, add_value, got, e));
    assert_string_equal(got, "a4996=0.762831 a4997=0.956253 a4998=nan a4999=-0.66395 b5000=1 ");
}

/* --- events, idempotency */

static bool add_event(void *arg, const struct event *v)
{
    char *text = arg;
    size_t len = strlen(text);
    (void)snprintf(text + len, 400 - len, "%lld:%s/%s/%lld ", (long long)v->revision, v->project, v->experiment, (long long)v->trial);
    return true;
}

static void events_are_told_by_experiment_even_after_it_is_gone(void **state)
{
    struct place *p = *state;
    struct experiment a = some_experiment("a"), b = some_experiment("b");
    assert_ok(add_experiment(p->db, &a, e));
    assert_ok(add_experiment(p->db, &b, e));
    assert_ok(log_change(p->db, &a, 1, "trial.created", e));
    assert_ok(log_change(p->db, &b, 1, "trial.created", e));
    struct event gone = {.experiment_id = a.id, .kind = "experiment.deleted", .data = "{}"};
    assert_ok(event_append(p->db, &gone, e));
    assert_int_equal(gone.revision, 5);
    assert_ok(experiment_delete(p->db, a.id, e));
    a = some_experiment("a");
    assert_ok(add_experiment(p->db, &a, e));
    static const struct {
        struct event_query q;
        const char *want;
    } cases[] = {
        {{.limit = 100}, "1:default/a/0 2:default/b/0 3:default/a/1 4:default/b/1 5:default/a/0 6:default/a/0 "},
        {{.limit = 2, .after = 3}, "4:default/b/1 5:default/a/0 "},
        {{.limit = 100, .experiment_id = 1}, "1:default/a/0 3:default/a/1 5:default/a/0 "},
        {{.limit = 100, .experiment_id = 2, .after = 2}, "4:default/b/1 "},
        {{.limit = 100, .experiment_id = 3}, "6:default/a/0 "},
        {{.limit = 100, .experiment_id = 3, .project = "default"}, "6:default/a/0 "},
        {{.limit = 100, .experiment_id = 3, .project = "x"}, ""},
        {{.limit = 100, .project = "x"}, ""},
        {{.limit = 100, .experiment_id = 9}, ""},
        {{.limit = 100, .after = 6}, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[400] = "";
        assert_ok(event_list(p->db, &cases[i].q, add_event, got, e));
        assert_string_equal(got, cases[i].want);
    }
}

static void the_log_is_cut_from_its_beginning_and_goes_on_counting(void **state)
{
    struct place *p = *state;
    int64_t first, last;
    assert_ok(event_bounds(p->db, &first, &last, e));
    assert_true(first == 0 && last == 0);
    assert_ok(db_begin(p->db, e));
    for (int64_t i = 1; i <= 25000; i++) {
        struct event v = {.kind = "k", .data = "{}"};
        assert_ok(event_append(p->db, &v, e));
        assert_int_equal(v.revision, i);
    }
    assert_ok(db_commit(p->db, e));
    static const struct {
        int64_t keep, first;
    } cases[] = {{30000, 1}, {24990, 11}, {100, 10011}, {100, 20011}, {100, 24901}, {100, 24901}, {0, 25000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_ok(event_prune(p->db, cases[i].keep, e));
        assert_ok(event_bounds(p->db, &first, &last, e));
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, 25000);
    }
    struct event v = {.kind = "k", .data = "{}"};
    assert_ok(event_append(p->db, &v, e));
    assert_int_equal(v.revision, 25001);
}

static void the_first_answer_is_kept_for_its_time(void **state)
{
    struct place *p = *state;
    char *hash, *reply;
    int status;
    struct error error;
    assert_int_equal(idempotency_get(p->db, "k1", &hash, &status, &reply, &error), ERR_NOT_FOUND);
    assert_ok(idempotency_put(p->db, "k1", "h1", 201, "{}", 1000, e));
    assert_ok(idempotency_put(p->db, "k1", "h2", 500, "", 1000, e));
    assert_ok(idempotency_put(p->db, "k2", "h", 200, "", 2000, e));
    assert_ok(idempotency_get(p->db, "k1", &hash, &status, &reply, e));
    assert_string_equal(hash, "h1");
    assert_string_equal(reply, "{}");
    assert_int_equal(status, 201);
    free(hash);
    free(reply);
    assert_ok(idempotency_prune(p->db, 2000, e));
    assert_int_equal(idempotency_get(p->db, "k1", &hash, &status, &reply, &error), ERR_NOT_FOUND);
    assert_ok(idempotency_get(p->db, "k2", &hash, &status, &reply, e));
    free(hash);
    free(reply);
}

/* --- whole database */

static bool fill(struct place *p, struct experiment *x, const char *name, int n)
{
    *x = some_experiment(name);
    assert_ok(add_experiment(p->db, x, e));
    for (int i = 0; i < n; i++) {
        struct trial t;
        struct attempt a;
        assert_ok(ask(p->db, x, &t, &a, e));
        assert_ok(report(p->db, x, &t, i, e));
        if (i % 2)
            assert_ok(complete(p->db, x, &t, &a, i, e));
    }
    return true;
}

static int64_t count_rows(struct place *p, const char *table)
{
    sqlite3_stmt *st;
    char sql[80];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_prepare_v2(p->db->handle, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return n;
}

static void all_that_hangs_on_an_experiment_goes_with_it(void **state)
{
    struct place *p = *state;
    struct experiment a, b;
    (void)fill(p, &a, "a", 10);
    (void)fill(p, &b, "b", 4);
    assert_ok(store_check(p->db, e));
    assert_ok(experiment_delete(p->db, a.id, e));
    assert_int_equal(experiment_get(p->db, "default", "a", &(struct experiment *){NULL}, &(struct error){0}), ERR_NOT_FOUND);
    bool more = true;
    int slices = 0;
    for (; more; slices++) {
        int64_t before = count_rows(p, "measurements") + count_rows(p, "trials");
        assert_ok(store_check(p->db, e)); /* between any two slices too */
        assert_ok(experiment_sweep(p->db, 3, &more, e));
        assert_in_range(before - count_rows(p, "measurements") - count_rows(p, "trials"), 0, 3);
    }
    assert_int_equal(slices, 8); /* 20 rows, 3 at a time, and a look that finds no more */
    static const struct {
        const char *table;
        int64_t left;
    } cases[] = {{"experiments", 1}, {"experiment_texts", 1}, {"trials", 4}, {"attempts", 4}, {"measurements", 4}, {"deleted_experiments", 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(count_rows(p, cases[i].table), cases[i].left);
    struct experiment again = some_experiment("a");
    assert_ok(experiment_insert(p->db, &again, e));
    assert_true(again.id > b.id); /* an id never comes again */
    assert_ok(event_prune(p->db, 1, e));
    assert_int_equal(count_rows(p, "deleted_experiments"), 1); /* the last event may be its own */
}

static void deleting_a_trial_takes_its_attempts_and_measurements(void **state)
{
    struct place *p = *state;
    struct experiment x;
    (void)fill(p, &x, "x", 3);
    assert_ok(trial_delete(p->db, x.id << 32 | 3, e));
    assert_int_equal(count_rows(p, "attempts"), 2);
    assert_int_equal(count_rows(p, "measurements"), 2);
}

static void a_check_names_what_is_wrong(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *harm, *word;
    } cases[] = {
        {"UPDATE experiments SET n_queued = n_queued + 1", "counts other trials"},
        {"UPDATE experiments SET n_trials = 1", "number above 1"},
        {"UPDATE experiments SET best_number = 1", "best trial"},
        {"UPDATE trials SET live = 0 WHERE number = 1", "marked otherwise"},
        {"INSERT INTO attempts SELECT trial_id, 9, 0, state, '', '', '', '', '', '', 0, 0, 0, 0, 0, 0 FROM attempts WHERE trial_id & 255 = 1", "more than one attempt"},
        {"DELETE FROM attempts WHERE trial_id & 255 = 2", "lost its attempt"},
        {"UPDATE attempts SET state = 'RUNNING'", "has ended and its attempt"},
        {"DELETE FROM events WHERE revision = 2", "gap"},
        {"UPDATE experiments SET revision = 1", "newer than its revision"},
        {"DELETE FROM experiment_texts", "lost its file"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM trials WHERE number = 1", "measurements of the missing trial 1"},
        {"INSERT INTO trials (id, state, live, reason, message, params, metrics, attempt, replicate, worker, origin, labels, note, revision, create_ms, update_ms) "
         "VALUES (99 << 32 | 1, 'FAILED', 0, '', '', '{}', '{}', 0, 0, '', '{}', '{}', '', 0, 0, 0)",
         "missing experiment 99"},
        {"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'trials_rank'; PRAGMA writable_schema = RESET", "never used"},
    };
    struct experiment x;
    (void)fill(p, &x, "x", 4);
    assert_ok(store_check(p->db, e));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error;
        char *message = NULL;
        assert_ok(db_begin(p->db, e));
        if (sqlite3_exec(p->db->handle, cases[i].harm, NULL, NULL, &message))
            fail_msg("%s: %s", cases[i].harm, message);
        assert_int_equal(store_check(p->db, &error), ERR_STORAGE);
        if (!strstr(error.detail, cases[i].word))
            fail_msg("%s: wanted \"%s\" in \"%s\"", cases[i].harm, cases[i].word, error.detail);
        db_rollback(p->db);
    }
    struct db *fresh = store_reader(p->store); /* the last harm has made the writer's view of the schema its own */
    assert_ok(store_check(fresh, e));
    store_reader_done(p->store, fresh);
}

static void a_rollback_undoes_and_a_reader_sees_one_snapshot(void **state)
{
    struct place *p = *state;
    struct experiment x = some_experiment("x"), *back;
    struct db *reader = store_reader(p->store);
    struct error error;
    assert_non_null(reader);
    assert_ok(db_begin(p->db, e));
    assert_ok(experiment_insert(p->db, &x, e));
    assert_int_equal(experiment_get(reader, "default", "x", &back, &error), ERR_NOT_FOUND);
    db_rollback(p->db);
    db_rollback(p->db); /* without a transaction: nothing happens */
    assert_int_equal(experiment_get(p->db, "default", "x", &back, &error), ERR_NOT_FOUND);
    assert_ok(db_begin_read(reader, e));
    assert_int_equal(experiment_get(reader, "default", "x", &back, &error), ERR_NOT_FOUND);
    assert_ok(db_begin(p->db, e));
    assert_ok(experiment_insert(p->db, &x, e));
    assert_ok(db_commit(p->db, e));
    assert_int_equal(experiment_get(reader, "default", "x", &back, &error), ERR_NOT_FOUND);
    db_end_read(reader);
    assert_ok(experiment_get(reader, "default", "x", &back, e));
    experiment_free(back);
    assert_int_equal(experiment_insert(reader, &x, &error), ERR_STORAGE);
    assert_string_equal(error.name, "DATABASE_READ_ONLY");
    assert_ok(db_begin_read(reader, e)); /* given back in the middle of a read: it is ended */
    store_reader_done(p->store, reader);
    struct db *again = store_reader(p->store);
    assert_ptr_equal(again, reader);
    assert_ok(db_begin_read(again, e));
    struct db *many[20];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        assert_non_null(many[i] = store_reader(p->store));
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        store_reader_done(p->store, many[i]);
    store_reader_done(p->store, again);
}

struct reading {
    struct place *place;
    _Atomic bool *stop;
    int64_t rounds;
    bool torn;
};

static bool count_trial(void *arg, const struct trial *t)
{
    (void)t;
    ++*(int64_t *)arg;
    return true;
}

static void *read_on(void *arg)
{
    struct reading *r = arg;
    do {
        struct db *reader = store_reader(r->place->store);
        struct experiment *x = NULL;
        struct list_query q = {.limit = 1000};
        int64_t n = 0;
        char *next = NULL;
        r->torn |= !reader || db_begin_read(reader, NULL) || experiment_get(reader, "default", "x", &x, NULL);
        if (x) {
            q.experiment_id = x->id;
            r->torn |= trial_list(reader, &q, count_trial, &n, &next, NULL) || n != x->n_trials;
        }
        experiment_free(x);
        if (reader)
            store_reader_done(r->place->store, reader);
        r->rounds++;
    } while (!*r->stop);
    return NULL;
}

static void readers_on_other_threads_see_whole_commits(void **state)
{
    struct place *p = *state;
    struct experiment x = some_experiment("x");
    _Atomic bool stop = false;
    struct reading readings[3];
    pthread_t threads[ARRAY_LEN(readings)];
    assert_ok(add_experiment(p->db, &x, e));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        readings[i] = (struct reading){.place = p, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readings[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        struct trial t;
        struct attempt a;
        assert_ok(db_begin(p->db, e));
        assert_ok(ask(p->db, &x, &t, &a, e));
        assert_ok(ask(p->db, &x, &t, &a, e));
        assert_ok(db_commit(p->db, e));
    }
    stop = true;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(readings[i].torn);
        assert_true(readings[i].rounds > 0);
    }
}

struct nested {
    struct db *db;
    enum err err;
};

static bool call_again(void *arg, const struct trial *t)
{
    struct nested *n = arg;
    struct error error;
    n->err = trial_live(n->db, t->experiment_id, call_again, n, &error);
    return true;
}

static void a_callback_may_not_call_its_own_caller(void **state)
{
    struct place *p = *state;
    struct trial t = some_trial(1, 1);
    assert_ok(trial_insert(p->db, &t, e));
    struct nested n = {.db = p->db};
    assert_ok(trial_live(p->db, 1, call_again, &n, e));
    assert_int_equal(n.err, ERR_INTERNAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(meta_values_are_replaced),
        TEST(the_default_project_exists),
        TEST(an_experiment_comes_back_as_it_was_written),
        TEST(experiments_that_are_not_there_are_named),
        TEST(only_experiments_that_go_on_are_live),
        TEST(a_trial_comes_back_as_it_was_written),
        TEST(a_trial_exists_once_and_is_named_when_missing),
        TEST(live_history_and_leaderboard_give_what_they_say),
        TEST(a_trial_leaves_and_joins_the_live_ones),
        TEST(attempts_come_back_as_they_were_written),
        TEST(the_first_value_of_a_step_wins),
        TEST(summaries_leave_nan_out),
        TEST(an_attempt_goes_on_from_the_paused_ones_before_it),
        TEST(a_thinned_curve_keeps_ends_and_peaks),
        TEST(events_are_told_by_experiment_even_after_it_is_gone),
        TEST(the_log_is_cut_from_its_beginning_and_goes_on_counting),
        TEST(the_first_answer_is_kept_for_its_time),
        TEST(all_that_hangs_on_an_experiment_goes_with_it),
        TEST(deleting_a_trial_takes_its_attempts_and_measurements),
        TEST(a_check_names_what_is_wrong),
        TEST(a_rollback_undoes_and_a_reader_sees_one_snapshot),
        TEST(readers_on_other_threads_see_whole_commits),
        TEST(a_callback_may_not_call_its_own_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
