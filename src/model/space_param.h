/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One parameter of a file to a struct param and back, without its condition. Private to space_read.c. */
#ifndef HONE_MODEL_SPACE_PARAM_H
#define HONE_MODEL_SPACE_PARAM_H

#include "model/reader.h"
#include "model/space_map.h"

#define PARAM_NAME_MAX 100

/* Fills `p`, as far as what stands at /parameters/NAME is right. Gives the open reader of that place, for its `when`. */
struct reader param_read(struct param *p, const char *name, const json_t *value, struct problems *problems);

json_t *param_json(const struct param *p);                   /* normalised; new reference */
json_t *param_level_json(const struct param *p, int64_t k);  /* a value of one with levels; new reference */

#endif
