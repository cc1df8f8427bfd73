/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What ref.c and condition.c share. */
#ifndef HONE_PIPELINE_REF_PART_H
#define HONE_PIPELINE_REF_PART_H

#include "pipeline/ref.h"

#define REF_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-"

/* "steps.train.outputs.loss" to a reference whose strings are the caller's; false: it is none, and `why` (static) says so. */
bool ref_parse(const char *text, size_t len, struct ref *out, const char **why);
void ref_release(struct ref *r);

#endif
