/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pipelines: their versions and names, what differs between two, and the artifacts that runs made. */
#include "handlers.h"
#include "pipeline/pipeline.h"
#include "text.h"

#include <string.h>

#define ARTIFACT_MAX ((int64_t)64 << 20) /* of one answer; ?offset goes on */

static bool add_pipeline(void *arg, const struct pipeline_row *p)
{
    listing_add(arg, pipeline_row_json(p, false));
    return true;
}

static bool add_tag(void *arg, const char *tag, bool movable, const char *sha)
{
    listing_add(arg, json_pack("{s:s, s:b, s:s}", "name", tag, "alias", movable, "sha", sha));
    return true;
}

enum err handle_pipelines(struct request *r, struct error *error)
{
    struct db *db;
    struct listing l = {.b = BUF_INIT};
    enum err err = request_db(r, &db, error);
    buf_adds(&l.b, "{\"pipelines\":[");
    if (!err)
        err = pipeline_list(db, r->arg[0], NULL, add_pipeline, &l, error);
    buf_adds(&l.b, "]}");
    if (!err)
        answer_buf(r, 200, &l.b);
    buf_release(&l.b);
    return err;
}

enum err handle_pipeline(struct request *r, struct error *error)
{
    struct db *db;
    struct listing l = {.b = BUF_INIT};
    enum err err = request_db(r, &db, error);
    buf_adds(&l.b, "{\"versions\":[");
    if (!err)
        err = pipeline_list(db, r->arg[0], r->arg[1], add_pipeline, &l, error);
    if (!err && !l.n)
        err = err_set(error, ERR_NOT_FOUND, "PIPELINE_NOT_FOUND", "project %.70s has no pipeline %.70s", r->arg[0], r->arg[1]);
    buf_adds(&l.b, "],\"tags\":[");
    l.n = 0;
    if (!err)
        err = pipeline_tags(db, r->arg[0], r->arg[1], add_tag, &l, error);
    buf_adds(&l.b, "]}");
    if (!err)
        answer_buf(r, 200, &l.b);
    buf_release(&l.b);
    return err;
}

enum err handle_pipeline_version(struct request *r, struct error *error)
{
    struct db *db;
    struct pipeline_row *p;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = pipeline_find(db, r->arg[0], r->arg[1], !strcmp(r->arg[2], "newest") ? "" : r->arg[2], &p, error);
    if (err)
        return err;
    json_t *json = pipeline_row_json(p, true);
    (void)json_object_set_new(json, "code_files", json_loads(p->code, 0, NULL));
    answer_json(r, 200, json);
    pipeline_row_free(p);
    return OK;
}

static enum err read_version(struct db *db, struct request *r, const char *ref, struct pipeline **out, struct error *error)
{
    struct pipeline_row *row;
    struct problems ignored = {0};
    enum err err = pipeline_find(db, r->arg[0], r->arg[1], ref ? ref : "", &row, error);
    if (err)
        return err;
    *out = pipeline_parse(row->document, strlen(row->document), &ignored);
    problems_release(&ignored);
    pipeline_row_free(row);
    return *out ? OK : err_set(error, ERR_UNSUPPORTED, "STORED_PIPELINE", "the stored file of pipeline %.70s cannot be read", r->arg[1]);
}

enum err handle_pipeline_diff(struct request *r, struct error *error)
{
    struct db *db;
    struct pipeline *from = NULL, *to = NULL;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = read_version(db, r, request_query(r, "from"), &from, error);
    if (!err)
        err = read_version(db, r, request_query(r, "to"), &to, error);
    if (!err)
        answer_json(r, 200, json_pack("{s:o}", "changes", pipeline_diff(from, to)));
    pipeline_free(from);
    pipeline_free(to);
    return err;
}

enum err handle_pipeline_create(struct request *r, struct error *error)
{
    static const char *const members[] = {"pipeline", "root", "code", "alias", NULL};
    json_t *body;
    enum err err = request_document(r, members, &body, error);
    return err ? err : request_pipeline(r, body, error);
}

enum err handle_pipeline_alias(struct request *r, struct error *error)
{
    const char *version = json_string_value(json_object_get(r->json, "version"));
    json_t *alias = json_object_get(r->json, "alias");
    if (!json_is_string(alias) || !json_string_length(alias) || json_string_length(alias) > PIPELINE_ID_MAX)
        return err_set(error, ERR_INVALID, NULL, "alias must be a name of 1 to %d bytes", PIPELINE_ID_MAX);
    json_t *body = json_pack("{s:o, s:O}", "pipeline", json_sprintf("%s@%s", r->arg[1], version ? version : ""), "alias", alias);
    return request_pipeline(r, body, error);
}

/* ?member=path/in/a/folder, ?offset= */
enum err handle_artifact(struct request *r, struct error *error)
{
    char id[80];
    int64_t offset, total = 0;
    struct buf bytes = BUF_INIT;
    const char *member = request_query(r, "member");
    (void)snprintf(id, sizeof id, "sha256:%.70s", r->arg[1]);
    enum err err = query_int(r, "offset", 0, 0, INT64_MAX, &offset, error);
    if (!err)
        err = core_artifact(r->api->core, id, member && *member ? member : NULL, offset, ARTIFACT_MAX, &bytes, &total, error);
    if (!err) {
        answer_text(r, 200, "application/octet-stream", &bytes);
        answer_header(r, "Artifact-Size", "%lld", (long long)total);
    }
    buf_release(&bytes);
    return err;
}
