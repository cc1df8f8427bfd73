/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors as RFC 9457 problem details. */
#include "inside.h"
#include "mlflow.h"
#include "text.h"

#include <string.h>

#define PROBLEM_TYPE "application/problem+json"

static bool retryable(enum err code)
{
    return code == ERR_TOO_MANY || code == ERR_UNAVAILABLE || code == ERR_TIMEOUT;
}

static void member(struct buf *b, const char *name, const char *value)
{
    buf_addf(b, ",\"%s\":", name);
    text_string(b, value);
}

void answer_problem(struct request *r, const struct error *error, json_t *errors)
{
    if (r->route && r->route->form) {
        r->route->form->problem(r, error, errors);
        return;
    }
    struct buf b = BUF_INIT, type = BUF_INIT;
    int status = err_http(error->code);
    buf_addf(&type, "%s/problems/%s", r->api->config.base_path, error->name);
    buf_adds(&b, "{\"type\":");
    text_string(&b, type.data);
    member(&b, "title", err_title(error->code));
    buf_addf(&b, ",\"status\":%d", status);
    member(&b, "detail", error->detail);
    member(&b, "instance", r->path);
    member(&b, "code", error->name);
    member(&b, "request_id", r->id);
    const char *mlflow = mlflow_error(r, error);
    if (mlflow) {
        member(&b, "error_code", mlflow);
        member(&b, "message", error->detail);
    }
    buf_addf(&b, ",\"retryable\":%s", retryable(error->code) ? "true" : "false");
    if (errors) {
        buf_adds(&b, ",\"errors\":");
        text_json(&b, errors);
    }
    buf_adds(&b, "}");
    buf_release(&type);
    json_decref(errors);
    answer_text(r, status, PROBLEM_TYPE, &b);
    if (error->code == ERR_UNAUTHENTICATED)
        answer_header(r, "WWW-Authenticate", "Bearer realm=\"hone\"");
    if (retryable(error->code))
        answer_header(r, "Retry-After", "1");
}
