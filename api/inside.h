/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of api/ share: the service, a request and its answer.
 *
 * A request is read wholly, checked (router, auth, body), then its handler runs on an http thread: it answers (answer_*), hands a command
 * to the core (request_command), waits (request_wait: it is called again when something changed or the time is over) or streams events.
 * A handler must not block, and knows no HTTP library: http.c alone does. A request belongs to the http thread that runs it; between
 * suspending and being woken it is touched by nobody but the core, which fills its command. */
#ifndef HONE_API_INSIDE_H
#define HONE_API_INSIDE_H

#include "api.h"
#include "auth.h"
#include "base/buf.h"
#include "base/mem.h"
#include "router.h"
#include "watch.h"

#include <stdatomic.h>

#define BODY_MAX ((size_t)1 << 20)

/* The request headers that matter, read in one pass. */
#define REQUEST_HEADERS(X)                                                                                                          \
    X(ACCEPT, "Accept") X(ACCEPT_ENCODING, "Accept-Encoding") X(AUTHORIZATION, "Authorization")                                      \
    X(CONTENT_LENGTH, "Content-Length") X(CONTENT_TYPE, "Content-Type")                                                             \
    X(COOKIE, "Cookie") X(HOST, "Host") X(HONE, "X-Hone") X(IDEMPOTENCY_KEY, "Idempotency-Key") X(IF_MATCH, "If-Match")             \
    X(IF_NONE_MATCH, "If-None-Match") X(LAST_EVENT_ID, "Last-Event-ID") X(ORIGIN, "Origin") X(REQUEST_ID, "X-Request-Id")

enum request_header {
#define X(name, text) HEADER_##name,
    REQUEST_HEADERS(X)
#undef X
    HEADER_COUNT
};

enum next { NEXT_ANSWER, NEXT_COMMAND, NEXT_WAIT, NEXT_STREAM };

#define ANSWER_HEADERS 6
#define REQUEST_ID_MAX 64

struct answer {
    int status;
    const char *type;     /* constant */
    char *body;           /* malloced; or constant with `constant` */
    size_t len;
    bool constant;
    const char *cache;    /* Cache-Control, constant; NULL = no-store */
    const char *policy;   /* Content-Security-Policy, outlives the request; NULL = nothing is allowed */
    struct {
        const char *name; /* constant */
        char *value;      /* malloced */
    } headers[ANSWER_HEADERS];
    size_t n_headers;
};

/* An answer without an end. `fill` adds what there is to `out`; false: the stream is over. */
struct stream {
    bool (*fill)(struct request *r);
    void (*release)(struct stream *s); /* what `arg` holds */
    const char *type;
    struct buf out;
    size_t sent;
    int64_t after, experiment;
    void *arg;
    int64_t bookmark_at; /* mono ms: `fill` is called then though nothing changed */
    bool ended;
};

struct request {
    struct api *api;
    void *connection;            /* http.c's */
    const struct route *route;
    const char *method;
    char *path, *split;          /* as asked, under base_path; the second is cut into arg[] */
    char *arg[ROUTE_ARGS];       /* {p}, {e}, {n}, ... in order */
    const char *header[HEADER_COUNT];
    char id[REQUEST_ID_MAX + 1];
    bool by_socket;              /* the unix socket ... */
    bool by_owner;               /* ... and the peer is who runs the service */
    struct who who;
    bool started, over_limit;
    size_t passed_over;          /* bytes of a body beyond the limit */
    struct buf body;
    json_t *json;                /* the decoded body; NULL = none */

    enum next next;
    struct answer answer;
    struct command *command;
    struct waiter waiter;
    int64_t deadline;            /* of the whole wait, mono ms; 0 = not begun */
    int64_t seen;                /* watch_revision before the look */
    bool waited;                 /* it has looked before */
    enum wake_reason woken;
    bool parked;                 /* its command may wait long in the core: the stop gives up on it */
    struct stream *stream;
    struct db *db;               /* taken by request_db, given back after the handler */
    _Atomic int refs;            /* http.c and, while it has the command, the core */
};

#define STATUS_CLASSES 6

struct api {
    struct core *core;
    struct store *store;
    struct api_config config;   /* copies */
    char *page_policy;          /* Content-Security-Policy of the dashboard's pages */
    char **hosts;               /* accepted Host names, lower case, NULL-ended */
    char *url;
    int listen_fd, socket_fd;   /* -1 = none; the library's once it runs */
    struct auth auth;
    struct watch *watch;
    struct http *http;
    int64_t start_wall_ms;
    _Atomic int refs;           /* the service's, and one for each command that the core has: it answers some after api_stop */
    _Atomic int64_t n_inside;   /* requests begun and not completed */
    _Atomic int64_t n_in_core;  /* connections suspended for a command: the core resumes them */
    _Atomic int64_t n_requests[STATUS_CLASSES];
    _Atomic uint64_t id_counter;
    uint64_t id_base;
    char *openapi;              /* JSON, made at first use */
    size_t openapi_len;
    pthread_mutex_t openapi_mutex;
};

/* --- api.c */
void api_unref(struct api *a);

/* --- dashboard.c */
char *page_policy(const char *const *frames); /* malloced */

/* --- http.c */
enum err http_open(struct api *a, struct error *error);
void http_close(struct api *a); /* nothing may be suspended any more */
void http_refuse_new(struct api *a);
void http_wake(struct waiter *w, enum wake_reason why);
const char *request_query(const struct request *r, const char *name); /* decoded; NULL = not there, "" = without a value */
int64_t http_connections(struct api *a);

/* --- request.c: for handlers */
void request_start(struct request *r); /* checks, then the handler; what follows is in r->next */
void request_again(struct request *r); /* after a wait, or with its command answered */
void request_release(struct request *r); /* what it holds, not itself */
enum err request_db(struct request *r, struct db **out, struct error *error);
enum err request_experiment(struct request *r, struct db *db, struct experiment **out, struct error *error); /* {p}/{e} */
enum err request_number(const struct request *r, int64_t *out, struct error *error);                          /* {n} */
enum err request_trial(struct request *r, struct db *db, struct experiment **e, struct trial **t, struct error *error);
enum err query_int(const struct request *r, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *out, struct error *error);
enum err query_seconds(const struct request *r, const char *name, double *out, struct error *error); /* 0 to WATCH_MAX_S */
bool query_true(const struct request *r, const char *name);
bool request_accepts(const struct request *r, const char *type);
bool request_unknown_ok(const struct request *r); /* ?unknown=ignore */

enum err request_command(struct request *r, struct command **out, struct error *error); /* filled by the route; the handler may add to it */
enum err request_send(struct request *r, json_t *body, struct error *error); /* the same with `body` (taken) in place of the request's */
/* Waits until `deadline` for a change of the experiment (WATCH_ANY, WATCH_NOTHING), then the handler runs again. */
void request_wait(struct request *r, int64_t experiment, int64_t due);
bool request_may_wait(struct request *r, double seconds); /* the time of ?wait= is not over (it begins with the first call) */

void answer_text(struct request *r, int status, const char *type, struct buf *text); /* takes the buffer */
void answer_buf(struct request *r, int status, struct buf *json);
void answer_json(struct request *r, int status, json_t *json); /* takes the reference */
void answer_constant(struct request *r, int status, const char *type, const void *data, size_t len);
void answer_empty(struct request *r, int status);
void answer_header(struct request *r, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void answer_etag(struct request *r, int64_t revision);
bool answer_not_modified(struct request *r, int64_t revision); /* If-None-Match holds: 304 is the answer */

/* --- problem.c */
void answer_problem(struct request *r, const struct error *error, json_t *errors); /* takes errors (may be NULL) */

/* --- runs.c: bodies that are JSON or YAML, and hold a pipeline */
enum err request_document(struct request *r, const char *const *members, json_t **out, struct error *error); /* members: NULL-ended */
enum err request_pipeline(struct request *r, json_t *body, struct error *error); /* takes it: pins its pipeline, hands the command over; or answers what is wrong */

/* --- body.c */
enum err body_json(struct request *r, json_t **errors, struct error *error); /* reads r->body by the route's members into r->json */

/* --- logs.c */
enum err answer_log(struct request *r, struct db *db, const struct experiment *e, const struct trial *t, struct error *error); /* its standard output as text, the newest of it if it is long */

enum err answer_logs_of(struct request *r, const char *backend, const char *run_key, int64_t watched, struct error *error); /* as the query asks: offset, limit, tail, stream, wait */

/* --- page.c: lists */
struct page {
    struct list_query query;
    struct filter *filter;
    bool count;
};
enum err page_open(const struct request *r, struct page *page, struct error *error);
void page_end(struct buf *b, const struct page *page, const char *next, int64_t total); /* closes the list and the object */
void page_close(struct page *page);

struct listing { /* the objects of a list, as they are written */
    struct buf b;
    size_t n;
};
void listing_add(struct listing *l, json_t *object); /* takes the reference */

/* --- spec of an experiment row, for handlers */
json_t *experiment_document(const struct experiment *e); /* its file; new reference */

#endif
