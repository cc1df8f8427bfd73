/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What nouns.c and runs.c share: copies of rows, and values of their JSON. */
#ifndef HONE_MODEL_NOUNS_PART_H
#define HONE_MODEL_NOUNS_PART_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* `texts`: where in the noun its strings stand. */
void *noun_copy(const void *noun, size_t size, const size_t *texts, size_t n);
void noun_release(void *noun, const size_t *texts, size_t n);

json_t *known_json(double value);                         /* NAN is null */
json_t *known_int_json(int64_t value, int64_t unknown);
json_t *noun_text_json(const char *text);                      /* bytes that are no UTF-8 are replaced */
json_t *noun_object_json(const char *text);                    /* a stored object; {} when it cannot be read */

#endif
