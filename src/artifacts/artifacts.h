/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The datastore: what steps give and code snapshots, by content. An artifact is a file or a tree of files, named "sha256:<hex>"; the same content
 * is kept once, whatever made it.
 *
 * Objects lie at DIR/objects/ab/<sha256>, read-only; a tree is an object too: its manifest, canonical JSON {"!hone-tree": 1, "files": {"<relative path>":
 * {"sha256", "size", "mode"} or {"link": target} or, for an empty folder, {"dir": true}}}. What is found corrupt is moved to DIR/corrupt, so that the same
 * content can be taken in anew.
 * Every write goes to DIR/tmp, is synced and renamed, so an object is whole or absent whatever is killed when. Calls come from any thread. Rows of the
 * store say which artifacts are used (`artifacts_sweep` is told them); the files here hold no other truth. */
#ifndef HONE_ARTIFACTS_ARTIFACTS_H
#define HONE_ARTIFACTS_ARTIFACTS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARTIFACT_ID_MAX 72 /* "sha256:" and 64 hex digits */
#define ARTIFACT_MAX_FILES 100000

struct artifacts;

enum err artifacts_open(const char *dir, struct artifacts **out, struct error *error);
void artifacts_close(struct artifacts *a);

/* Takes in a file, or a folder with all below it (links that leave it are refused, sockets and devices too). It is synced when this returns. `size`: of all files; may be NULL. */
enum err artifacts_put(struct artifacts *a, const char *path, char id[ARTIFACT_ID_MAX], int64_t *size, struct error *error);
enum err artifacts_put_bytes(struct artifacts *a, const char *data, size_t len, char id[ARTIFACT_ID_MAX], struct error *error);

/* Takes in the named files and folders of `root` (relative, not outside it) as one tree: a code snapshot. Missing ones are named in `error`. */
enum err artifacts_put_some(struct artifacts *a, const char *root, const char *const *names, size_t n, char id[ARTIFACT_ID_MAX], int64_t *size, struct error *error);

bool artifacts_has(struct artifacts *a, const char *id);
enum err artifacts_verify(struct artifacts *a, const char *id, struct error *error); /* reads and hashes all of it; ERR_STORAGE "ARTIFACT_CORRUPT" names the file */

/* Lays it out at `path` (which must not exist): reflinked where the file system can, else copied; `writable`: the caller may change it; otherwise hard
 * links of the read-only objects. Sizes are checked; a difference is ERR_STORAGE "ARTIFACT_CORRUPT". */
enum err artifacts_lay(struct artifacts *a, const char *id, const char *path, bool writable, struct error *error);

/* For downloads. A tree: `member` is a path in it; NULL = its manifest. */
enum err artifacts_read(struct artifacts *a, const char *id, const char *member, int64_t offset, size_t max, struct buf *out, int64_t *total, struct error *error);

/* Removes what `used` says no to and was not touched for `min_age_s`; what a call in flight has just made is safe. Gives what was freed. */
enum err artifacts_sweep(struct artifacts *a, bool (*used)(void *arg, const char *id), void *arg, double min_age_s, int64_t *freed_bytes, int64_t *n, struct error *error);
int64_t artifacts_bytes(struct artifacts *a);

#endif
