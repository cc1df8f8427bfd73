/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a cluster is reached and as whom: of a kubeconfig, or of the service account of the pod that this runs in. Private to kubernetes*.c. */
#ifndef HONE_BACKENDS_KUBERNETES_CONFIG_H
#define HONE_BACKENDS_KUBERNETES_CONFIG_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct kube_access {
    char *server, *tls_name, *proxy; /* tls_name: the name that the certificate must have, NULL = the server's */
    bool insecure;
    char *ca, *cert, *key;                /* PEM text */
    char *ca_file, *cert_file, *key_file; /* or where it is */
    char *token, *token_file;             /* the file wins, and is read again as it changes */
    char *namespace;
    json_t *headers;                      /* of impersonation: "Impersonate-User: x", ...; NULL = none */
    json_t *exec;                         /* the program that gives credentials; NULL = none */
    char *folder;                         /* of the file that names it */
};

void kube_access_release(struct kube_access *a);

/* One file of a kubeconfig, in the order of $KUBECONFIG: of things of one name the first is taken. */
struct kube_file {
    const char *path, *text;
    size_t len;
};
enum err kube_config_read(const struct kube_file *files, size_t n, const char *context, struct kube_access *out, struct error *error);

/* What the service's settings say of it; "" = nothing. */
struct kube_settings {
    char *kubeconfig, *context, *namespace, *exec; /* exec: commands that may be run for credentials, comma-separated */
    bool project_namespaces;                       /* a project's trials run in the namespace of its name */
};

/* Looks for it: the setting, a pod's service account, $KUBECONFIG, ~/.kube/config. */
enum err kube_access_find(const struct kube_settings *s, struct kube_access *out, struct error *error);
bool kube_is_configured(const struct kube_settings *s); /* by the setting, or by being in a pod */

#endif
