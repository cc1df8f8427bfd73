/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiment files of other systems: which reader takes a document. */
#ifndef HONE_MODEL_FOREIGN_H
#define HONE_MODEL_FOREIGN_H

#include "base/settings.h"

#include <jansson.h>
#include <stdbool.h>

bool foreign_is(const json_t *document); /* false: it is a file of our own */

/* As katib_read (model/katib.h), by the reader of the document's system. */
json_t *foreign_read(const json_t *document, const struct catalog *catalog, json_t *places, struct problems *problems);

#endif
