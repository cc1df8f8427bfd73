/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the service says of itself: the OpenAPI description, and a page for each code of an error. */
#include "assets.h"
#include "handlers.h"
#include "model/yaml.h"
#include "text.h"

#include <string.h>

/* Written in YAML, answered in JSON: made at the first use, for most never ask. */
static enum err make_openapi(struct api *a, struct error *error)
{
    json_t *document = yaml_load(asset_openapi_yaml, asset_openapi_yaml_size, error);
    if (!document)
        return ERR_INTERNAL;
    struct buf b = BUF_INIT;
    text_json(&b, document);
    json_decref(document);
    a->openapi_len = b.len;
    a->openapi = buf_take(&b);
    return OK;
}

enum err handle_openapi(struct request *r, struct error *error)
{
    struct api *a = r->api;
    pthread_mutex_lock(&a->openapi_mutex);
    enum err err = a->openapi ? OK : make_openapi(a, error);
    pthread_mutex_unlock(&a->openapi_mutex);
    if (!err)
        answer_constant(r, 200, "application/json", a->openapi, a->openapi_len);
    return err;
}

/* The line of docs/reference/errors.md that begins with "| `CODE` |". */
enum err handle_problem_page(struct request *r, struct error *error)
{
    char start[80];
    (void)snprintf(start, sizeof start, "\n| `%.60s` |", r->arg[0]);
    const char *line = strstr(asset_errors_md, start);
    if (!line)
        return err_set(error, ERR_NOT_FOUND, "NO_SUCH_CODE", "there is no error with the code %.60s", r->arg[0]);
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s: %.*s\n", r->arg[0], (int)(strcspn(line + 1, "\n") - strlen(start) + 1), line + strlen(start));
    answer_text(r, 200, "text/plain; charset=utf-8", &b);
    return OK;
}
