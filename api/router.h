/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of routes and the search in it. */
#ifndef HONE_API_ROUTER_H
#define HONE_API_ROUTER_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define ROUTE_ARGS 6
#define ROUTE_SEGMENTS 16
#define ROUTE_ALLOW 64 /* room for the value of Allow */

struct request;
struct command;

typedef enum err handler_fn(struct request *r, struct error *error);

/* Who may ask. The one place where rights are said: roles and projects will be columns here. */
enum access {
    ACCESS_PUBLIC, /* anyone */
    ACCESS_OWNER,  /* the owner's token, the dashboard's session */
    ACCESS_TRIAL,  /* these, and the token of the trial in the path */
};

enum route_flag {
    ROUTE_ANY_HOST = 1, /* probes come with whatever Host */
    ROUTE_FILE = 2,     /* the body is an experiment file, JSON or YAML; the handler reads it */
    ROUTE_PARKS = 4,    /* its command may wait in the core */
};

struct member { /* of a request body */
    const char *name;            /* NULL ends a list */
    const struct member *inside; /* of the object, or of each object of the list; NULL = not checked here */
};

#define NO_COMMAND (-1)

/* How a family of routes speaks when it is not our own way: another system's API that we serve. */
struct form {
    void (*problem)(struct request *r, const struct error *error, json_t *errors);                 /* answers; takes errors (may be NULL) */
    enum err (*reply)(struct request *r, const struct command *c, struct error *error);             /* answers for a command that worked */
};

struct route {
    const char *method, *path;
    handler_fn *handle;
    int command; /* enum command_kind or NO_COMMAND */
    enum access access;
    unsigned flags;
    const struct member *members; /* NULL: not checked here */
    const struct form *form;      /* NULL = our own */
};

extern const struct route routes[]; /* `method` NULL ends it */

void router_setup(void); /* once, before threads */

/* `path` is cut in place; arg[] point into it. NULL: none; `allow` then names the methods of the path ("" = there is no such path). HEAD finds GET. */
const struct route *router_find(const char *method, char *path, char *arg[ROUTE_ARGS], char allow[ROUTE_ALLOW]);

#endif
