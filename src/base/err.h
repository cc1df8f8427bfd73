/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors: one list gives code, HTTP status, exit code and name (docs/reference/errors.md).
 *
 * A function that can fail returns `enum err` and takes `struct error *` as its last argument (may be
 * NULL). The error is filled only on failure. A function returns an error or logs it, never both. */
#ifndef HONE_BASE_ERR_H
#define HONE_BASE_ERR_H

/*        code                     HTTP exit  title */
#define ERR_MAP(X)                                                                           \
    X(OK,                          200, 0, "OK")                                             \
    X(ERR_SYNTAX,                  400, 6, "The request could not be read")                  \
    X(ERR_USAGE,                   400, 2, "The request is not right")                       \
    X(ERR_UNAUTHENTICATED,         401, 4, "A token is needed")                              \
    X(ERR_FORBIDDEN,               403, 4, "The token does not allow this")                  \
    X(ERR_NOT_FOUND,               404, 3, "Not found")                                      \
    X(ERR_METHOD,                  405, 2, "This method is not allowed here")                \
    X(ERR_CONFLICT,                409, 5, "Conflicts with the present state")               \
    X(ERR_EXHAUSTED,               409, 5, "The search space has no more points")            \
    X(ERR_GONE,                    410, 5, "No longer available")                            \
    X(ERR_PRECONDITION,            412, 5, "The object has changed")                         \
    X(ERR_TOO_LARGE,               413, 2, "The request is too large")                       \
    X(ERR_MEDIA_TYPE,              415, 2, "This content type is not understood")            \
    X(ERR_INVALID,                 422, 6, "The request is not valid")                       \
    X(ERR_PRECONDITION_REQUIRED,   428, 5, "If-Match is required")                           \
    X(ERR_TOO_MANY,                429, 7, "Too many requests")                              \
    X(ERR_INTERNAL,                500, 1, "Internal error")                                 \
    X(ERR_UNSUPPORTED,             501, 1, "Not supported")                                  \
    X(ERR_UNAVAILABLE,             503, 7, "Not available now")                              \
    X(ERR_TIMEOUT,                 504, 7, "Not answered in time")                           \
    X(ERR_STORAGE,                 507, 7, "The data could not be stored")

enum err {
#define X(code, http, exit_code, title) code,
    ERR_MAP(X)
#undef X
};

struct error {
    enum err code;
    char name[40];    /* for programs: "EXPERIMENT_NOT_FOUND" */
    char detail[472]; /* for people: what is wrong, where, and what to do */
};

/* Fills `error` (when not NULL) and returns `code`, so that `return err_set(...)` is one line.
 * `name` NULL: the name of the code itself. The text names the thing and the rule broken. */
enum err err_set(struct error *error, enum err code, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

int err_http(enum err code);           /* HTTP status */
int err_exit(enum err code);           /* exit code of the command line */
const char *err_title(enum err code);  /* short sentence */
const char *err_name(enum err code);   /* "ERR_NOT_FOUND" without "ERR_": "NOT_FOUND" */

#endif
