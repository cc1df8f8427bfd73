/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The object that a trial is, and what pods and conditions say, in words. Nothing here calls anybody. Private to kubernetes*.c, and to its tests. */
#ifndef HONE_BACKENDS_KUBERNETES_OBJECT_H
#define HONE_BACKENDS_KUBERNETES_OBJECT_H

#include "backends/backend.h"
#include "model/manifest.h"

#define KUBE_SERVICE "hone.dev/service" /* labels: whose it is, */
#define KUBE_RUN "hone.dev/run"         /* and which run */

const json_t *kube_at(const json_t *object, const char *path); /* members by name, "status/conditions"; NULL: nothing */
const char *kube_text(const json_t *object, const char *path); /* never NULL */

/* The object of the job with name, labels and environment; new reference. `service`: the label's value. */
json_t *kube_object(const struct backend_job *job, const char *service, const char *namespace);

/* The trial's token, which goes with `object` as the cluster has it. New reference. */
#define KUBE_TOKEN_KEY "token"
json_t *kube_secret(const struct backend_job *job, const json_t *object);

const char *kube_container(const json_t *run);        /* the container that is read; NULL = the only one */
json_t *kube_pod_labels(const json_t *run);           /* of the pod that is read; new reference, an object */

/* ---- a pod */

struct kube_pod {
    char uid[64], name[254];
    int64_t created_ms, started_ms, ended_ms;
    bool primary;    /* its log is the trial's */
    bool scheduled, started, terminated, deleted;
    bool lost;       /* evicted, preempted, its node gone: not its own fault */
    bool stuck;      /* its container cannot be started, and waiting seldom helps */
    bool hopeless;   /* ... and never does */
    int restarts;
    int exit_code, signal; /* -1 = not known */
    bool oom;
    char reason[40], words[400]; /* why it waits, or why it failed; "" = nothing to say */
};

/* What `pod` says of its container (NULL = the first one). */
void kube_pod_read(const json_t *pod, const char *container, const json_t *labels, struct kube_pod *out);

/* ---- an end */

/* Of one of the conditions (model/gjson.h): is it met, and if so with which words. */
struct kube_verdict {
    char reason[64], message[400];
};
struct gjson;
bool kube_met(struct gjson *const *conditions, size_t n, const json_t *object, struct kube_verdict *out);

/* How a run has failed, from its object's words and its pods. */
void kube_failure(const struct kube_verdict *verdict, const struct kube_pod *pods, size_t n, double time_limit_s, struct backend_status *out);

/* Seconds of RFC 3339 with a fraction, as nanoseconds; *rest: what follows it. False: no such text. */
bool kube_time(const char *text, int64_t *ns, const char **rest);

#endif
