/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of experiments that are asked for. */
#include "base/id.h"
#include "base/json_text.h"
#include "core/state.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

static enum err find(struct core *c, const struct command *command, struct live **l, struct error *error)
{
    enum err err = live_get(c, command->project, command->experiment, l, error);
    if (err)
        return err;
    live_touch(c, *l); /* so that what was only loaded for this is let go again */
    if (command->if_match >= 0 && command->if_match != (*l)->row->revision)
        return err_set(error, ERR_PRECONDITION, NULL, "experiment %s has changed: its revision is %lld; read it again", command->experiment, (long long)(*l)->row->revision);
    return OK;
}

static void reply_experiment(struct command *command, const struct live *l)
{
    json_decref(command->reply);
    command->reply = experiment_json(l->row, true);
}

static uint64_t draw_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort();
    return seed >> 11; /* 53 bits: exact in JSON */
}

static enum err enqueue_initial(struct core *c, struct live *l, struct error *error)
{
    size_t i;
    json_t *point;
    json_array_foreach(l->plan->spec->initial_points, i, point)
    {
        double x[SPACE_MAX_PARAMS];
        struct problems problems = {0};
        if (!space_point(l->plan->spec->space, point, x, "", &problems)) {
            problems_release(&problems);
            continue; /* cannot be: the file was checked */
        }
        struct new_trial fresh = {.params = point, .x = x, .state = TRIAL_QUEUED, .origin = json_pack("{s:s, s:s}", "by", "user", "how", "initial point")};
        struct live_trial *t;
        enum err err = trial_make(c, l, &fresh, &t, error);
        if (err)
            return err;
    }
    return OK;
}

/* The best points of earlier experiments, of what the file says is left of its trials at most half. */
static enum err enqueue_warm(struct core *c, struct live *l, struct error *error)
{
    const struct spec *spec = l->plan->spec;
    size_t wanted = l->plan->n_earlier ? (size_t)spec->warm_repeat : 0;
    if (spec->max_trials && wanted > (size_t)(spec->max_trials + 1) / 2)
        wanted = (size_t)(spec->max_trials + 1) / 2;
    double *x CLEANUP_FREE = x_calloc(wanted * spec->space->n + 1, sizeof *x);
    const char **source CLEANUP_FREE = x_calloc(wanted + 1, sizeof *source);
    wanted = warm_points(l->plan, wanted, x, source);
    for (size_t i = 0; i < wanted; i++) {
        json_t *params = space_params(spec->space, x + i * spec->space->n), *origin = json_pack("{s:s, s:s}", "by", "warm_start", "how", "best of earlier trials");
        if (*source[i])
            (void)json_object_set_new(origin, "note", json_sprintf("from experiment %s", source[i]));
        struct new_trial fresh = {.params = params, .x = x + i * spec->space->n, .state = TRIAL_QUEUED, .origin = origin};
        struct live_trial *t;
        enum err err = trial_make(c, l, &fresh, &t, error);
        json_decref(params);
        if (err)
            return err;
    }
    return OK;
}

enum err experiment_make(struct core *c, const char *project, struct spec *spec, struct live **out, struct error *error)
{
    char uid[ID_TEXT], made_up[SPEC_NAME_MAX + 1], short_id[10];
    id_new(c->now, uid);
    id_short(uid, short_id, 6);
    (void)snprintf(made_up, sizeof made_up, "experiment-%s", short_id);
    char *labels CLEANUP_FREE = json_text(spec->labels), *annotations CLEANUP_FREE = json_text(spec->annotations);
    const char *name = *spec->name ? spec->name : made_up;
    (void)json_object_set_new(spec->document, "name", json_string(name));
    char *text CLEANUP_FREE = json_text(spec->document);
    struct experiment fresh = {.uid = uid,
                               .project = project,
                               .name = name,
                               .spec = text,
                               .state = EXPERIMENT_RUNNING,
                               .reason = "",
                               .message = "",
                               .seed = (int64_t)(spec->has_seed ? spec->seed : draw_seed()),
                               .best_value = NAN,
                               .labels = labels,
                               .annotations = annotations,
                               .note = spec->note ? spec->note : "",
                               .create_ms = c->now,
                               .update_ms = c->now,
                               .start_ms = c->now};
    enum err err = experiment_insert(c->db, &fresh, error);
    if (err) {
        spec_free(spec);
        return err;
    }
    struct live *l = live_add(c, experiment_copy(&fresh), spec);
    *out = l;
    err = record(c, l, NULL, "experiment.created", NULL, error);
    if (!err)
        err = enqueue_initial(c, l, error);
    return err ? err : enqueue_warm(c, l, error);
}

/* Takes the spec. */
static enum err create(struct core *c, struct command *command, struct spec *spec, struct live **out, struct error *error)
{
    enum err err = OK;
    if (!project_exists(c->db, command->project))
        err = command->new_project ? project_make(c, command->project, error)
                                   : err_set(error, ERR_NOT_FOUND, "PROJECT_NOT_FOUND", "there is no project %s", command->project);
    if (!err)
        return experiment_make(c, command->project, spec, out, error);
    spec_free(spec);
    return err;
}

enum err apply_experiment_create(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct live *l;
    /* a batch may be applied again after a rollback: the spec stays the command's, the experiment gets one of its own */
    struct problems problems = {0};
    struct spec *spec = spec_new(command->spec->document, core_catalog(), &problems);
    problems_release(&problems);
    if (!spec)
        return err_set(error, ERR_INVALID, NULL, "the experiment file is not valid");
    enum err err = create(c, command, spec, &l, error);
    if (err)
        return err;
    command->http_status = 201;
    reply_experiment(command, l);
    return OK;
}

enum err apply_experiment_clone(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct live *from, *l;
    enum err err = find(c, command, &from, error);
    if (err)
        return err;
    const char *name = json_string_value(json_object_get(command->body, "name"));
    if (name && !spec_name_ok(name))
        return err_set(error, ERR_INVALID, NULL, "name must be lower-case letters, digits, - and ., at most %d", SPEC_NAME_MAX);
    json_t *document = json_deep_copy(from->plan->spec->document);
    if (name)
        (void)json_object_set_new(document, "name", json_string(name));
    else
        (void)json_object_del(document, "name");
    struct problems problems = {0};
    struct spec *spec = spec_new(document, core_catalog(), &problems);
    json_decref(document);
    problems_release(&problems);
    if (!spec)
        return err_set(error, ERR_INVALID, NULL, "the experiment's file is not valid any more");
    err = create(c, command, spec, &l, error);
    if (err)
        return err;
    command->http_status = 201;
    reply_experiment(command, l);
    return OK;
}

/* Members of the file that may change while it runs, by their place in it. */
static const struct {
    const char *section, *member;
} patchable[] = {{"trials", "max"}, {"trials", "parallel"}, {"trials", "max_failed"}, {"limits", "time"}};

static bool may_patch(const char *section, const char *member)
{
    for (size_t i = 0; i < ARRAY_LEN(patchable); i++)
        if (!strcmp(patchable[i].section, section) && !strcmp(patchable[i].member, member))
            return true;
    return false;
}

static enum err patch_section(json_t *document, const char *section, json_t *patch, struct error *error)
{
    const char *member;
    json_t *value, *into = json_object_get(document, section);
    if (!json_is_object(patch))
        return err_set(error, ERR_INVALID, NULL, "%s must be a mapping", section);
    json_object_foreach(patch, member, value)
    {
        if (!may_patch(section, member))
            return err_set(error, ERR_INVALID, "NOT_CHANGEABLE", "%s.%s cannot be changed; trials.max, trials.parallel, trials.max_failed, limits.time, labels, annotations and note can", section, member);
        (void)json_object_set(into, member, value);
    }
    return OK;
}

static enum err patch_texts(struct live *l, json_t *document, const char *name, json_t *value, struct error *error)
{
    bool is_note = !strcmp(name, "note");
    if (is_note ? !json_is_string(value) : !json_is_object(value))
        return err_set(error, ERR_INVALID, NULL, "%s must be %s", name, is_note ? "a string" : "a mapping of strings");
    json_t *merged = is_note ? json_incref(value) : json_deep_copy(json_object_get(document, name));
    const char *key;
    json_t *item;
    if (!is_note)
        json_object_foreach(value, key, item)
        {
            if (json_is_null(item)) /* RFC 7396: null takes away */
                (void)json_object_del(merged, key);
            else
                (void)json_object_set(merged, key, item);
        }
    (void)json_object_set(document, name, merged);
    char *text CLEANUP_FREE = is_note ? x_strdup(json_string_value(merged)) : json_text(merged);
    set_text(is_note ? &l->row->note : !strcmp(name, "labels") ? &l->row->labels : &l->row->annotations, text);
    json_decref(merged);
    return OK;
}

enum err apply_experiment_patch(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct live *l;
    enum err err = find(c, command, &l, error);
    if (err)
        return err;
    json_t *document = json_deep_copy(l->plan->spec->document);
    const char *name;
    json_t *value;
    json_object_foreach(command->body, name, value)
    {
        if (err)
            break;
        if (!strcmp(name, "labels") || !strcmp(name, "annotations") || !strcmp(name, "note"))
            continue;
        if (!strcmp(name, "trials") || !strcmp(name, "limits"))
            err = patch_section(document, name, value, error);
        else
            err = err_set(error, ERR_INVALID, "NOT_CHANGEABLE", "%s cannot be changed; trials.max, trials.parallel, trials.max_failed, limits.time, labels, annotations and note can", name);
    }
    if (!err)
        json_object_foreach(command->body, name, value)
        {
            if (!err && (!strcmp(name, "labels") || !strcmp(name, "annotations") || !strcmp(name, "note")))
                err = patch_texts(l, document, name, value, error);
        }
    struct problems problems = {0};
    struct spec *spec = err ? NULL : spec_new(document, core_catalog(), &problems);
    if (!err && !spec)
        err = refuse_problems(command, &problems, error);
    problems_release(&problems);
    if (spec) {
        char *text CLEANUP_FREE = json_text(spec->document);
        set_text(&l->row->spec, text);
        plan_unref(l->plan); /* a job under way holds its own */
        l->plan = plan_new(spec);
        err = record(c, l, NULL, "experiment.changed", NULL, error);
        reply_experiment(command, l);
    }
    json_decref(document);
    return err;
}

static enum err wrong_state(const struct live *l, const char *verb, struct error *error)
{
    return err_set(error, ERR_CONFLICT, "EXPERIMENT_STATE", "experiment %s is %s: it cannot %s", l->row->name, experiment_state_name(l->row->state), verb);
}

static enum err switch_state(struct core *c, struct command *command, enum experiment_state from, enum experiment_state to, const char *verb, struct error *error)
{
    struct live *l;
    enum err err = find(c, command, &l, error);
    if (err)
        return err;
    if (l->row->state != from && l->row->state != to)
        return wrong_state(l, verb, error);
    if (l->row->state == from) {
        l->row->state = to;
        err = record(c, l, NULL, to == EXPERIMENT_PAUSED ? "experiment.paused" : "experiment.resumed", NULL, error);
    }
    reply_experiment(command, l);
    return err;
}

enum err apply_experiment_pause(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    return switch_state(c, command, EXPERIMENT_RUNNING, EXPERIMENT_PAUSED, "be paused", error);
}

enum err apply_experiment_resume(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    return switch_state(c, command, EXPERIMENT_PAUSED, EXPERIMENT_RUNNING, "be resumed", error);
}

enum err apply_experiment_stop(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct live *l;
    enum err err = find(c, command, &l, error);
    if (err)
        return err;
    const char *mode = json_string_value(json_object_get(command->body, "mode"));
    if (mode && strcmp(mode, "now") != 0 && strcmp(mode, "drain") != 0)
        return err_set(error, ERR_INVALID, NULL, "mode must be \"now\" or \"drain\"");
    if (experiment_state_final(l->row->state))
        return wrong_state(l, "be stopped", error);
    err = experiment_end_begin(c, l, "USER", "stopped by a user", !mode || !strcmp(mode, "now"), error);
    if (!err)
        err = schedule(c, l, error);
    if (!err)
        reply_experiment(command, l);
    return err;
}

struct forgetting {
    struct core *core;
    struct live *live;
    char short_id[10];
};

static bool forget_attempts(void *arg, const struct trial *t)
{
    struct forgetting *f = arg;
    for (int64_t a = 1; a <= t->attempt; a++) {
        char key[80];
        (void)snprintf(key, sizeof key, "h-%s-%lld-%lld", f->short_id, (long long)t->number, (long long)a);
        add_forget(f->core, f->live, key, true);
    }
    return true;
}

static enum err drop_files(struct core *c, struct live *l, struct error *error)
{
    struct forgetting f = {.core = c, .live = l};
    id_short(l->row->uid, f.short_id, 8);
    char *after = NULL;
    enum err err;
    do {
        struct list_query q = {.experiment_id = l->id, .after = after ? after : "", .limit = 1000};
        char *next = NULL;
        err = trial_list(c->db, &q, forget_attempts, &f, &next, error);
        free(after);
        after = next;
    } while (!err && after);
    free(after);
    return err;
}

enum err apply_experiment_delete(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    struct live *l;
    enum err err = find(c, command, &l, error);
    if (err)
        return err;
    if (!experiment_state_final(l->row->state) && !json_is_true(json_object_get(command->body, "force")))
        return err_set(error, ERR_CONFLICT, "EXPERIMENT_STATE", "experiment %s is %s: stop it first, or delete it with force", l->row->name, experiment_state_name(l->row->state));
    struct live_trial *t, *next;
    HASH_ITER(hh, l->trials, t, next)
    if (t->attempt && *t->attempt->run_key)
        add_effect(c, EFFECT_CANCEL, l, t);
    if (l->plan->spec->run)
        err = drop_files(c, l, error);
    if (!err)
        err = record(c, l, NULL, "experiment.deleted", NULL, error);
    if (!err)
        err = experiment_delete(c->db, l->id, error);
    if (err)
        return err;
    l->deleted = true;
    c->garbage = true;
    HASH_ITER(hh, l->trials, t, next)
    live_trial_drop(l, t);
    while (l->parked) {
        struct command *parked = l->parked;
        l->parked = (struct command *)parked->item.next;
        struct error gone;
        answer(c, parked, err_set(&gone, ERR_NOT_FOUND, "EXPERIMENT_NOT_FOUND", "experiment %s was deleted", l->row->name), &gone);
    }
    return OK;
}
