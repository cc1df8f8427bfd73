/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conditions on an object of a cluster, in the part of the GJSON path language that Katib's files use:
 * status.conditions.#(type=="Complete")#|#(status=="True")# (docs/reference/kubernetes.md). What is beyond that part is refused, for GJSON itself
 * silently never matches and a user would wait for ever. */
#ifndef HONE_MODEL_GJSON_H
#define HONE_MODEL_GJSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct gjson;

/* NULL: it is wrong; `*why` says what (static), `*column` where (from 1). */
struct gjson *gjson_new(const char *text, const char **why, size_t *column);
void gjson_free(struct gjson *g); /* NULL is a no-op */

json_t *gjson_find(const struct gjson *g, const json_t *document); /* what it leads to: new reference, NULL = nothing */

/* Met: what was found is an object, or a list that is not empty. */
bool gjson_met(const json_t *found);

#endif
