/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sections of an experiment file that tell the search more than objectives and parameters do: outcome constraints, cost, and what is known from before. Private to
 * spec.c. Each fills the spec and gives its normal form, a new reference; what it holds is only right if no problem was added. */
#ifndef HONE_MODEL_SPEC_SEARCH_H
#define HONE_MODEL_SPEC_SEARCH_H

#include "model/reader.h"
#include "model/spec.h"

#define SPEC_MAX_METRIC 128 /* bytes of a metric's name */

/* The member `metric` of a mapping, "" if it is missing or wrong, which is told. `blanks`: it may have spaces. */
const char *spec_metric(const struct reader *r, bool blanks);

json_t *spec_outcomes(const struct reader *top, bool blanks, struct spec *s);
json_t *spec_cost(const struct reader *top, bool blanks, struct spec *s); /* NULL: there is none */

/* Fills the spec even if there is none; after the objectives and the space. NULL: there is none. */
json_t *spec_warm_start(const struct reader *top, struct spec *s);

void spec_find_wanted(struct spec *s); /* fills s->wanted, once all else is read */

#endif
