/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The section `stopping` of an experiment file: a rule, or a list of them, each on a metric of its own. Private to spec.c. */
#ifndef HONE_MODEL_SPEC_STOPPING_H
#define HONE_MODEL_SPEC_STOPPING_H

#include "model/reader.h"
#include "model/spec.h"

/* Fills s->stopping; objectives and the algorithm's settings are read before. `algorithm`: its entry, which may bring a rule with it; NULL = none.
 * Gives the normal form, a new reference. */
json_t *spec_stopping(const struct reader *top, const struct catalog *catalog, const struct catalog_entry *algorithm, struct spec *s);

#endif
