/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs that give credentials, by the ExecCredential protocol of client.authentication.k8s.io. Private to kubernetes*.c. */
#ifndef HONE_BACKENDS_KUBERNETES_EXEC_H
#define HONE_BACKENDS_KUBERNETES_EXEC_H

#include "backends/kubernetes_config.h"

#include <stdint.h>

struct kube_credential {
    char *token, *cert, *key; /* PEM; malloced, NULL = none */
    int64_t until_mono;       /* INT64_MAX = without end */
};

/* Runs access->exec if `allowed` (comma-separated) names its command as it is written there. At most half a minute. */
enum err kube_exec(const struct kube_access *access, const char *allowed, struct kube_credential *out, struct error *error);

/* What such a program printed. Pure but for the clock. */
enum err kube_exec_read(const char *text, size_t len, const char *version, struct kube_credential *out, struct error *error);

#endif
