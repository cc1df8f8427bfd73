/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store/ on a disk that fails: what was committed is there, what was not is gone, and what a commit costs. */
#include "tests/store/fault_vfs.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define FEW 4

static int64_t tried; /* the call that fails, for the texts */

/* What the caller was told: `asked` trials exist, `completed[i]` says of trial i + 1 that it has succeeded. */
struct told {
    struct experiment x;
    bool created;
    int64_t asked;
    bool completed[600];
};

typedef enum err step_fn(struct db *db, struct told *t, int64_t i, struct error *error);

static enum err create_step(struct db *db, struct told *t, int64_t i, struct error *error)
{
    (void)i;
    t->x = some_experiment("x");
    return add_experiment(db, &t->x, error);
}

static enum err ask_step(struct db *db, struct told *t, int64_t i, struct error *error)
{
    (void)i;
    struct trial row;
    struct attempt a;
    return ask(db, &t->x, &row, &a, error);
}

static enum err complete_step(struct db *db, struct told *t, int64_t i, struct error *error)
{
    struct trial *row = NULL;
    struct attempt *a = NULL;
    enum err err = trial_get(db, t->x.id, i, &row, error);
    if (!err)
        err = attempt_get(db, row->id, 1, &a, error);
    if (!err)
        err = report(db, &t->x, row, (double)i, error);
    if (!err) {
        struct trial changed = *row;
        struct attempt ended = *a;
        err = complete(db, &t->x, &changed, &ended, (double)i, error);
    }
    attempt_free(a);
    trial_free(row);
    return err;
}

/* One transaction; after a failure the experiment is what it was, as the core reads it anew. */
static enum err transact(struct db *db, struct told *t, step_fn *step, int64_t i)
{
    struct experiment before = t->x;
    struct error error = {0};
    enum err err = db_begin(db, &error);
    if (!err)
        err = step(db, t, i, &error);
    if (!err)
        err = db_commit(db, &error);
    if (err) {
        db_rollback(db);
        t->x = before;
        if (err != ERR_STORAGE || !*error.name || strlen(error.detail) < 40)
            fail_msg("call %lld: %d %s %s", (long long)tried, (int)err, error.name, error.detail);
    }
    return err;
}

static void work(struct store *s, struct told *t, int64_t n)
{
    struct db *db = store_writer(s);
    if (!t->created)
        t->created = !transact(db, t, create_step, 0);
    for (int64_t k = 0; t->created && k < n; k++) {
        if (transact(db, t, ask_step, 0))
            continue;
        int64_t i = ++t->asked;
        t->completed[i - 1] = !transact(db, t, complete_step, i);
    }
}

static void assert_kept(struct store *s, const struct told *t)
{
    struct db *db = store_writer(s);
    struct experiment *x;
    struct error error;
    assert_ok(store_check(db, e));
    if (!t->created)
        return;
    assert_ok(experiment_get(db, "default", "x", &x, e));
    assert_true(x->n_trials >= t->asked && x->revision >= t->x.revision);
    experiment_free(x);
    for (int64_t i = 1; i <= t->asked; i++) {
        struct trial *row;
        if (trial_get(db, t->x.id, i, &row, &error))
            fail_msg("call %lld: trial %lld was acknowledged and is gone", (long long)tried, (long long)i);
        if (t->completed[i - 1] && row->state != TRIAL_SUCCEEDED)
            fail_msg("call %lld: the completion of trial %lld was acknowledged and is gone", (long long)tried, (long long)i);
        trial_free(row);
    }
}

/* --- each call fails once, or from then on until the disk is mended */

static bool one_fault(int64_t at, int rc, bool stays)
{
    char *dir = make_dir();
    struct store *s = NULL;
    struct told *t = X_NEW(struct told);
    struct error error = {0};
    fault_clear();
    fault.fail_at = tried = at;
    fault.rc = rc;
    fault.stays = stays;
    enum err err = store_open(dir, &s, &error);
    if (err && (err != ERR_STORAGE || strlen(error.detail) < 40))
        fail_msg("call %lld: %d %s %s", (long long)tried, (int)err, error.name, error.detail);
    if (!err)
        work(s, t, FEW);
    int64_t failed = fault.failed;
    fault.fail_at = 0;
    if (err)
        assert_ok(store_open(dir, &s, e)); /* the disk is mended: what a half-made database left does no harm */
    work(s, t, FEW);
    assert_true(t->created && t->asked >= FEW);
    assert_kept(s, t);
    store_close(s);
    assert_ok(store_open(dir, &s, e));
    assert_kept(s, t);
    store_close(s);
    remove_dir(dir);
    free(t);
    return failed > 0;
}

static void nothing_acknowledged_is_lost_to_a_failing_call(void **state)
{
    (void)state;
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR};
    for (size_t c = 0; c < ARRAY_LEN(codes); c++)
        for (int stays = 0; stays < 2; stays++) {
            int64_t at = 1, passed = 0, failures = 0;
            for (; passed < 40; at++) { /* calls that cannot be full lie between those that can */
                bool failed = one_fault(at, codes[c], stays);
                passed = failed ? 0 : passed + 1;
                failures += failed;
            }
            assert_true(failures > 60);
        }
}

static void a_full_disk_is_named(void **state)
{
    (void)state;
    char *dir = make_dir();
    struct store *s;
    struct told *t = X_NEW(struct told);
    struct error error;
    fault_clear();
    assert_ok(store_open(dir, &s, e));
    struct db *db = store_writer(s);
    static const struct {
        int rc;
        const char *name, *word;
    } cases[] = {{SQLITE_FULL, "DISK_FULL", "make room"}, {SQLITE_IOERR, "DISK_ERROR", "system's log"}, {SQLITE_READONLY, "DATABASE_READ_ONLY", "rights"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_ok(db_begin(db, e));
        assert_ok(create_step(db, t, 0, e));
        fault.rc = cases[i].rc;
        fault.fail_at = fault.calls + 1;
        fault.stays = true;
        assert_int_equal(db_commit(db, &error), ERR_STORAGE);
        assert_string_equal(error.name, cases[i].name);
        assert_non_null(strstr(error.detail, cases[i].word));
        assert_non_null(strstr(error.detail, "hone.db"));
        fault.fail_at = 0;
        db_rollback(db);
    }
    store_close(s);
    remove_dir(dir);
    free(t);
}

/* --- the power goes; of what was not synced nothing, a part, or all has reached the disk */

static void cut_power(int64_t at, int keep, int64_t n)
{
    char *dir = make_dir();
    struct store *s = NULL;
    struct told *t = X_NEW(struct told);
    struct error error;
    fault_clear();
    fault.remember = true;
    fault.fail_at = tried = at;
    fault.rc = SQLITE_IOERR;
    fault.stays = true;
    if (!store_open(dir, &s, &error)) {
        work(s, t, n);
        store_close(s);
    }
    fault.remember = false;
    fault_lose(keep);
    fault.fail_at = 0;
    assert_ok(store_open(dir, &s, e));
    assert_kept(s, t);
    store_close(s);
    remove_dir(dir);
    free(t);
}

static void nothing_acknowledged_is_lost_to_a_power_cut(void **state)
{
    (void)state;
    const int64_t n = 120;
    fault_clear();
    char *dir = make_dir();
    struct store *s;
    struct told *t = X_NEW(struct told);
    assert_ok(store_open(dir, &s, e));
    int64_t opened = fault.calls;
    fault.first_copy = 0;
    work(s, t, n);
    int64_t calls = fault.calls, copy = fault.first_copy, copied = fault.last_copy;
    store_close(s);
    remove_dir(dir);
    free(t);
    assert_true(copy > opened && copied < calls); /* the log was copied to the database on the way */
    for (int64_t at = 1; at <= opened; at += 3)
        cut_power(at, (int)(at % 3), 1);
    for (int64_t at = opened + 1; at < calls; at += calls / 25)
        cut_power(at, (int)(at % 3), n);
    for (int64_t at = copy - 2; at < copied + 8; at += 1 + (copied - copy) / 25)
        cut_power(at, (int)(at % 3), n);
    fault_clear();
}

/* --- a process that ends without a word */

static void what_was_committed_outlives_a_killed_process(void **state)
{
    (void)state;
    char *dir = make_dir();
    struct store *s;
    struct told *t = X_NEW(struct told);
    fault_clear();
    pid_t pid = fork();
    if (pid == 0) {
        struct error error;
        struct trial row;
        struct attempt a;
        if (store_open(dir, &s, &error))
            _exit(1);
        work(s, t, 5);
        if (db_begin(store_writer(s), &error) || ask(store_writer(s), &t->x, &row, &a, &error))
            _exit(2);
        _exit(t->asked == 5 ? 0 : 3); /* in the middle of a transaction, the log not copied, the lock held */
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_ok(store_open(dir, &s, e));
    struct experiment *x;
    assert_ok(experiment_get(store_writer(s), "default", "x", &x, e));
    assert_int_equal(x->n_trials, 5);
    assert_int_equal(x->counts[TRIAL_SUCCEEDED], 5);
    experiment_free(x);
    assert_ok(store_check(store_writer(s), e));
    store_close(s);
    remove_dir(dir);
    free(t);
}

/* --- costs */

static int64_t file_size(const char *dir, const char *name)
{
    char *path = x_asprintf("%s/%s", dir, name);
    struct stat st = {0};
    int rc = stat(path, &st);
    free(path);
    return rc ? -1 : (int64_t)st.st_size;
}

static void a_commit_costs_one_sync_and_the_log_stays_short(void **state)
{
    (void)state;
    char *dir = make_dir();
    struct store *s;
    struct told *t = X_NEW(struct told);
    fault_clear();
    assert_ok(store_open(dir, &s, e));
    work(s, t, 1);
    int64_t syncs = fault.syncs;
    work(s, t, 300); /* two commits each */
    double each = (double)(fault.syncs - syncs) / 600;
    assert_true(each >= 1 && each <= 1.1);
    assert_true(file_size(dir, "hone.db-wal") < 1200 * 4120);

    struct db *reader = store_reader(s); /* holds the log back: it grows, but no commit pays for it */
    struct experiment *x;
    assert_ok(db_begin_read(reader, e));
    assert_ok(experiment_get(reader, "default", "x", &x, e));
    experiment_free(x);
    syncs = fault.syncs;
    work(s, t, 295);
    each = (double)(fault.syncs - syncs) / 590;
    assert_true(each >= 1 && each <= 1.1);
    db_end_read(reader);
    store_reader_done(s, reader);
    int64_t held = file_size(dir, "hone.db-wal");
    t->asked = 0;
    memset(t->completed, 0, sizeof t->completed);
    for (int i = 0; i < 400; i++)
        assert_int_equal(transact(store_writer(s), t, ask_step, 0), OK);
    assert_true(file_size(dir, "hone.db-wal") <= held + 1200 * 4120);
    store_close(s);
    assert_int_equal(file_size(dir, "hone.db-wal"), -1); /* copied and gone */
    remove_dir(dir);
    free(t);
}

struct cost {
    int64_t steps, reads;
};

static struct cost cost_of_asking(struct store *s, struct told *t, int n)
{
    struct db *db = store_writer(s);
    for (size_t i = 0; i < SQL_COUNT; i++)
        if (db->statements[i])
            (void)sqlite3_stmt_status(db->statements[i], SQLITE_STMTSTATUS_VM_STEP, 1);
    int64_t reads = fault.reads;
    for (int i = 0; i < n; i++) {
        assert_int_equal(transact(db, t, ask_step, 0), OK);
        assert_int_equal(transact(db, t, complete_step, t->x.n_trials), OK);
    }
    struct cost c = {.reads = fault.reads - reads};
    for (size_t i = 0; i < SQL_COUNT; i++) {
        if (!db->statements[i])
            continue;
        c.steps += sqlite3_stmt_status(db->statements[i], SQLITE_STMTSTATUS_VM_STEP, 0);
        assert_int_equal(sqlite3_stmt_status(db->statements[i], SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
    }
    return c;
}

static void asking_costs_the_same_with_50000_trials(void **state)
{
    (void)state;
    char *dir = make_dir();
    struct store *s;
    struct told *t = X_NEW(struct told);
    fault_clear();
    assert_ok(store_open(dir, &s, e));
    work(s, t, 100);
    struct cost few = cost_of_asking(s, t, 100);
    while (t->x.n_trials < 50000) {
        assert_ok(db_begin(store_writer(s), e));
        for (int i = 0; i < 500; i++) {
            struct trial row;
            struct attempt a;
            assert_ok(ask(store_writer(s), &t->x, &row, &a, e));
            assert_ok(complete(store_writer(s), &t->x, &row, &a, i, e));
        }
        assert_ok(db_commit(store_writer(s), e));
    }
    struct cost many = cost_of_asking(s, t, 100);
    assert_true(many.steps <= few.steps * 11 / 10);
    assert_true(many.reads <= few.reads + 300); /* pages that had left the cache, not pages by the thousand */
    int used, high;
    assert_int_equal(sqlite3_db_status(store_writer(s)->handle, SQLITE_DBSTATUS_CACHE_USED, &used, &high, 0), SQLITE_OK);
    assert_true(used < 3 << 20);
    store_close(s);
    remove_dir(dir);
    free(t);
}

static int install(void **state)
{
    (void)state;
    fault_install();
    return 0;
}

static int clear(void **state)
{
    (void)state;
    fault_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_to_a_failing_call),
        cmocka_unit_test(a_full_disk_is_named),
        cmocka_unit_test(nothing_acknowledged_is_lost_to_a_power_cut),
        cmocka_unit_test(what_was_committed_outlives_a_killed_process),
        cmocka_unit_test(a_commit_costs_one_sync_and_the_log_stays_short),
        cmocka_unit_test(asking_costs_the_same_with_50000_trials),
    };
    return cmocka_run_group_tests(tests, install, clear);
}
