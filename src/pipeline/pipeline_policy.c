/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The members of a step that say when it runs, how often, how long, and for how long its result counts. */
#include "base/mem.h"
#include "pipeline/pipeline_part.h"

#include <stdlib.h>
#include <string.h>

#define MAX_RETRIES 100
#define MAX_CODES 64
#define DEFAULT_INFRA 3
#define DEFAULT_BACKOFF 1.0
#define DEFAULT_FACTOR 2.0
#define DEFAULT_MAX_BACKOFF 300.0
#define MAX_BACKOFF 86400.0
#define MAX_TIMEOUT 31536000.0 /* a year */
#define MAX_AGE 315360000.0

static const char *const triggers[] = {"all_success", "all_done", "any_failed", "none_failed", NULL};
static const char *const scopes[] = {"none", "run", "experiment", "project", NULL};

/* ---- how often, how long, what is kept ---- */

static void read_retry_on(struct retry *retry, const struct reader *r)
{
    static const char *const words[] = {"infra", "oom", "timeout", "user", NULL};
    const json_t *list = reader_list(r, "on", MAX_CODES);
    char found[SHOW_TEXT];
    retry->on = list ? 0 : RETRY_INFRA | RETRY_OOM | RETRY_TIMEOUT | RETRY_USER;
    retry->exit_codes = x_calloc(json_array_size(list) + 1, sizeof *retry->exit_codes);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *word = json_is_string(item) ? json_string_value(item) : "";
        char *end = NULL;
        long code = strncmp(word, "exit:", 5) ? 0 : strtol(word + 5, &end, 10);
        size_t k = 0;
        while (words[k] && strcmp(words[k], word) != 0)
            k++;
        if (words[k])
            retry->on |= 1U << k;
        else if (end && !*end && code >= 1 && code <= 255)
            retry->exit_codes[retry->n_exit_codes++] = (int)code;
        else
            reader_bad(r, "on", "CHOICE", did_you_mean(word, words), "%s: must be infra, oom, timeout, user or exit:CODE (1 to 255)", json_show(item, found));
    }
}

static json_t *retry_on_json(const struct retry *retry)
{
    static const char *const words[] = {"infra", "oom", "timeout", "user"};
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (retry->on >> i & 1U)
            (void)json_array_append_new(list, json_string(words[i]));
    for (size_t i = 0; i < retry->n_exit_codes; i++)
        (void)json_array_append_new(list, json_sprintf("exit:%d", retry->exit_codes[i]));
    return list;
}

static void read_retry(struct draft *d, const struct reader *step)
{
    static const char *const retry_members[] = {"max", "infra_max", "on", "backoff", "factor", "max_backoff", "jitter", NULL};
    struct retry *retry = &d->step.retry;
    const json_t *given = reader_find(step, "retry");
    bool plain = json_is_number(given); /* retry: 3 */
    char *pointer CLEANUP_FREE = pointer_join(step->pointer, "retry");
    struct reader r = reader_open(plain ? NULL : given, pointer, retry_members, step->problems);
    retry->max = plain ? reader_int(step, "retry", 0, MAX_RETRIES, 0) : reader_int(&r, "max", 0, MAX_RETRIES, 0);
    retry->infra_max = reader_int(&r, "infra_max", 0, MAX_RETRIES, DEFAULT_INFRA);
    retry->backoff_s = reader_duration(&r, "backoff", 0, MAX_BACKOFF, DEFAULT_BACKOFF);
    retry->factor = reader_number(&r, "factor", DEFAULT_FACTOR);
    retry->max_backoff_s = reader_duration(&r, "max_backoff", 0, MAX_BACKOFF, DEFAULT_MAX_BACKOFF);
    retry->jitter = reader_bool(&r, "jitter", true);
    if (retry->factor < 1 || retry->factor > 100)
        reader_bad(&r, "factor", "RANGE", NULL, "is %.12g, must be from 1 to 100", retry->factor);
    read_retry_on(retry, &r);
    reader_close(&r);
    if (given)
        draft_set(d, "retry", json_pack("{s:I,s:I,s:o,s:f,s:f,s:f,s:b}", "max", (json_int_t)retry->max, "infra_max", (json_int_t)retry->infra_max, "on",
                                  retry_on_json(retry), "backoff", retry->backoff_s, "factor", retry->factor, "max_backoff", retry->max_backoff_s,
                                  "jitter", retry->jitter));
}

static void read_timeout(struct draft *d, const struct reader *step)
{
    static const char *const timeout_members[] = {"attempt", "idle", NULL};
    const json_t *given = reader_find(step, "timeout");
    bool plain = given && !json_is_object(given); /* timeout: 1h */
    struct reader r = plain ? reader_open(NULL, step->pointer, NULL, step->problems) : reader_enter(step, "timeout", timeout_members);
    d->step.attempt_timeout_s = reader_duration(plain ? step : &r, plain ? "timeout" : "attempt", 0, MAX_TIMEOUT, 0);
    d->step.idle_timeout_s = reader_duration(&r, "idle", 0, MAX_TIMEOUT, 0);
    reader_close(&r);
    json_t *out = json_object();
    if (d->step.attempt_timeout_s > 0)
        (void)json_object_set_new(out, "attempt", json_real(d->step.attempt_timeout_s));
    if (d->step.idle_timeout_s > 0)
        (void)json_object_set_new(out, "idle", json_real(d->step.idle_timeout_s));
    if (json_object_size(out))
        draft_set(d, "timeout", json_incref(out));
    json_decref(out);
}

static void read_cache(struct draft *d, const struct reader *step, bool is_finally)
{
    static const char *const cache_members[] = {"scope", "version", "max_age", NULL};
    const json_t *given = reader_find(step, "cache");
    struct step *s = &d->step;
    char *pointer CLEANUP_FREE = pointer_join(step->pointer, "cache");
    struct reader r = reader_open(json_is_object(given) ? given : NULL, pointer, cache_members, step->problems);
    s->cache = is_finally ? CACHE_NONE : CACHE_EXPERIMENT;
    if (json_is_boolean(given))
        s->cache = json_is_true(given) ? CACHE_EXPERIMENT : CACHE_NONE;
    else
        s->cache = (enum cache_scope)reader_choice(json_is_object(given) ? &r : step, json_is_object(given) ? "scope" : "cache", scopes, (int)s->cache);
    s->cache_version = x_strdup(reader_text(&r, "version", PIPELINE_ID_MAX, ""));
    s->cache_max_age_s = reader_duration(&r, "max_age", 0, MAX_AGE, 0);
    reader_close(&r);
    if (!given)
        return;
    json_t *out = json_pack("{s:s}", "scope", scopes[s->cache]);
    if (*s->cache_version)
        (void)json_object_set_new(out, "version", json_string(s->cache_version));
    if (s->cache_max_age_s > 0)
        (void)json_object_set_new(out, "max_age", json_real(s->cache_max_age_s));
    draft_set(d, "cache", out);
}

/* ---- when and how often it comes ---- */

static void read_needs(struct draft *d, const struct reader *step)
{
    static const char *const needs_members[] = {"all", "any", NULL};
    const json_t *given = reader_find(step, "needs");
    bool mapping = json_is_object(given);
    struct reader r = mapping ? reader_enter(step, "needs", needs_members) : *step;
    if (json_is_string(given)) { /* needs: prep */
        draft_set(d, "needs", json_pack("[O]", given));
        return;
    }
    if (mapping && json_object_size(given) != 1)
        reader_bad(step, "needs", "RANGE", NULL, "must be a list of steps, or have one member: all or any");
    d->step.any = mapping && reader_find(&r, "any");
    const json_t *list = reader_list(&r, mapping ? (d->step.any ? "any" : "all") : "needs", PIPELINE_MAX_STEPS);
    if (json_array_size(list))
        draft_set(d, "needs", d->step.any ? json_pack("{s:O}", "any", list) : json_deep_copy(list));
    if (mapping)
        reader_close(&r);
}

static void read_when(struct draft *d, const struct reader *r)
{
    const json_t *given = reader_find(r, "when");
    const char *text = json_is_boolean(given) ? (json_is_true(given) ? "true" : "false") : reader_text(r, "when", 1000, NULL);
    d->when_pointer = pointer_join(r->pointer, "when");
    if (!text)
        return;
    d->step.when = condition_parse(text, d->when_pointer, r->problems);
    draft_set(d, "when", json_string(text));
}

static void read_map(struct draft *d, const struct reader *step)
{
    static const char *const map_members[] = {"over", "as", "max_parallel", "min_success", "max_items", NULL};
    struct step *s = &d->step;
    struct reader r = reader_enter(step, "map", map_members);
    const json_t *over = reader_find(&r, "over");
    if (r.object && !over)
        reader_bad(&r, "over", "REQUIRED", NULL, "is missing; write a list, or a reference to one such as \"${steps.split.outputs.shards}\"");
    else if (r.object && !json_is_array(over) && !json_is_string(over))
        reader_bad(&r, "over", "TYPE", NULL, "must be a list, or a text that is a reference to a list");
    s->map_as = x_strdup(reader_text(&r, "as", PIPELINE_NAME_MAX, "item"));
    s->map_parallel = reader_int(&r, "max_parallel", 0, 1024, 0);
    s->map_max_items = reader_int(&r, "max_items", 1, PIPELINE_MAX_ITEMS, PIPELINE_MAX_ITEMS);
    s->map_min_success = reader_number(&r, "min_success", 1);
    if (s->map_min_success < 0 || s->map_min_success > 1)
        reader_bad(&r, "min_success", "RANGE", NULL, "is %.12g, must be a fraction from 0 to 1", s->map_min_success);
    if (!name_ok(s->map_as) || !strcmp(s->map_as, "index"))
        reader_bad(&r, "as", "NAME", NULL, "is no name for the items: letters, digits, _ and -, and not index");
    if (json_is_array(over) && json_array_size(over) > (size_t)s->map_max_items)
        reader_bad(&r, "over", "RANGE", NULL, "has %zu items, at most %lld are allowed", json_array_size(over), (long long)s->map_max_items);
    if (r.object && over) {
        s->map_over = json_deep_copy(over);
        draft_set(d, "map", json_pack("{s:O,s:s,s:I,s:f,s:I}", "over", over, "as", s->map_as, "max_parallel", (json_int_t)s->map_parallel, "min_success",
                                s->map_min_success, "max_items", (json_int_t)s->map_max_items));
    }
    reader_close(&r);
}

static void read_expand(struct reading *rd, struct draft *d, const struct reader *step)
{
    static const char *const expand_members[] = {"max_steps", NULL};
    const json_t *given = reader_find(step, "expand");
    struct step *s = &d->step;
    if (json_is_boolean(given)) {
        s->expand = json_is_true(given);
        s->expand_max = PIPELINE_MAX_STEPS;
    } else {
        struct reader r = reader_enter(step, "expand", expand_members);
        s->expand = r.object != NULL;
        s->expand_max = reader_int(&r, "max_steps", 1, PIPELINE_MAX_STEPS, PIPELINE_MAX_STEPS);
        reader_close(&r);
    }
    if (s->expand && rd->outer)
        reader_bad(step, "expand", "CONFLICT", NULL, "cannot stand here: a step that another made may not make more");
    if (s->expand && s->map_over)
        reader_bad(step, "expand", "CONFLICT", NULL, "does not go with map; map over the steps it writes instead");
    if (s->expand)
        draft_set(d, "expand", json_pack("{s:I}", "max_steps", (json_int_t)s->expand_max));
}

void step_read_policy(struct draft *d, const struct reader *r, bool is_finally)
{
    read_retry(d, r);
    read_timeout(d, r);
    read_cache(d, r, is_finally);
}

void step_read_when(struct reading *rd, struct draft *d, const struct reader *r, bool is_finally)
{
    read_when(d, r);
    if (is_finally) {
        d->step.map_as = x_strdup("item");
        return;
    }
    read_needs(d, r);
    d->step.trigger = (enum trigger)reader_choice(r, "trigger", triggers, TRIGGER_ALL_SUCCESS);
    if (d->step.trigger != TRIGGER_ALL_SUCCESS)
        draft_set(d, "trigger", json_string(triggers[d->step.trigger]));
    read_map(d, r);
    if (!d->step.pipeline)
        read_expand(rd, d, r);
}
