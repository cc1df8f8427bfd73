/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the members of one mapping of an experiment file. What is wrong with a member goes to `problems` at its JSON Pointer, with what was
 * found; a member that is missing, null or wrong leaves the default. */
#ifndef HONE_MODEL_READER_H
#define HONE_MODEL_READER_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct reader {
    const json_t *object; /* NULL: the mapping is missing, and so is every member */
    char *pointer;        /* of the mapping; owned */
    struct problems *problems;
};

/* `value` at `pointer` must be a mapping of `members` (NULL-ended; NULL = any) or missing; unknown members are problems. */
struct reader reader_open(const json_t *value, const char *pointer, const char *const *members, struct problems *problems);
struct reader reader_enter(const struct reader *r, const char *member, const char *const *members);
void reader_close(struct reader *r);

const json_t *reader_find(const struct reader *r, const char *member); /* NULL: missing or null */
void reader_bad(const struct reader *r, const char *member, const char *code, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

int64_t reader_int(const struct reader *r, const char *member, int64_t min, int64_t max, int64_t def);
double reader_number(const struct reader *r, const char *member, double def); /* finite */
bool reader_bool(const struct reader *r, const char *member, bool def);
const char *reader_text(const struct reader *r, const char *member, size_t max, const char *def); /* not empty, at most `max` bytes */
int reader_choice(const struct reader *r, const char *member, const char *const *words, int def); /* index into `words` */
double reader_duration(const struct reader *r, const char *member, double min, double max, double def);
int64_t reader_size(const struct reader *r, const char *member, int64_t min, int64_t max, int64_t def);

/* A list of at most `max` items, or NULL. */
const json_t *reader_list(const struct reader *r, const char *member, size_t max);

char *pointer_join(const char *pointer, const char *member); /* escaped as RFC 6901 wants; malloced */
char *pointer_index(const char *pointer, size_t i);
bool json_whole(const json_t *value, int64_t *out); /* an integer, or a real without a fraction (1e3), within +-2^53 */

#define SHOW_TEXT 64
const char *json_show(const json_t *value, char out[SHOW_TEXT]); /* the value, short enough for a sentence; gives `out` */

bool json_size(const json_t *value, int64_t *bytes);   /* 512, "512", "512Mi", "2G", "1.5GiB" */

#endif
