/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `hone tune -p`: a parameter in one word.
 *   lr=1e-5..1e-1:log   bs=16..256:int   x=0..1:step=0.25   n=1..64:int:log   act=relu,tanh   k=3,5,7   flag=bool */
#ifndef HONE_CLI_PARAM_FLAG_H
#define HONE_CLI_PARAM_FLAG_H

#include "base/err.h"

#include <jansson.h>

/* *name malloced, *out a new reference: the parameter as it stands in an experiment file. */
enum err param_flag(const char *text, char **name, json_t **out, struct error *error);

/* "loss=0.1" -> "loss", 0.1 (NaN and infinities as strings); for reports. */
enum err metric_flag(const char *text, char **name, json_t **out, struct error *error);

/* A word as the scalar it looks like: 3, 0.5, true, relu. 007 stays text: its zeros mean something. */
json_t *scalar_word(const char *text, size_t len);

#endif
