/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A step as a job for a backend: its command and environment, and what must lie in its directory before it starts.
 *
 * That is the directory of its backend (backend.h `place`): work/ (where it runs, with its code), in/ (artifacts), artifacts/ (what it leaves at ${out.X}),
 * inputs.json, outputs.json. Each file and folder costs a small step more than anything else does, so none is made that is not needed. */
#include "base/id.h"
#include "core/flow.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_FDS 16

char *flow_dir(struct core *c, const char *backend, const char *run_key)
{
    struct connection *conn = runs_connection(c, backend);
    return conn && conn->backend->place ? conn->backend->place(conn->conn, run_key) : NULL;
}

/* --- what is told to the backend */

static void set(json_t *object, const char *name, const char *value)
{
    if (value)
        (void)json_object_set_new(object, name, json_string(value));
}

/* Its programs come first in PATH, as after activating it. */
static void enter_venv(json_t *env, const char *venv)
{
    const char *path = json_string_value(json_object_get(env, "PATH"));
    if (!path)
        path = getenv("PATH");
    (void)json_object_set_new(env, "PATH", json_sprintf("%s/bin:%s", venv, path ? path : "/usr/local/bin:/usr/bin:/bin"));
    set(env, "VIRTUAL_ENV", venv);
}

static json_t *in_conda(const json_t *words, const char *name)
{
    json_t *out = json_pack("[s, s, s, s, s]", "conda", "run", "--no-capture-output", strchr(name, '/') ? "-p" : "-n", name);
    (void)json_array_extend(out, (json_t *)(uintptr_t)words);
    return out;
}

static json_t *environment_of(const struct node *n, const json_t *own, const char *dir)
{
    const struct flow *f = n->frame->flow;
    json_t *env = json_object();
    (void)json_object_update(env, (json_t *)(uintptr_t)own);
    const char *venv = json_string_value(json_object_get(n->step->environment, "venv"));
    if (venv)
        enter_venv(env, venv);
    set(env, "HONE_RUN", f->row->uid);
    set(env, "HONE_STEP", n->row->path);
    if (n->map)
        (void)json_object_set_new(env, "HONE_ITEM", json_sprintf("%lld", (long long)n->row->item));
    (void)json_object_set_new(env, "HONE_STEP_ATTEMPT", json_sprintf("%lld", (long long)n->row->attempt));
    if (json_object_size(n->step->inputs))
        (void)json_object_set_new(env, "HONE_INPUTS", json_sprintf("%s/inputs.json", dir));
    (void)json_object_set_new(env, "HONE_OUT_DIR", json_sprintf("%s/artifacts", dir));
    (void)json_object_set_new(env, "HONE_OUTPUTS", json_sprintf("%s/outputs.json", dir));
    if (n->step->expand)
        (void)json_object_set_new(env, "HONE_STEPS", json_sprintf("%s/steps.json", dir));
    return env;
}

/* The `run` section that the backend reads; NULL with problems. */
static json_t *run_section(struct node *n, struct scope *s, struct problems *problems)
{
    const char *conda = json_string_value(json_object_get(n->step->environment, "conda"));
    json_t *words = refs_command(n->step->run, "/run", flow_value, s, problems), *own = words ? refs_resolve(n->step->env, "/env", flow_value, s, problems) : NULL;
    if (!own) {
        json_decref(words);
        return NULL;
    }
    if (conda) {
        json_t *wrapped = in_conda(words, conda);
        json_decref(words);
        words = wrapped;
    }
    const char *cwd = n->step->cwd;
    char *where CLEANUP_FREE = *cwd == '/' ? x_strdup(cwd) : x_asprintf("%s/work%s%s", s->dir, *cwd ? "/" : "", cwd);
    json_t *run = json_pack("{s:o, s:o, s:s, s:i, s:[i]}", "command", words, "env", environment_of(n, own, s->dir), "cwd", where, "grace", 10, "success_codes", 0);
    (void)json_object_set(run, "metrics", n->step->metrics);
    json_decref(own);
    return run;
}

static void tell_impossible(struct core *c, const struct node *n, struct problems *problems)
{
    struct run_event *e = X_NEW(struct run_event);
    e->run = n->frame->flow->id;
    e->step = n->seq;
    e->attempt = n->row->attempt;
    (void)snprintf(e->run_key, sizeof e->run_key, "%s", n->attempt->run_key);
    e->error.code = err_set(&e->error, ERR_INVALID, "INVALID", "%s: %s", problems->items[0].pointer + 1, problems->items[0].detail);
    problems_release(problems);
    struct command *command = command_new(CMD_SUBMIT_FAILED);
    command->inside = e;
    command->inside_free = run_event_free;
    if (!core_submit(c, command))
        command_free(command);
}

void flow_submit(struct core *c, struct node *n)
{
    char *dir CLEANUP_FREE = flow_dir(c, n->step->backend, n->attempt->run_key);
    struct scope s = {.core = c, .node = n, .mode = SCOPE_RUN, .dir = dir};
    struct problems problems = {0};
    if (json_object_get(n->step->environment, "image"))
        problems_add(&problems, "/environment/image", "UNSUPPORTED", NULL, "the process backend runs no containers; use venv or conda, or a backend that does");
    else if (!dir)
        problems_add(&problems, "/backend", "UNKNOWN_NAME", NULL, "there is no backend %s that runs on this machine", n->step->backend);
    json_t *run = !problems.n && flow_inputs(&s, &problems) ? run_section(n, &s, &problems) : NULL;
    if (!run) {
        tell_impossible(c, n, &problems);
        scope_release(&s);
        return;
    }
    const char *code = flow_code(n);
    struct stage *stage = X_NEW(struct stage);
    *stage = (struct stage){.dir = x_strdup(dir), .code = code && *code ? x_strdup(code) : NULL, .lays = s.lays, .n_lays = s.n_lays, .inputs = json_deep_copy(s.inputs)};
    s.lays = NULL;
    s.n_lays = 0;
    scope_release(&s);
    n->furnished = stage->code || stage->n_lays || json_object_size(stage->inputs);
    runs_submit_step(c, n, run, stage);
}

/* Steps of one trial keep their checkpoints over its attempts: a trial that is promoted goes on, one that has a parent begins where that ended. */
void flow_checkpoint(const struct node *n, char **name, char **from)
{
    const json_t *origin = n->frame->flow->origin;
    const char *uid = json_string_value(json_object_get(origin, "experiment_uid"));
    const json_int_t trial = json_integer_value(json_object_get(origin, "trial")), parent = json_integer_value(json_object_get(origin, "parent")),
                     replicate = json_integer_value(json_object_get(origin, "replicate"));
    if (!uid || !trial)
        return;
    char id[10];
    id_short(uid, id, 8);
    *name = x_asprintf("h-%s-%lld.%lld.%s", id, (long long)trial, (long long)replicate, n->row->path);
    if (parent)
        *from = x_asprintf("h-%s-%lld.%lld.%s", id, (long long)parent, (long long)replicate, n->row->path);
}

/* --- in a worker */

static enum err failed(const char *path, struct error *error)
{
    return err_set(error, ERR_UNAVAILABLE, "STAGE", "cannot make %s: %s", path, strerror(errno));
}

static bool make(const char *dir, const char *name)
{
    char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, name);
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_DNR || (kind == FTW_DP && !(s->st_mode & S_IWUSR)))
        (void)chmod(path, 0700);
    (void)remove(path);
    return 0;
}

static int open_up(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)where;
    if ((kind == FTW_D || kind == FTW_DNR) && !(s->st_mode & S_IWUSR))
        (void)chmod(path, 0700);
    return 0;
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
    if (access(path, F_OK))
        return;
    (void)nftw(path, open_up, WALK_FDS, FTW_PHYS); /* folders of artifacts may not be writable */
    (void)nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
}

static enum err lay(struct artifacts *a, const struct lay *l, size_t i, const char *half, const char *dir, char corrupt[ARTIFACT_ID_MAX], struct error *error)
{
    struct error why = {0};
    char *folder CLEANUP_FREE = x_asprintf("in/%zu", i);
    char *path CLEANUP_FREE = x_asprintf("%s%s", half, l->path + strlen(dir));
    if (!make(half, folder))
        return failed(folder, error);
    enum err err = artifacts_verify(a, l->artifact, &why);
    if (!err)
        err = artifacts_lay(a, l->artifact, path, false, &why);
    if (err == ERR_NOT_FOUND || !strcmp(why.name, "ARTIFACT_CORRUPT"))
        (void)snprintf(corrupt, ARTIFACT_ID_MAX, "%s", l->artifact);
    if (err && error)
        *error = why;
    return err;
}

static enum err write_inputs(const char *dir, const json_t *inputs, struct error *error)
{
    char *path CLEANUP_FREE = x_asprintf("%s/inputs.json", dir);
    return json_dump_file(inputs, path, JSON_COMPACT) ? failed(path, error) : OK;
}

static enum err fill(struct artifacts *a, const struct stage *s, const char *half, char corrupt[ARTIFACT_ID_MAX], struct error *error)
{
    enum err err = OK;
    char *work CLEANUP_FREE = x_asprintf("%s/work", half);
    if (mkdir(half, 0700) || (s->n_lays && !make(half, "in")))
        return failed(half, error);
    if (s->code) {
        struct error why = {0};
        err = artifacts_lay(a, s->code, work, true, &why);
        if (err == ERR_NOT_FOUND || !strcmp(why.name, "ARTIFACT_CORRUPT"))
            (void)snprintf(corrupt, ARTIFACT_ID_MAX, "%s", s->code);
        if (err && error)
            *error = why;
    }
    for (size_t i = 0; i < s->n_lays && !err; i++)
        err = lay(a, &s->lays[i], i, half, s->dir, corrupt, error);
    return err || !json_object_size(s->inputs) ? err : write_inputs(half, s->inputs, error);
}

/* A directory that is there was made whole; its step may have begun, or be over. */
enum err flow_stage(struct artifacts *a, const struct stage *s, char corrupt[ARTIFACT_ID_MAX], struct error *error)
{
    if ((!s->code && !s->n_lays && !json_object_size(s->inputs)) || !access(s->dir, F_OK))
        return OK;
    char *half CLEANUP_FREE = x_asprintf("%s.half", s->dir);
    remove_tree(half);
    enum err err = fill(a, s, half, corrupt, error);
    if (!err && rename(half, s->dir))
        err = failed(s->dir, error);
    if (err)
        remove_tree(half);
    return err;
}

void stage_release(struct stage *s)
{
    for (size_t i = 0; i < s->n_lays; i++) {
        free(s->lays[i].artifact);
        free(s->lays[i].path);
    }
    free(s->lays);
    free(s->dir);
    free(s->code);
    json_decref(s->inputs);
}

struct sweep {
    struct job job;
    char *dir;
};

/* What it was given and what it left is kept elsewhere; its logs stay. */
static void sweep(struct job *job)
{
    static const char *const parts[] = {"in", "work", "artifacts", "inputs.json", "outputs.json"};
    struct sweep *s = (struct sweep *)job;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char *path CLEANUP_FREE = x_asprintf("%s/%s", s->dir, parts[i]);
        remove_tree(path);
    }
    free(s->dir);
    free(s);
}

void flow_sweep_dir(struct core *c, const char *backend, const char *run_key)
{
    char *dir = flow_dir(c, backend, run_key);
    if (!dir)
        return;
    struct sweep *s = X_NEW(struct sweep);
    s->job.run = sweep;
    s->dir = dir;
    if (!pool_submit(c->pool, &s->job))
        sweep(&s->job);
}
