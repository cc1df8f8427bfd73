/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A list of what is wrong with an input: every problem at once, each with its place (RFC 9457 errors[]). */
#ifndef HONE_BASE_PROBLEMS_H
#define HONE_BASE_PROBLEMS_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

struct problem_item {
    char *pointer; /* JSON Pointer (RFC 6901) into the input: "/parameters/lr/min" */
    char *code;    /* "REQUIRED", "UNKNOWN_FIELD", "TYPE", "RANGE", "SYNTAX", ... */
    char *detail;  /* what was found and what would be right */
    char *hint;    /* did you mean ...; NULL if there is none */
};

struct problems {
    struct problem_item *items;
    size_t n, cap; /* at most PROBLEMS_MAX are kept, the rest only counted in `n_dropped` */
    size_t n_dropped;
    struct problem_item *warnings; /* accepted, but the user should know; same form */
    size_t n_warnings, cap_warnings;
};

#define PROBLEMS_MAX 100

void problems_add(struct problems *p, const char *pointer, const char *code, const char *hint,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void problems_warn(struct problems *p, const char *pointer, const char *code, const char *hint,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
json_t *problems_json(const struct problem_item *items, size_t n); /* [{pointer, code, detail, hint}] new reference */
void problems_release(struct problems *p);

/* The dotted form people type: "/parameters/lr/min" -> "parameters.lr.min", "/objectives/0" -> "objectives[0]"; "(file)" for "". */
void problems_dotted(const char *pointer, char *out, size_t size);

/* The candidate nearest to `word` by edit distance, NULL if none is near enough to be meant. `candidates` ends with NULL. */
const char *did_you_mean(const char *word, const char *const *candidates);

#endif
