/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to the datastore: where objects lie, and manifests of trees. */
#ifndef HONE_ARTIFACTS_PART_H
#define HONE_ARTIFACTS_PART_H

#include "artifacts/artifacts.h"
#include "base/sha256.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_PATH_TEXT 4096
#define MAX_DEPTH 64
#define MAX_MANIFEST (64 << 20) /* bytes: 100,000 files of long names */
#define COPY_PART (128 << 10)

struct artifacts {
    char *dir;
    pthread_rwlock_t commit;  /* read: an object is taken to be there, or comes to be; written: one goes */
    atomic_ullong made;       /* names in tmp */
    _Atomic int64_t bytes;    /* -1: not counted yet */
};

char *artifact_path(const struct artifacts *a, const char *hash);
const char *hash_of(const char *id); /* "sha256:<hex>" to <hex>; NULL: it is no id */
void id_of(const char *hash, char id[ARTIFACT_ID_MAX]);
char *temporary_path(struct artifacts *a);
enum err storage_error(struct error *error, const char *what, const char *path); /* with errno */
enum err corrupt(struct artifacts *a, const char *hash, struct error *error, const char *why);

/* ---- a tree: {"!hone-tree": 1, "files": {"<path>": {"sha256", "size", "mode"} | {"link": target} | {"dir": true}}} ---- */

enum entry_kind { ENTRY_FILE, ENTRY_LINK, ENTRY_DIR /* an empty one */ };

struct entry {
    char *path; /* relative, clean */
    enum entry_kind kind;
    char hash[SHA256_TEXT];
    int64_t size;
    bool executable;
    char *target; /* of a link: stays in the tree */
};

struct manifest {
    struct entry *entries;
    size_t n, cap;
};

void manifest_add(struct manifest *m, struct entry entry); /* takes its texts */
char *manifest_text(const struct manifest *m);             /* malloced; sorted */
bool manifest_is(const char *data, size_t len);            /* by its first bytes */
bool manifest_parse(const char *data, size_t len, struct manifest *out);
void manifest_release(struct manifest *m);
const struct entry *manifest_find(const struct manifest *m, const char *path);
bool path_clean(const char *path);
bool link_inside(const char *path, const char *target); /* a link at `path` in a tree leads to something in the tree */

/* The object's bytes if it is a tree (verified), else n = 0 and *is_tree false. */
enum err manifest_load(struct artifacts *a, const char *hash, struct manifest *out, bool *is_tree, struct error *error);

/* Copies, by a reflink where that can be; hashes what it read when `hash` is given. */
enum err copy_file(int from, int to, char hash[SHA256_TEXT], int64_t *size, const char *path, struct error *error);
enum err hash_file(struct artifacts *a, const char *hash, char out[SHA256_TEXT], int64_t *size, struct error *error);

#endif
