/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store/: opening a data directory, and why it cannot be opened. */
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int setup(void **state)
{
    *state = make_dir();
    return 0;
}

static int teardown(void **state)
{
    remove_dir(*state);
    return 0;
}

static char *file_in(const char *dir, const char *name)
{
    return x_asprintf("%s/%s", dir, name);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    (void)close(fd);
}

static void execute_on(const char *path, const char *sql)
{
    sqlite3 *handle;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, &message))
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void assert_refused(const char *dir, enum err code, const char *name, const char *word)
{
    struct store *s;
    struct error error = {0};
    enum err err = store_open(dir, &s, &error);
    if (err != code || strcmp(error.name, name) != 0 || !strstr(error.detail, word))
        fail_msg("wanted %s with \"%s\", got %d %s %s", name, word, (int)err, error.name, error.detail);
}

static void a_directory_is_made_and_closed_to_others(void **state)
{
    char *dir = x_asprintf("%s/a/b//c", (char *)*state), *path = file_in(dir, "hone.db");
    struct store *s;
    struct stat st;
    assert_ok(store_open(dir, &s, e));
    assert_ok(db_prepare_all(store_writer(s), e));
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(s);
    assert_ok(store_open(dir, &s, e)); /* and opened again */
    assert_true(project_exists(store_writer(s), "default"));
    store_close(s);
    free(path);
    free(dir);
}

static void a_second_one_is_refused_with_the_pid_of_the_first(void **state)
{
    struct store *s, *again;
    char pid[40];
    (void)snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_ok(store_open(*state, &s, e));
    assert_refused(*state, ERR_CONFLICT, "DATA_DIR_IN_USE", pid);
    struct experiment x = some_experiment("x");
    assert_ok(experiment_insert(store_writer(s), &x, e)); /* the refused one has taken nothing away */
    assert_refused(*state, ERR_CONFLICT, "DATA_DIR_IN_USE", pid);
    store_close(s);
    assert_ok(store_open(*state, &again, e));
    store_close(again);
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    char *path = file_in(*state, "hone.db");
    struct store *s;
    struct stat before, after;
    assert_ok(store_open(*state, &s, e));
    store_close(s);
    execute_on(path, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 1000");
    assert_int_equal(stat(path, &before), 0);
    assert_refused(*state, ERR_UNSUPPORTED, "DATABASE_NEWER", "1000");
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    free(path);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    char *path = file_in(*state, "hone.db"), junk[5000];
    memset(junk, 'x', sizeof junk);
    write_file(path, junk, sizeof junk);
    assert_refused(*state, ERR_STORAGE, "DATABASE_CORRUPT", "hone.db");
    (void)remove(path);
    execute_on(path, "CREATE TABLE theirs (a)");
    assert_refused(*state, ERR_STORAGE, "DATABASE_CORRUPT", "another program");
    free(path);
}

static void fill(struct store *s)
{
    struct experiment x = some_experiment("x");
    struct db *db = store_writer(s);
    assert_ok(db_begin(db, e));
    assert_ok(add_experiment(db, &x, e));
    for (int i = 0; i < 200; i++) {
        struct trial t;
        struct attempt a;
        assert_ok(ask(db, &x, &t, &a, e));
    }
    assert_ok(db_commit(db, e));
}

static off_t root_page(struct store *s, const char *table)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(store_writer(s)->handle, "SELECT rootpage FROM sqlite_schema WHERE name = ?1", -1, &st, NULL), SQLITE_OK);
    (void)sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    off_t page = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return page;
}

static void a_damaged_database_is_told(void **state)
{
    char *path = file_in(*state, "hone.db");
    struct store *s;
    struct error error;
    assert_ok(store_open(*state, &s, e));
    fill(s);
    off_t page = root_page(s, "experiments");
    store_close(s);
    int fd = open(path, O_RDWR);
    char zeros[4096] = {0};
    assert_true(pwrite(fd, zeros, sizeof zeros, (page - 1) * 4096) == (ssize_t)sizeof zeros);
    assert_ok(store_open(*state, &s, e));
    assert_int_equal(store_check(store_writer(s), &error), ERR_STORAGE);
    struct experiment *x;
    assert_int_equal(experiment_get(store_writer(s), "default", "x", &x, &error), ERR_STORAGE);
    assert_string_equal(error.name, "DATABASE_CORRUPT");
    store_close(s);
    assert_int_equal(ftruncate(fd, 4096), 0); /* half of it gone */
    (void)close(fd);
    assert_refused(*state, ERR_STORAGE, "DATABASE_CORRUPT", "backup");
    free(path);
}

/* Runs `test` as a user without rights to others' files. */
static void as_nobody(void (*test)(const char *dir), const char *dir)
{
    if (geteuid() != 0) {
        test(dir);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (seteuid(65534))
            _exit(1);
        test(dir); /* a failed assertion does not come back */
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void refused_read_only(const char *dir)
{
    struct store *s;
    struct error error = {0};
    if (store_open(dir, &s, &error) != ERR_STORAGE || strcmp(error.name, "DATA_DIR_READ_ONLY") != 0) {
        (void)fprintf(stderr, "%s %s\n", error.name, error.detail);
        _exit(2);
    }
}

static void a_directory_without_rights_is_told_from_other_trouble(void **state)
{
    char *path = file_in(*state, "hone.db"), *lock = file_in(*state, "lock"), *inside = file_in(*state, "hone.db/sub");
    struct store *s;
    assert_int_equal(chmod(*state, 0555), 0);
    as_nobody(refused_read_only, *state);
    assert_int_equal(chmod(*state, 0777), 0);
    assert_ok(store_open(*state, &s, e));
    store_close(s);
    assert_int_equal(remove(lock), 0);
    assert_int_equal(chmod(path, 0444), 0); /* the directory may be written, the file not */
    as_nobody(refused_read_only, *state);
    assert_refused(inside, ERR_STORAGE, "DATA_DIR_UNUSABLE", "Not a directory");
    free(path);
    free(lock);
    free(inside);
}

static void a_database_that_another_program_holds_is_told(void **state)
{
    char *path = file_in(*state, "hone.db");
    struct store *s;
    struct error error;
    sqlite3 *other;
    assert_ok(store_open(*state, &s, e));
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(db_begin(store_writer(s), &error), ERR_STORAGE);
    assert_string_equal(error.name, "DATABASE_LOCKED");
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_ok(db_begin(store_writer(s), e));
    db_rollback(store_writer(s));
    store_close(s);
    free(path);
}

static void every_statement_fits_the_schema_and_a_changed_schema_is_noticed(void **state)
{
    struct store *s;
    struct error error;
    assert_ok(store_open(*state, &s, e));
    struct db *reader = store_reader(s);
    assert_ok(db_prepare_all(store_writer(s), e));
    assert_ok(db_prepare_all(reader, e));
    store_reader_done(s, reader);
    assert_int_equal(sqlite3_exec(store_writer(s)->handle, "ALTER TABLE meta RENAME COLUMN value TO other", NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(store_writer(s)->statements[i]);
        store_writer(s)->statements[i] = NULL;
    }
    assert_int_equal(db_prepare_all(store_writer(s), &error), ERR_INTERNAL);
    assert_non_null(strstr(error.detail, "value"));
    store_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_directory_is_made_and_closed_to_others),
        TEST(a_second_one_is_refused_with_the_pid_of_the_first),
        TEST(a_newer_database_is_refused_and_left_alone),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_damaged_database_is_told),
        TEST(a_directory_without_rights_is_told_from_other_trouble),
        TEST(a_database_that_another_program_holds_is_told),
        TEST(every_statement_fits_the_schema_and_a_changed_schema_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
