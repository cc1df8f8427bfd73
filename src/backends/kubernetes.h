/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside the kubernetes backend: one thread keeps all streams (one watch for each kind and namespace, the logs of running trials), workers make
 * and remove objects. kubernetes.c answers the host, kubernetes_submit.c begins and ends runs, kubernetes_watch.c keeps lists of objects, kubernetes_run.c knows what a run is doing,
 * kubernetes_log.c reads what it prints; kubernetes_client.c calls the cluster, kubernetes_object.c and kubernetes_words.c only think.
 *
 * On disk, under data_dir/kubernetes: `service`, the value of our label; KEY.json as long as the object of a run may be there (where it is); KEY.log,
 * what it has printed, with the cluster's timestamps. */
#ifndef HONE_BACKENDS_KUBERNETES_H
#define HONE_BACKENDS_KUBERNETES_H

#include "backends/kubernetes_client.h"
#include "backends/kubernetes_object.h"
#include "base/id.h"
#include "model/gjson.h"
#include "net/transfers.h"

#include <pthread.h>
#define HASH_FUNCTION HASH_FNV /* the usual one falls through in a switch, which clang refuses to see uncommented */
#include <uthash.h>

extern const struct backend backend_kubernetes;

enum { KUBE_MAX_CONDITIONS = 8 };

/* --- a list of objects that is kept up to date */

struct kube_watch {
    struct kube_watch *next;
    struct backend_conn *conn;
    char *path, *query; /* of the collection; query: its selector */
    char *run_label;    /* of pods: whose value is the key of their run; NULL: they are objects of runs, found by name */
    int users;          /* runs */

    struct transfer *transfer;
    struct buf line;
    char *version, *more; /* resourceVersion, NULL = to be listed; more: where a list goes on */
    bool listing, synced; /* synced: a whole list was seen */
    int64_t at, end;      /* mono: when it began, or is to begin again; when a stream has lasted too long */
    int64_t idle_at;      /* without runs: until then */
    int failures;
    unsigned round; /* of lists */
};

/* --- what a run prints */

struct kube_log {
    int fd;              /* of KEY.log, -1 = it cannot be written */
    char uid[64];        /* of the pod that is read; "" = none yet */
    int instance;        /* of its container: how often it has been started again */
    int64_t last_ns;     /* time of the last line that was given to the host, */
    int same;            /* how many lines with that time */
    int64_t kept_ns;     /* and of the last one in the file */
    int kept_same;
    int64_t pass_ns;     /* while reading: the time of the last line that came, */
    int pass_same;       /* and which one of that time it is */
    struct transfer *transfer;
    bool following, ended, instance_read; /* ended: a stream came to its end; instance_read: all of this container was read */
    struct buf line;
    int64_t at;          /* mono: not before */
    int failures;
};

struct run {
    UT_hash_handle hh;
    struct backend_conn *conn;
    char key[80];
    char *path;      /* of the collection */
    char *container; /* NULL = the first one */
    json_t *pod_labels;
    char *namespace;
    struct gjson *success[KUBE_MAX_CONDITIONS], *failure[KUBE_MAX_CONDITIONS];
    size_t n_success, n_failure;
    struct kube_watch *objects, *pods;
    double time_limit_s, start_timeout_s;
    bool cluster_limits; /* the cluster ends it in time */

    bool created;   /* its object was made, now or by an earlier service */
    bool cancelled; /* we asked for its end */
    bool drop;      /* its files go with it */
    bool seen, gone;
    unsigned round, expected; /* of `objects`: when it was last seen there, when it had to be */
    char uid[64];
    enum { VERDICT_NONE, VERDICT_SUCCESS, VERDICT_FAILURE, VERDICT_OVER /* told */ } verdict;
    struct kube_verdict words;
    int64_t verdict_at, made_at, ask_at, stuck_since, started_at; /* mono; 0 = not yet */
    bool told_running, suspended;
    char told[400];     /* the last words of a pending run */
    char event[400];    /* what the cluster's events say */
    struct transfer *events, *deletion;
    int64_t delete_at;
    struct kube_pod *pods_list;
    size_t n_pods;
    struct kube_log log;
};

struct backend_conn {
    const struct backend_host *host;
    char *dir, *service;
    struct kube_settings settings;
    pthread_mutex_t opening; /* while the cluster is looked for */
    struct kube *kube;       /* NULL until it is needed; with `opening` */

    pthread_mutex_t mutex; /* of what follows; recursive: the host asks for logs while it is told of an end */
    pthread_cond_t wake;
    struct run *runs;
    struct kube_watch *watches;
    struct transfers *transfers; /* NULL until there is a run; of the watch thread, but for waking it */
    bool stopping;
    int n_streams;       /* logs that are followed */
    int64_t sweep_at; /* mono; of the watch thread */
};

/* kubernetes.c */
enum err kubernetes_kube(struct backend_conn *c, struct kube **out, struct error *error); /* the cluster, looked for when it is needed first */
void kubernetes_wake(struct backend_conn *c);

/* kubernetes_submit.c */
enum err kubernetes_submit(struct backend_conn *c, const struct backend_job *job, struct error *error);
void kubernetes_forget(struct backend_conn *c, const char *run_key, bool drop);
bool kubernetes_remove_object(struct backend_conn *c, const char *run_key); /* as its file says; false: the cluster could not be asked */
void kubernetes_remove_files(const struct backend_conn *c, const char *run_key);
void kubernetes_let_go(struct backend_conn *c, const struct run *r); /* forget shall remove its object, whatever the file says */
bool kubernetes_key_ok(const char *run_key);
bool kubernetes_write(const char *path, const char *text); /* the whole file, onto the disk */
struct run *kubernetes_find(struct backend_conn *c, const char *run_key); /* with the mutex, as the next */
void kubernetes_run_free(struct run *r); /* its transfers are stopped */
char *kubernetes_namespace(const struct backend_conn *c, const struct kube *kube, const struct backend_job *job); /* where its object is: malloced */
void kubernetes_kind(const json_t *run, const char **version, const char **kind); /* of its object */

/* The options of a deletion, new reference. `wait`: the object stays until its pods are gone. */
json_t *kubernetes_delete_options(const char *uid, bool wait);

/* kubernetes_validate.c */
void kubernetes_validate(struct backend_conn *c, const struct backend_job *sample, struct problems *problems);

void kubernetes_prepare(struct backend_conn *c, json_t *document, struct problems *problems);

/* kubernetes_watch.c: with the mutex, in the watch thread */
struct kube_watch *kube_watch_use(struct backend_conn *c, const char *path, const char *query, const char *run_label);
void kube_watch_leave(struct kube_watch *w); /* NULL is a no-op */
int64_t kube_watch_turn(struct kube_watch *w, int64_t now); /* begins what is to begin; when to come back */
void kube_watch_free(struct kube_watch *w);

/* kubernetes_run.c */
void kube_run_object(struct backend_conn *c, const struct kube_watch *w, const char *name, const json_t *object, bool deleted);
void kube_run_pod(struct backend_conn *c, const struct kube_watch *w, const json_t *pod, bool deleted);
void kube_run_expected(struct backend_conn *c, const struct kube_watch *w); /* a list begins */
void kube_run_listed(struct backend_conn *c, const struct kube_watch *w);   /* all of it was seen */
int64_t kube_run_turn(struct backend_conn *c, struct run *r, int64_t now); /* tells what is to be told; may free it; when to come back */

/* kubernetes_log.c */
void kube_log_open(struct backend_conn *c, struct run *r, const char *cursor);
void kube_log_close(struct backend_conn *c, struct run *r);
bool kube_log_turn(struct backend_conn *c, struct run *r, int64_t now, int64_t *next); /* true: all was read that can be */
enum err kube_log_serve(const struct backend_conn *c, const char *run_key, int64_t offset, size_t max, struct buf *out, int64_t *next, bool *end, struct error *error);

#endif
