/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiment files from Katib's form to ours and back, for people to read and keep (`hone convert`). */
#ifndef HONE_MODEL_CONVERT_H
#define HONE_MODEL_CONVERT_H

#include "base/settings.h"

#include <jansson.h>

/* A Katib file as a file of ours, with nothing in it that is the default. NULL if there is any problem. */
json_t *convert_to_native(const json_t *document, const struct catalog *catalog, struct problems *problems);

/* A file of ours as a Katib Experiment that runs `image` (NULL: none was said). What Katib has no word for, and what the trials would then do otherwise, is a
 * problem; what makes little difference a warning. A document that was a Katib file once (`source`) is that file again, with its present counts. */
json_t *convert_to_katib(const json_t *document, const char *image, const struct catalog *catalog, struct problems *problems);

#endif
