/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What ref.c and condition.c share. */
#ifndef HONE_PIPELINE_REF_PART_H
#define HONE_PIPELINE_REF_PART_H

#include "pipeline/ref.h"

#define REF_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-"

/* "steps.train.outputs.loss" to a reference whose strings are the caller's; false: it is none, and `why` (static) says so. */
bool ref_parse(const char *text, size_t len, struct ref *out, const char **why);
void ref_release(struct ref *r);
json_t *ref_value(const struct ref *r, ref_value_fn *lookup, void *arg); /* along its path; new reference, NULL = undefined */
bool ref_exact(const char *text, struct ref *out); /* the text is one reference and nothing else; its strings are the caller's */
bool refs_any(const json_t *value);                /* is there a reference in it, or something broken? */

/* What its references name is changed as refs_rename does it, in place. */
void condition_rename(struct condition *c, ref_rename_fn *rename, void *arg);

#endif
