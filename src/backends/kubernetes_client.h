/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls to a cluster's API: credentials, what its answers mean, which collection a kind is in. Any thread. Private to kubernetes*.c. */
#ifndef HONE_BACKENDS_KUBERNETES_CLIENT_H
#define HONE_BACKENDS_KUBERNETES_CLIENT_H

#include "backends/kubernetes_config.h"
#include "net/rest.h"

struct kube;

/* Finds the cluster; nothing is called. `exec`: commands that may be run for credentials, comma-separated. */
enum err kube_open(const struct kube_settings *settings, struct kube **out, struct error *error);
void kube_close(struct kube *k); /* NULL is a no-op */
const char *kube_namespace(const struct kube *k);
const char *kube_server(const struct kube *k);

/* What an answer means, by its Status. */
enum kube_answer {
    KUBE_OK,
    KUBE_AGAIN,     /* later: overloaded, restarting, not to be reached */
    KUBE_QUOTA,     /* later: a quota is full */
    KUBE_FORBIDDEN, /* or not known */
    KUBE_INVALID,
    KUBE_EXISTS,
    KUBE_CONFLICT,
    KUBE_MISSING,
    KUBE_ENDING,    /* the namespace is being removed */
};

/* The meaning of a failed call; `body` NULL: no Status came. Pure. */
enum kube_answer kube_meaning(enum err code, int http_status, const json_t *body);

/* *answer: the decoded body, also of a failure; new reference or NULL; may be NULL. The deadline is short: callers come again. */
enum kube_answer kube_call(struct kube *k, const char *method, const char *path, const json_t *body, json_t **answer, struct error *error);

/* The path of the collection that objects of this apiVersion and kind are in: malloced; NULL: error. */
char *kube_collection(struct kube *k, const char *version, const char *kind, const char *namespace, enum kube_answer *meaning, struct error *error);

/* Where transfers go to: with the credentials of now. NULL: error. Only of one thread, and good until the next call of this. */
struct rest *kube_transfer_target(struct kube *k, struct error *error);
const char *const *kube_headers(const struct kube *k); /* which every request must have; NULL = none */
void kube_refused(struct kube *k); /* a transfer was told 401: credentials are made anew */

#endif
