/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store/: filters, orders, page tokens, and the plans of all statements. */
#include "tests/store/fixture.h"

#include "store/query.h"

struct place {
    char *dir;
    struct store *store;
    struct db *db;
    int64_t experiment;
};

/* Twelve trials that differ in what lists look at. */
static int setup(void **state)
{
    struct place *p = X_NEW(struct place);
    p->dir = make_dir();
    assert_ok(store_open(p->dir, &p->store, e));
    p->db = store_writer(p->store);
    struct experiment x = some_experiment("x");
    x.labels = "{\"team\": \"a\"}";
    x.counts[TRIAL_QUEUED] = 12;
    assert_ok(add_experiment(p->db, &x, e));
    p->experiment = x.id;
    for (int64_t i = 1; i <= 12; i++) {
        struct trial t = some_trial(x.id, i), foreign = some_trial(x.id + 1, i);
        char params[120], labels[60];
        (void)snprintf(params, sizeof params, "{\"lr\": %s, \"kernel\": \"%s\", \"flag\": %s%s}", i == 12 ? "\"auto\"" : (char[]){'0', '.', (char)('0' + i % 10), '\0'},
                       i % 2 ? "rbf" : "poly", i % 3 ? "true" : "false", i % 4 ? "" : ", \"degree\": 3");
        (void)snprintf(labels, sizeof labels, i % 5 ? "{}" : "{\"team\": \"%lld\"}", (long long)i);
        t.params = params;
        t.labels = labels;
        t.objective = i % 4 == 3 ? (double)NAN : (double)(i % 3);
        t.metrics = i == 7 ? "{\"loss\": \"NaN\"}" : i == 6 ? "{\"loss\": 1e-3}"
                                                            : "{}";
        t.worker = i % 6 ? "w-1" : "gpu-2";
        t.state = i == 4 ? TRIAL_RUNNING : TRIAL_QUEUED;
        t.start_ms = i < 3 ? 1763900000000 + i : 0;
        assert_ok(trial_insert(p->db, &t, e));
        assert_ok(trial_insert(p->db, &foreign, e));
    }
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

static bool add_number(void *arg, const struct trial *t)
{
    char *text = arg;
    size_t len = strlen(text);
    (void)snprintf(text + len, 200 - len, "%lld ", (long long)t->number);
    return true;
}

static const struct {
    const char *filter, *want;
} filters[] = {
    {"", "1 2 3 4 5 6 7 8 9 10 11 12 "},
    {"state=RUNNING", "4 "},
    {"state!=QUEUED", "4 "},
    {"NOT state=QUEUED", "4 "},
    {"number>10", "11 12 "},
    {"number>=10.5 OR number=1", "1 11 12 "},
    {"objective=0", "6 9 12 "},
    {"objective!=0", "1 2 3 4 5 7 8 10 11 "},
    {"NOT objective=0", "1 2 3 4 5 7 8 10 11 "},
    {"objective<1", "6 9 12 "},
    {"NOT objective<1", "1 2 3 4 5 7 8 10 11 "},
    {"objective:*", "1 2 4 5 6 8 9 10 12 "},
    {"NOT objective:*", "3 7 11 "},
    {"params.lr<0.3", "1 2 10 11 "},
    {"params.lr>0.8", "9 "},
    {"params.lr=auto", "12 "},
    {"params.lr=0.5", "5 "},
    {"params.kernel=rbf AND (number<4 OR number>9)", "1 3 11 "},
    {"params.kernel>poly", "1 3 5 7 9 11 "},
    {"params.flag=false", "3 6 9 12 "},
    {"params.flag!=true", "3 6 9 12 "},
    {"params.degree:*", "4 8 12 "},
    {"params:degree", "4 8 12 "},
    {"params.degree!=3", "1 2 3 5 6 7 9 10 11 "},
    {"params.nothing=1", ""},
    {"labels.team=\"5\"", "5 "},
    {"labels:team", "5 10 "},
    {"metrics.loss=NaN", "7 "},
    {"metrics.loss<1", "6 "},
    {"worker=gpu-2", "6 12 "},
    {"worker:gpu", "6 12 "},
    {"worker:*", "1 2 3 4 5 6 7 8 9 10 11 12 "},
    {"origin.by=gp AND number=2", "2 "},
    {"start_time:*", "1 2 "},
    {"start_time>1763900000001", "2 "},
    {"start_time>2025-11-23T12:13:20.001Z", "2 "},
    {"start_time>\"2025-11-23T12:13:20.001\"", "2 "},
    {"start_time<2025-11-24", "1 2 "},
    {"create_time<2003", "1 2 "},
    {"worker=\"x' OR 1=1 --\"", ""},
};

static void filters_find_what_they_say(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        struct error error = {0};
        struct filter *filter = filter_parse(filters[i].filter, &error);
        assert_int_equal(error.code, OK);
        struct list_query q = {.experiment_id = p->experiment, .filter = filter, .limit = 100};
        char got[200] = "", *next = NULL;
        int64_t n, want = 0;
        assert_ok(trial_list(p->db, &q, add_number, got, &next, e));
        assert_null(next);
        if (strcmp(got, filters[i].want) != 0)
            fail_msg("%s: %s, wanted %s", filters[i].filter, got, filters[i].want);
        for (const char *c = filters[i].want; *c; c++)
            want += *c == ' ';
        assert_ok(trial_count(p->db, &q, &n, e));
        assert_int_equal(n, want);
        filter_free(filter);
    }
}

static const struct {
    const char *order, *want;
} orders[] = {
    {NULL, "1 2 3 4 5 6 7 8 9 10 11 12 "},
    {"-number", "12 11 10 9 8 7 6 5 4 3 2 1 "},
    {"objective", "6 9 12 1 4 10 2 5 8 3 7 11 "},
    {"-objective", "2 5 8 1 4 10 6 9 12 3 7 11 "},
    {"objective, -number", "12 9 6 10 4 1 8 5 2 11 7 3 "},
    {"params.kernel,-params.lr", "12 8 6 4 2 10 9 7 5 3 1 11 "},
    {"-start_time,number,objective", "2 1 3 4 5 6 7 8 9 10 11 12 "},
    {"metrics.loss", "6 7 1 2 3 4 5 8 9 10 11 12 "},
    {"worker", "6 12 1 2 3 4 5 7 8 9 10 11 "},
};

static void orders_hold_over_pages_of_any_size(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++)
        for (int64_t size = 1; size <= 13; size++) {
            char got[200] = "", *after = NULL, *next = NULL;
            int pages = 0;
            do {
                struct list_query q = {.experiment_id = p->experiment, .order_by = orders[i].order, .after = after, .limit = size};
                assert_ok(trial_list(p->db, &q, add_number, got, &next, e));
                free(after);
                after = next;
                pages++;
            } while (after);
            if (strcmp(got, orders[i].want) != 0)
                fail_msg("%s, %lld a page: %s, wanted %s", orders[i].order, (long long)size, got, orders[i].want);
            assert_int_equal(pages, (12 + size - 1) / size);
        }
}

static bool two_are_enough(void *arg, const struct trial *t)
{
    (void)add_number(arg, t);
    return t->number < 2;
}

static void a_list_that_was_stopped_goes_on_behind_the_last_row(void **state)
{
    struct place *p = *state;
    char got[200] = "", *next = NULL;
    struct list_query q = {.experiment_id = p->experiment, .limit = 5};
    assert_ok(trial_list(p->db, &q, two_are_enough, got, &next, e));
    assert_string_equal(got, "1 2 ");
    *got = '\0';
    char *after = next;
    q.after = after;
    assert_ok(trial_list(p->db, &q, add_number, got, &next, e));
    assert_string_equal(got, "3 4 5 6 7 ");
    free(after);
    free(next);
}

struct walk {
    int64_t previous, n;
    double value;
    bool in_order;
};

static bool step(void *arg, const struct trial *t)
{
    struct walk *w = arg;
    w->in_order = w->in_order && (isnan(t->objective) || !(t->objective < w->value));
    if (!isnan(t->objective))
        w->value = t->objective;
    if (t->number <= 300)
        w->n++;
    return true;
}

static void a_walk_sees_each_row_once_while_others_are_added(void **state)
{
    struct place *p = *state;
    int64_t number = 13;
    for (; number <= 300; number++) {
        struct trial t = some_trial(p->experiment, number);
        t.objective = number % 9 ? (double)(number * 37 % 11) : (double)NAN;
        assert_ok(trial_insert(p->db, &t, e));
    }
    struct walk w = {.in_order = true, .value = -1};
    char *after = NULL, *next;
    do {
        struct list_query q = {.experiment_id = p->experiment, .order_by = "objective", .after = after, .limit = 7};
        assert_ok(trial_list(p->db, &q, step, &w, &next, e));
        free(after);
        after = next;
        for (int k = 0; k < 3; k++, number++) { /* before and behind where the walk is */
            struct trial t = some_trial(p->experiment, number);
            t.objective = k == 0 ? -1 : k == 1 ? 100
                                               : (double)NAN;
            assert_ok(trial_insert(p->db, &t, e));
        }
    } while (after && number < 2000);
    assert_true(w.in_order);
    assert_int_equal(w.n, 300);
    free(after);
}

static void a_foreign_token_is_refused(void **state)
{
    struct place *p = *state;
    char got[200] = "", *token, *next = NULL;
    struct list_query q = {.experiment_id = p->experiment, .order_by = "worker", .limit = 2};
    assert_ok(trial_list(p->db, &q, add_number, got, &token, e));
    struct error error;
    struct filter *filter = filter_parse("number>1", &error);
    const struct list_query others[] = {
        {.experiment_id = p->experiment, .order_by = "-worker", .limit = 2, .after = token},
        {.experiment_id = p->experiment, .limit = 2, .after = token},
        {.experiment_id = p->experiment + 1, .order_by = "worker", .limit = 2, .after = token},
        {.experiment_id = p->experiment, .order_by = "worker", .filter = filter, .limit = 2, .after = token},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(trial_list(p->db, &others[i], add_number, got, &next, &error), ERR_INVALID);
        assert_string_equal(error.name, "PAGE_TOKEN");
    }
    filter_free(filter);
    for (size_t cut = 1; cut < strlen(token); cut++) { /* a part of it, or one with a byte changed, is never worse than refused */
        char *part = x_strndup(token, cut);
        q.after = part;
        enum err err = trial_list(p->db, &q, add_number, (char[200]){0}, &next, &error);
        assert_true(err == OK || err == ERR_INVALID);
        free(next);
        free(part);
        part = x_strdup(token);
        part[cut] = (char)(part[cut] ^ 0x15);
        q.after = part;
        err = trial_list(p->db, &q, add_number, (char[200]){0}, &next, &error);
        assert_true(err == OK || err == ERR_INVALID);
        assert_true(cut >= 16 || err == ERR_INVALID);
        free(next);
        free(part);
    }
    free(token);
}

static void what_cannot_be_listed_by_is_named(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *filter, *order, *name, *word;
    } cases[] = {
        {"objektive<1", "", "UNKNOWN_FIELD", "objective"},
        {"experiment_id=1", "", "UNKNOWN_FIELD", "params.NAME"},
        {"number.x=1", "", "UNKNOWN_FIELD", "number.x"},
        {"params=1", "", "UNKNOWN_FIELD", "params.NAME"},
        {"state=RUNING", "", "FILTER_VALUE", "RUNNING"},
        {"state>RUNNING", "", "FILTER_VALUE", "="},
        {"number=ten", "", "FILTER_VALUE", "number"},
        {"create_time>yesterday", "", "FILTER_VALUE", "2026-"},
        {"", "id", "UNKNOWN_FIELD", "ordered"},
        {"", "objective desc,x", "UNKNOWN_FIELD", "\"x\""},
        {"", "params", "UNKNOWN_FIELD", "params"},
        {"", "objective;DROP TABLE trials", "UNKNOWN_FIELD", "ordered"},
        {"", "worker,note,state,reason,attempt,objective", "ORDER_BY", "at most"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        struct filter *filter = filter_parse(cases[i].filter, &error);
        assert_int_equal(error.code, OK);
        char *next = NULL;
        struct list_query q = {.experiment_id = p->experiment, .filter = filter, .order_by = cases[i].order, .limit = 5};
        enum err err = trial_list(p->db, &q, add_number, (char[200]){0}, &next, &error);
        if (err != ERR_INVALID || strcmp(error.name, cases[i].name) != 0 || !strstr(error.detail, cases[i].word))
            fail_msg("%s %s: %d %s %s", cases[i].filter, cases[i].order, (int)err, error.name, error.detail);
        filter_free(filter);
    }
}

static bool add_name(void *arg, const struct experiment *x)
{
    strcat(strcat(arg, x->name), " ");
    return true;
}

static void experiments_are_listed_newest_first(void **state)
{
    struct place *p = *state;
    assert_int_equal(sqlite3_exec(p->db->handle, "INSERT INTO projects VALUES ('other', 1)", NULL, NULL, NULL), SQLITE_OK);
    static const char *const names[] = {"c", "a", "b"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct experiment x = some_experiment(names[i]);
        x.project = i == 1 ? "other" : "default";
        x.best_value = i ? (double)i : (double)NAN;
        assert_ok(experiment_insert(p->db, &x, e));
    }
    static const struct {
        const char *project, *filter, *order, *want;
    } cases[] = {
        {"-", "", "", "b a c x "},
        {"default", "", "", "b c x "},
        {"other", "", "", "a "},
        {"none", "", "", ""},
        {"-", "", "name", "a b c x "},
        {"-", "", "create_time", "x c a b "},
        {"-", "labels.team=a", "", "x "},
        {"-", "best.value>1", "", "b "},
        {"-", "", "-best.value", "b a x c "},
        {"default", "state=RUNNING AND name!=x", "", "b c "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        struct filter *filter = filter_parse(cases[i].filter, &error);
        char got[200] = "", *after = NULL, *next;
        struct list_query q = {.project = cases[i].project, .filter = filter, .order_by = cases[i].order, .limit = 2};
        int64_t n, want = 0;
        assert_ok(experiment_count(p->db, &q, &n, e));
        do {
            q.after = after;
            assert_ok(experiment_list(p->db, &q, add_name, got, &next, e));
            free(after);
            after = next;
        } while (after);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%zu: %s, wanted %s", i, got, cases[i].want);
        for (const char *c = got; *c; c++)
            want += *c == ' ';
        assert_int_equal(n, want);
        filter_free(filter);
    }
}

/* --- plans */

static bool is_big(const char *plan)
{
    /* aliases are those of sql.def: t trials, a attempts, v events */
    static const char *const big[] = {"trials", "attempts", "measurements", "events", "idempotency", "t", "a", "v"};
    char table[60] = "";
    if (sscanf(plan, "SCAN %59s", table) != 1)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(big); i++)
        if (!strcmp(table, big[i]))
            return true;
    return false;
}

static void assert_no_scan(struct place *p, const char *sql)
{
    char *explain = x_asprintf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(p->db->handle, explain, -1, &st, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(p->db->handle));
    while (sqlite3_step(st) == SQLITE_ROW)
        if (is_big(column_text(st, 3)) && !strstr(sql, "ORDER BY id LIMIT ?2)")) /* idempotency: only its oldest rows */
            fail_msg("%s: %s", sql, column_text(st, 3));
    (void)sqlite3_finalize(st);
    free(explain);
}

static void no_statement_looks_through_a_big_table(void **state)
{
    struct place *p = *state;
    assert_ok(db_prepare_all(p->db, e));
    for (enum sql id = 0; id < SQL_CHECK_INTEGRITY; id++)
        assert_no_scan(p, sql_text(id));
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        for (size_t k = 0; k < ARRAY_LEN(orders); k++) {
            struct error error;
            struct filter *filter = filter_parse(filters[i].filter, &error);
            struct query q;
            struct list_query list = {.experiment_id = 1, .filter = filter, .order_by = orders[k].order, .limit = 10};
            assert_ok(query_build(&q, &query_trials, &list, k > 0, e));
            assert_no_scan(p, q.sql.data);
            query_release(&q);
            filter_free(filter);
        }
    assert_true(is_big("SCAN trials") && is_big("SCAN v USING INDEX x") && !is_big("SEARCH trials USING INTEGER PRIMARY KEY"));
}

static void a_page_by_number_needs_no_sorting(void **state)
{
    struct place *p = *state;
    struct query q;
    static const char *const orders_by_id[] = {"", "number", "-number"};
    for (size_t i = 0; i < ARRAY_LEN(orders_by_id); i++) {
        struct list_query list = {.experiment_id = 1, .order_by = orders_by_id[i], .limit = 10};
        assert_ok(query_build(&q, &query_trials, &list, true, e));
        char *explain = x_asprintf("EXPLAIN QUERY PLAN %s", q.sql.data);
        sqlite3_stmt *st;
        assert_int_equal(sqlite3_prepare_v2(p->db->handle, explain, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW)
            assert_null(strstr(column_text(st, 3), "TEMP B-TREE"));
        (void)sqlite3_finalize(st);
        free(explain);
        query_release(&q);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(filters_find_what_they_say),
        TEST(orders_hold_over_pages_of_any_size),
        TEST(a_list_that_was_stopped_goes_on_behind_the_last_row),
        TEST(a_walk_sees_each_row_once_while_others_are_added),
        TEST(a_foreign_token_is_refused),
        TEST(what_cannot_be_listed_by_is_named),
        TEST(experiments_are_listed_newest_first),
        TEST(no_statement_looks_through_a_big_table),
        TEST(a_page_by_number_needs_no_sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
