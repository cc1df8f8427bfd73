/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a `run` section has only with backend kubernetes (docs/reference/kubernetes.md). Private to spec_run.c. */
#ifndef HONE_MODEL_SPEC_CLUSTER_H
#define HONE_MODEL_SPEC_CLUSTER_H

#include "model/reader.h"

#define SPEC_CLUSTER_MEMBERS                                                                                                             \
    "image", "namespace", "resources", "service_account", "manifest", "container", "pod_labels", "success_condition", "failure_condition", "retain", \
        "start_timeout", "token"

/* Reads these members of `r`, normalised into `out`. True: a command may stand there (there is an image). */
bool spec_cluster(const struct reader *r, const char *const *names, json_t *out);
void spec_cluster_none(const struct reader *r, const char *backend); /* another backend: there must be none */

#endif
