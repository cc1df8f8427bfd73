/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One parameter's map between values, levels and the unit interval (space_map.c), for space.c and space_read.c. */
#ifndef HONE_MODEL_SPACE_MAP_H
#define HONE_MODEL_SPACE_MAP_H

#include "model/space.h"

void param_prepare(struct param *p); /* sets n_levels, grain, from and width of a numeric one whose range is right */

double param_clamp(const struct param *p, double u);      /* into [0, 1], short of an end at infinity; NAN to the middle */
double param_u(const struct param *p, double value);      /* u of a value of a continuous one */
double param_u_free(const struct param *p, double value); /* of any numeric one, beyond 0 and 1 for values beyond the range; NAN if it has none */
double param_value(const struct param *p, double u);      /* value of a continuous one, inside [min, max] */
double param_u_of_level(const struct param *p, int64_t k);
int64_t param_level_of(const struct param *p, const json_t *value); /* the level that the value is; -1 = none */
int64_t param_level(const struct param *p, double u);     /* the cell that u is in */
double param_level_value(const struct param *p, int64_t k); /* of a numeric one: min + k step, without the dust of sums */

#endif
