/* SPDX-License-Identifier: GPL-3.0-or-later */
/* artifacts/artifacts: the datastore on a real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifacts/artifacts.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct world {
    char dir[64];
    struct artifacts *a;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static char *in(const struct world *w, const char *name)
{
    return x_asprintf("%s/%s", w->dir, name);
}

static struct artifacts *open_store(const struct world *w)
{
    struct artifacts *a = NULL;
    struct error e;
    char *store CLEANUP_FREE = in(w, "store");
    if (artifacts_open(store, &a, &e) != OK)
        fail_msg("%s", e.detail);
    return a;
}

static int set_up(void **state)
{
    struct world *w = X_NEW(struct world);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/hone-artifacts-XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    w->a = open_store(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    artifacts_close(w->a);
    (void)nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

/* Writes a file below the world, with the folders above it. */
static void write_file(const struct world *w, const char *name, const char *text, mode_t mode)
{
    char *path CLEANUP_FREE = in(w, name);
    for (char *slash = path + strlen(w->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void link_to(const struct world *w, const char *name, const char *target)
{
    char *path CLEANUP_FREE = in(w, name);
    assert_int_equal(symlink(target, path), 0);
}

static void put(const struct world *w, const char *name, char id[ARTIFACT_ID_MAX])
{
    char *path CLEANUP_FREE = in(w, name);
    struct error e;
    int64_t size;
    if (artifacts_put(w->a, path, id, &size, &e) != OK)
        fail_msg("%s", e.detail);
}

static void assert_file(const struct world *w, const char *name, const char *text)
{
    char *path CLEANUP_FREE = in(w, name), back[200];
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s is not there", path);
    back[fread(back, 1, sizeof back - 1, f)] = '\0';
    (void)fclose(f);
    assert_string_equal(back, text);
}

static mode_t mode_of(const struct world *w, const char *name)
{
    char *path CLEANUP_FREE = in(w, name);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static char *object(const struct world *w, const char *id)
{
    return x_asprintf("%s/store/objects/%.2s/%s", w->dir, id + 7, id + 7);
}

static int count_files(const struct world *w, const char *name)
{
    char *path CLEANUP_FREE = in(w, name);
    DIR *d = opendir(path);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

/* ---- taking in and laying out ---- */

static void a_file_is_named_by_its_content_and_kept_once(void **state)
{
    struct world *w = *state;
    char one[ARTIFACT_ID_MAX], two[ARTIFACT_ID_MAX], bytes[ARTIFACT_ID_MAX];
    struct error e;
    write_file(w, "a", "hello\n", 0644);
    write_file(w, "b", "hello\n", 0600);
    put(w, "a", one);
    int64_t before = artifacts_bytes(w->a);
    put(w, "b", two);
    assert_int_equal(artifacts_put_bytes(w->a, "hello\n", 6, bytes, &e), OK);
    assert_string_equal(one, "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_string_equal(one, two);
    assert_string_equal(one, bytes);
    assert_int_equal(before, 6);
    assert_int_equal(artifacts_bytes(w->a), 6);
    assert_int_equal(count_files(w, "store/tmp"), 0);
    assert_true(artifacts_has(w->a, one));
    assert_false(artifacts_has(w->a, "sha256:12"));
    assert_int_equal(artifacts_verify(w->a, one, &e), OK);
}

static void a_tree_comes_back_as_it_was(void **state)
{
    struct world *w = *state;
    char id[ARTIFACT_ID_MAX];
    struct error e;
    write_file(w, "t/deep/er/data.csv", "x,y\n", 0644);
    write_file(w, "t/run.sh", "#!/bin/sh\n", 0755);
    char *empty CLEANUP_FREE = in(w, "t/empty"), *out CLEANUP_FREE = in(w, "out"), *ours CLEANUP_FREE = in(w, "ours");
    assert_int_equal(mkdir(empty, 0755), 0);
    link_to(w, "t/deep/link", "../run.sh");
    put(w, "t", id);
    assert_int_equal(artifacts_lay(w->a, id, out, false, &e), OK);
    assert_int_equal(artifacts_lay(w->a, id, ours, true, &e), OK);
    assert_file(w, "out/deep/er/data.csv", "x,y\n");
    assert_file(w, "ours/deep/link", "#!/bin/sh\n");
    assert_int_equal(mode_of(w, "out/run.sh"), 0555);
    assert_int_equal(mode_of(w, "out/deep/er/data.csv"), 0444);
    assert_int_equal(mode_of(w, "ours/run.sh"), 0755);
    assert_int_equal(mode_of(w, "ours/deep/er/data.csv"), 0644);
    assert_int_equal(mode_of(w, "out/empty"), 0755);
    assert_int_equal(artifacts_lay(w->a, id, out, false, &e), ERR_STORAGE); /* it must not exist */
    write_file(w, "ours/deep/er/data.csv", "changed\n", 0644);
    assert_int_equal(artifacts_verify(w->a, id, &e), OK);
}

static void a_tree_has_one_name_in_whatever_order_it_was_made(void **state)
{
    struct world *w = *state;
    char one[ARTIFACT_ID_MAX], two[ARTIFACT_ID_MAX], other[ARTIFACT_ID_MAX];
    write_file(w, "one/a", "1", 0644);
    write_file(w, "one/b/c", "2", 0644);
    write_file(w, "two/b/c", "2", 0600);
    write_file(w, "two/a", "1", 0640);
    write_file(w, "other/a", "1", 0755); /* may be run: that counts */
    write_file(w, "other/b/c", "2", 0644);
    put(w, "one", one);
    put(w, "two", two);
    put(w, "other", other);
    assert_string_equal(one, two);
    assert_string_not_equal(one, other);
}

static void code_is_taken_by_name(void **state)
{
    struct world *w = *state;
    char some[ARTIFACT_ID_MAX], again[ARTIFACT_ID_MAX], all[ARTIFACT_ID_MAX];
    struct error e;
    int64_t size = 0;
    write_file(w, "src/train.py", "train", 0644);
    write_file(w, "src/lib/a.py", "a", 0644);
    write_file(w, "src/notes.txt", "not code", 0644);
    char *root CLEANUP_FREE = in(w, "src"), *out CLEANUP_FREE = in(w, "code");
    assert_int_equal(artifacts_put_some(w->a, root, (const char *const[]){"train.py", "lib/"}, 2, some, &size, &e), OK);
    assert_int_equal(size, 6);
    assert_int_equal(artifacts_put_some(w->a, root, (const char *const[]){"lib/a.py", "./lib", "train.py"}, 3, again, &size, &e), OK);
    assert_string_equal(some, again);
    assert_int_equal(artifacts_put_some(w->a, root, (const char *const[]){"."}, 1, all, &size, &e), OK);
    assert_string_not_equal(some, all);
    assert_int_equal(artifacts_lay(w->a, some, out, true, &e), OK);
    assert_file(w, "code/lib/a.py", "a");
    assert_int_equal(count_files(w, "code"), 2);
    assert_int_equal(artifacts_put_some(w->a, root, (const char *const[]){"train.py", "tset.py", "lb"}, 3, some, &size, &e), ERR_INVALID);
    assert_string_equal(e.name, "CODE_MISSING");
    assert_non_null(strstr(e.detail, "there is no tset.py, lb"));
    static const char *const outside[] = {"../store", "/etc/passwd", "lib/../../store", "a//b"};
    for (size_t i = 0; i < ARRAY_LEN(outside); i++)
        assert_int_equal(artifacts_put_some(w->a, root, &outside[i], 1, some, &size, &e), ERR_INVALID);
}

static void what_leads_out_of_a_folder_is_refused(void **state)
{
    static const struct {
        const char *at, *target;
        bool ok;
    } links[] = {
        {"l", "/etc/passwd", false}, {"l", "..", false},         {"l", "../x", false},      {"d/l", "../../x", false}, {"d/l", "..", true},
        {"d/l", "../f", true},       {"l", "d/../../x", false},  {"l", "f", true},          {"l", "nowhere", true},    {"l", ".", true},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        char id[ARTIFACT_ID_MAX];
        struct error e;
        int64_t size;
        char *name CLEANUP_FREE = x_asprintf("t%zu", i), *at CLEANUP_FREE = x_asprintf("t%zu/%s", i, links[i].at);
        char *file CLEANUP_FREE = x_asprintf("t%zu/f", i), *deep CLEANUP_FREE = x_asprintf("t%zu/d/f", i), *path CLEANUP_FREE = in(w, name);
        write_file(w, file, "f", 0644);
        write_file(w, deep, "f", 0644);
        link_to(w, at, links[i].target);
        enum err err = artifacts_put(w->a, path, id, &size, &e);
        if ((err == OK) != links[i].ok)
            fail_msg("%s -> %s: %d", links[i].at, links[i].target, (int)err);
        if (err != OK)
            assert_string_equal(e.name, "ARTIFACT_LINK");
    }
    char id[ARTIFACT_ID_MAX], *path CLEANUP_FREE = in(w, "alone"), *fifo CLEANUP_FREE = in(w, "fifo");
    struct error e;
    int64_t size;
    link_to(w, "alone", "/etc/passwd");
    assert_int_equal(artifacts_put(w->a, path, id, &size, &e), ERR_INVALID);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(artifacts_put(w->a, fifo, id, &size, &e), ERR_INVALID);
    assert_int_equal(count_files(w, "store/tmp"), 0);
}

static void a_folder_with_too_many_files_is_refused(void **state)
{
    struct world *w = *state;
    char id[ARTIFACT_ID_MAX], root[] = "/dev/shm/hone-many-XXXXXX"; /* in memory: there are very many */
    struct error e;
    int64_t size;
    if (!mkdtemp(root))
        skip();
    int fd = open(root, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i <= ARTIFACT_MAX_FILES; i++) { /* links cost nothing to take in */
        char name[16];
        (void)snprintf(name, sizeof name, "l%d", i);
        assert_int_equal(symlinkat("x", fd, name), 0);
    }
    assert_int_equal(artifacts_put(w->a, root, id, &size, &e), ERR_TOO_LARGE);
    assert_string_equal(e.name, "ARTIFACT_TOO_MANY_FILES");
    assert_int_equal(unlinkat(fd, "l0", 0), 0);
    (void)close(fd);
    assert_int_equal(artifacts_put(w->a, root, id, &size, &e), OK);
    assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void a_file_that_plays_a_manifest_is_refused(void **state)
{
    struct world *w = *state;
    static const char text[] = "{\"!hone-tree\":1,\"files\":{\"../../x\":{\"mode\":\"644\",\"sha256\":\"\",\"size\":0}}}";
    char id[ARTIFACT_ID_MAX];
    struct error e;
    int64_t size;
    write_file(w, "m", text, 0644);
    char *path CLEANUP_FREE = in(w, "m");
    assert_int_equal(artifacts_put(w->a, path, id, &size, &e), ERR_INVALID);
    assert_int_equal(artifacts_put_bytes(w->a, text, strlen(text), id, &e), ERR_INVALID);
}

/* ---- reading ---- */

static void parts_are_read_for_a_download(void **state)
{
    struct world *w = *state;
    char file[ARTIFACT_ID_MAX], tree[ARTIFACT_ID_MAX];
    struct buf b = BUF_INIT;
    struct error e;
    int64_t total = 0;
    write_file(w, "t/a", "0123456789", 0644);
    put(w, "t/a", file);
    put(w, "t", tree);
    assert_int_equal(artifacts_read(w->a, file, NULL, 3, 4, &b, &total, &e), OK);
    assert_string_equal(b.data, "3456");
    assert_int_equal(total, 10);
    buf_clear(&b);
    assert_int_equal(artifacts_read(w->a, tree, "a", 8, 100, &b, &total, &e), OK);
    assert_string_equal(b.data, "89");
    buf_clear(&b);
    assert_int_equal(artifacts_read(w->a, tree, NULL, 0, 1000, &b, &total, &e), OK);
    assert_non_null(strstr(b.data, "\"files\":{\"a\":{\"mode\":\"644\",\"sha256\":\""));
    assert_int_equal(artifacts_read(w->a, tree, "b", 0, 1, &b, &total, &e), ERR_NOT_FOUND);
    assert_int_equal(artifacts_read(w->a, tree, "../../../etc/passwd", 0, 1, &b, &total, &e), ERR_NOT_FOUND);
    assert_int_equal(artifacts_read(w->a, "sha256:../../x", NULL, 0, 1, &b, &total, &e), ERR_NOT_FOUND);
    buf_release(&b);
}

static void what_was_changed_is_found_and_can_be_taken_in_anew(void **state)
{
    struct world *w = *state;
    char file[ARTIFACT_ID_MAX], tree[ARTIFACT_ID_MAX], *out CLEANUP_FREE = in(w, "out");
    struct error e;
    write_file(w, "t/data", "good", 0644);
    write_file(w, "t/more", "more", 0644);
    put(w, "t/data", file);
    put(w, "t", tree);
    char *path CLEANUP_FREE = object(w, file);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chmod(path, 0644), 0);
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, i ? "go" : "evil", i ? 2 : 4), i ? 2 : 4);
        (void)close(fd);
        enum err err = i ? artifacts_lay(w->a, tree, out, false, &e) : artifacts_verify(w->a, tree, &e);
        assert_int_equal(err, ERR_STORAGE);
        assert_string_equal(e.name, "ARTIFACT_CORRUPT");
        if (!i)
            assert_non_null(strstr(e.detail, "file data"));
        assert_int_equal(access(out, F_OK), -1);
        assert_false(artifacts_has(w->a, file));
        assert_int_equal(artifacts_verify(w->a, tree, &e), ERR_STORAGE); /* still: a file of it is missing */
        put(w, "t/data", file);
        assert_int_equal(artifacts_verify(w->a, tree, &e), OK);
    }
    assert_int_equal(count_files(w, "store/corrupt"), 1);
}

static void a_manifest_that_was_changed_is_found(void **state)
{
    struct world *w = *state;
    char tree[ARTIFACT_ID_MAX], again[ARTIFACT_ID_MAX], *out CLEANUP_FREE = in(w, "out");
    struct error e;
    write_file(w, "t/data", "good", 0644);
    put(w, "t", tree);
    char *path CLEANUP_FREE = object(w, tree);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chmod(path, 0644), 0);
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_int_equal(write(fd, " ", 1), 1);
        (void)close(fd);
        assert_int_equal(i ? artifacts_verify(w->a, tree, &e) : artifacts_lay(w->a, tree, out, false, &e), ERR_STORAGE);
        assert_string_equal(e.name, "ARTIFACT_CORRUPT");
        put(w, "t", again);
        assert_string_equal(tree, again);
        assert_int_equal(artifacts_verify(w->a, tree, &e), OK);
    }
}

static void large_files_are_kept_as_well(void **state)
{
    struct world *w = *state;
    char *path CLEANUP_FREE = in(w, "large"), *out CLEANUP_FREE = in(w, "out"), id[ARTIFACT_ID_MAX], again[ARTIFACT_ID_MAX];
    char *part CLEANUP_FREE = x_calloc(1, 3 << 20);
    struct error e;
    int64_t size;
    FILE *f = fopen(path, "w");
    for (size_t i = 0; i < 3 << 20; i++)
        part[i] = (char)(i * 7 + i / 251);
    assert_int_equal(fwrite(part, 1, 3 << 20, f), 3 << 20);
    (void)fclose(f);
    assert_int_equal(artifacts_put(w->a, path, id, &size, &e), OK);
    assert_int_equal(size, 3 << 20);
    put(w, "large", again);
    assert_string_equal(id, again);
    assert_int_equal(artifacts_verify(w->a, id, &e), OK);
    assert_int_equal(artifacts_lay(w->a, id, out, true, &e), OK);
    put(w, "out", again);
    assert_string_equal(id, again);
    assert_int_equal(count_files(w, "store/tmp"), 0);
}

/* ---- sweeping ---- */

static bool is_used(void *arg, const char *id)
{
    return !strcmp(id, arg);
}

static void age(const char *path)
{
    if (utimensat(AT_FDCWD, path, (const struct timespec[]){{.tv_sec = 1000}, {.tv_sec = 1000}}, 0))
        assert_int_equal(errno, ENOENT); /* a sweep was faster */
}

static int age_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_F)
        age(path);
    return 0;
}

static void age_all(const struct world *w)
{
    char *path CLEANUP_FREE = in(w, "store/objects");
    assert_int_equal(nftw(path, age_one, 16, FTW_PHYS), 0);
}

static void what_is_not_used_goes_and_what_a_tree_needs_stays(void **state)
{
    struct world *w = *state;
    char tree[ARTIFACT_ID_MAX], gone[ARTIFACT_ID_MAX], young[ARTIFACT_ID_MAX];
    struct error e;
    int64_t freed, n;
    write_file(w, "t/a", "kept", 0644);
    write_file(w, "gone/b", "to be dropped", 0644);
    write_file(w, "young", "young", 0644);
    put(w, "t", tree);
    put(w, "gone", gone);
    age_all(w);
    put(w, "young", young);
    int64_t before = artifacts_bytes(w->a);
    assert_int_equal(artifacts_sweep(w->a, is_used, tree, 60, &freed, &n, &e), OK);
    assert_int_equal(n, 2); /* a tree and its file */
    assert_int_equal(artifacts_bytes(w->a), before - freed);
    assert_false(artifacts_has(w->a, gone));
    assert_true(artifacts_has(w->a, young));
    assert_int_equal(artifacts_verify(w->a, tree, &e), OK);
    put(w, "gone", gone);
    age_all(w);
    put(w, "gone", gone); /* asked for again: young again */
    assert_int_equal(artifacts_sweep(w->a, is_used, tree, 60, &freed, &n, &e), OK);
    assert_int_equal(artifacts_verify(w->a, gone, &e), OK);
    assert_int_equal(n, 1); /* "young", which is old now */
}

struct sweeper {
    struct artifacts *a;
    double min_age_s;
    atomic_bool stop;
};

static bool nothing_used(void *arg, const char *id)
{
    (void)arg;
    (void)id;
    return false;
}

static void *sweep_on(void *arg)
{
    struct sweeper *s = arg;
    while (!atomic_load(&s->stop)) {
        int64_t freed, n;
        (void)artifacts_sweep(s->a, nothing_used, NULL, s->min_age_s, &freed, &n, NULL);
    }
    return NULL;
}

/* The objects are made old before each put, so that the sweep is about to take them when the put takes them for granted. */
static void a_sweep_takes_nothing_from_under_a_put(void **state)
{
    struct world *w = *state;
    struct sweeper s = {.a = w->a, .min_age_s = 5};
    pthread_t thread;
    write_file(w, "t/a", "one", 0644);
    write_file(w, "t/b", "two", 0644);
    assert_int_equal(pthread_create(&thread, NULL, sweep_on, &s), 0);
    for (int i = 0; i < 100; i++) {
        char id[ARTIFACT_ID_MAX];
        struct error e;
        put(w, "t", id);
        if (artifacts_verify(w->a, id, &e) != OK)
            fail_msg("round %d: %s", i, e.detail);
        char *path CLEANUP_FREE = in(w, "store/objects");
        (void)nftw(path, age_one, 16, FTW_PHYS);
    }
    atomic_store(&s.stop, true);
    (void)pthread_join(thread, NULL);
}

static int n_objects, n_bad;
static struct artifacts *checked;

static int check_object(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    if (type != FTW_F)
        return 0;
    char *id CLEANUP_FREE = x_asprintf("sha256:%s", path + ftw->base);
    struct error e;
    n_objects++;
    if (artifacts_verify(checked, id, &e) != OK) {
        n_bad++;
        print_error("%s\n", e.detail);
    }
    return 0;
}

/* Every object is whole, and so is every tree. */
static void check_all(const struct world *w)
{
    char *path CLEANUP_FREE = in(w, "store/objects");
    checked = w->a;
    n_objects = n_bad = 0;
    assert_int_equal(nftw(path, check_object, 16, FTW_PHYS), 0);
    assert_int_equal(n_bad, 0);
}

/* What was there when a put began may be gone when it ends: then it is written after all. */
static void a_put_ends_well_under_a_sweep_that_takes_everything(void **state)
{
    struct world *w = *state;
    struct sweeper s = {.a = w->a};
    pthread_t thread;
    for (int i = 0; i < 20; i++) {
        char *name CLEANUP_FREE = x_asprintf("t/%d", i), *text CLEANUP_FREE = x_asprintf("file %d", i);
        write_file(w, name, text, 0644);
    }
    assert_int_equal(pthread_create(&thread, NULL, sweep_on, &s), 0);
    for (int i = 0; i < 60; i++) {
        char id[ARTIFACT_ID_MAX];
        put(w, "t", id);
    }
    atomic_store(&s.stop, true);
    (void)pthread_join(thread, NULL);
    check_all(w);
    assert_int_equal(count_files(w, "store/tmp"), 0);
}

/* ---- killed at any point ---- */

static void put_on_and_on(const struct world *w, unsigned seed)
{
    for (unsigned i = 0;; i++) {
        char *name CLEANUP_FREE = x_asprintf("k/%u", i % 8), *text CLEANUP_FREE = x_asprintf("%u %u", seed, i);
        char id[ARTIFACT_ID_MAX];
        write_file(w, name, text, 0644);
        put(w, "k", id);
        char *out CLEANUP_FREE = in(w, "laid");
        (void)nftw(out, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        (void)artifacts_lay(w->a, id, out, false, NULL);
    }
}

static void kill_9_leaves_whole_objects_only(void **state)
{
    struct world *w = *state;
    for (unsigned round = 0; round < 25; round++) {
        pid_t child = fork();
        if (child == 0)
            put_on_and_on(w, round);
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000 + (long)(round * 7919 % 23) * 1000000}, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        artifacts_close(w->a);
        w->a = open_store(w);
        assert_int_equal(count_files(w, "store/tmp"), 0);
    }
    check_all(w);
    assert_true(n_objects > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_file_is_named_by_its_content_and_kept_once),
        TEST(a_tree_comes_back_as_it_was),
        TEST(a_tree_has_one_name_in_whatever_order_it_was_made),
        TEST(code_is_taken_by_name),
        TEST(what_leads_out_of_a_folder_is_refused),
        TEST(a_folder_with_too_many_files_is_refused),
        TEST(a_file_that_plays_a_manifest_is_refused),
        TEST(parts_are_read_for_a_download),
        TEST(what_was_changed_is_found_and_can_be_taken_in_anew),
        TEST(a_manifest_that_was_changed_is_found),
        TEST(large_files_are_kept_as_well),
        TEST(what_is_not_used_goes_and_what_a_tree_needs_stays),
        TEST(a_sweep_takes_nothing_from_under_a_put),
        TEST(a_put_ends_well_under_a_sweep_that_takes_everything),
        TEST(kill_9_leaves_whole_objects_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
