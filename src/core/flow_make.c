/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs and versions of pipelines are made here, whoever asks: people, trials, schedules. */
#include "base/id.h"
#include "base/json_text.h"
#include "core/flow.h"

#include <string.h>

static enum err refuse(struct command *command, struct problems *problems, struct error *error)
{
    if (command)
        return refuse_problems(command, problems, error);
    enum err err = err_set(error, ERR_INVALID, NULL, "%s: %s", problems->items[0].pointer, problems->items[0].detail);
    problems_release(problems);
    return err;
}

static enum err put_version(struct core *c, const struct pipeline *p, const struct flow_ask *ask, struct pipeline_row *row, struct error *error)
{
    char sha[65];
    const char *code = json_string_value(json_object_get(ask->code, ""));
    pipeline_version(p, code ? code : "", sha);
    char *document CLEANUP_FREE = json_text(p->document), *codes CLEANUP_FREE = json_text(ask->code);
    *row = (struct pipeline_row){.project = ask->project, .name = p->name, .sha = sha, .version = p->version, .document = document, .code = codes ? codes : "{}", .create_ms = c->now};
    enum err err = pipeline_put(c->db, row, error);
    row->project = row->name = row->sha = row->version = row->document = row->code = NULL; /* only its id is of use from here on */
    return err;
}

enum err flow_version(struct core *c, const struct flow_ask *ask, int64_t *pipeline_id, struct command *command, struct error *error)
{
    struct problems problems = {0};
    struct pipeline *p = pipeline_new(ask->document, &problems);
    if (!p)
        return refuse(command, &problems, error);
    problems_release(&problems);
    struct pipeline_row row;
    enum err err = project_exists(c->db, ask->project) ? put_version(c, p, ask, &row, error)
                                                       : err_set(error, ERR_NOT_FOUND, "PROJECT_NOT_FOUND", "there is no project %s", ask->project);
    *pipeline_id = row.id;
    pipeline_free(p);
    return err;
}

static enum err insert(struct core *c, const struct flow_ask *ask, const struct flow_plan *plan, const json_t *params, struct flow **out, struct error *error)
{
    char uid[ID_TEXT];
    id_new(c->now, uid);
    char *params_text CLEANUP_FREE = json_text(params), *origin CLEANUP_FREE = json_text(ask->origin), *labels CLEANUP_FREE = json_text(ask->labels);
    struct run_row row = {.uid = uid,
                          .project = ask->project,
                          .pipeline_id = plan->id,
                          .pipeline = plan->pipeline->name,
                          .key = ask->key ? ask->key : "",
                          .params = params_text,
                          .origin = origin ? origin : "{}",
                          .labels = labels ? labels : "{}",
                          .state = RUN_RUNNING,
                          .outcome = "",
                          .reason = "",
                          .message = "",
                          .outputs = "{}",
                          .experiment_id = ask->experiment_id,
                          .trial = ask->trial,
                          .schedule_id = ask->schedule_id,
                          .create_ms = c->now,
                          .update_ms = c->now,
                          .start_ms = c->now};
    enum err err = run_insert(c->db, &row, error);
    if (!err)
        err = flow_add(c, &row, out, error);
    return err ? err : flow_record(c, *out, NULL, "run.created", json_pack("{s:s, s:s}", "run", uid, "pipeline", row.pipeline), error);
}

enum err flow_make(struct core *c, const struct flow_ask *ask, struct flow **out, struct command *command, struct error *error)
{
    struct run_row *has = NULL;
    if (ask->key && *ask->key && !run_get_key(c->db, ask->key, &has, NULL)) {
        enum err err = flow_get(c, has->id, out, error);
        run_free(has);
        return err;
    }
    int64_t id = 0;
    struct flow_plan *plan;
    struct problems problems = {0};
    enum err err = flow_version(c, ask, &id, command, error);
    if (!err)
        err = flow_plan_get(c, id, &plan, error);
    if (err)
        return err;
    json_t *params = pipeline_bind(plan->pipeline, ask->params, "/params", &problems);
    if (!params)
        return refuse(command, &problems, error);
    problems_release(&problems);
    err = insert(c, ask, plan, params, out, error);
    json_decref(params);
    return err;
}
