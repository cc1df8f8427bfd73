/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Canonical JSON and what is made of it: identities of pipelines, keys of the cache. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "model/reader.h"
#include "model/template.h"
#include "pipeline/pipeline.h"

#include <stdlib.h>
#include <string.h>

#define KEY_FORMAT 1 /* a change of what a key is made of makes old entries unreachable, as it must */

static void add_value(struct buf *out, const json_t *value);

static void add_leaf(struct buf *out, const json_t *value)
{
    int64_t whole;
    if (json_is_real(value) && json_whole(value, &whole)) {
        buf_addf(out, "%lld", (long long)whole);
    } else if (json_is_real(value)) {
        char *text CLEANUP_FREE = template_value(value);
        buf_adds(out, text);
    } else {
        char *text CLEANUP_FREE = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        buf_adds(out, text ? text : "null");
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_object(struct buf *out, json_t *object)
{
    const char **keys CLEANUP_FREE = x_calloc(json_object_size(object) + 1, sizeof *keys);
    const char *key;
    json_t *value;
    size_t n = 0;
    json_object_foreach(object, key, value)
        keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_text);
    buf_adds(out, "{");
    for (size_t i = 0; i < n; i++) {
        json_t *name = json_string(keys[i]);
        buf_adds(out, i ? "," : "");
        add_leaf(out, name);
        json_decref(name);
        buf_adds(out, ":");
        add_value(out, json_object_get(object, keys[i]));
    }
    buf_adds(out, "}");
}

static void add_value(struct buf *out, const json_t *value)
{
    json_t *v = (json_t *)(uintptr_t)value, *item;
    size_t i;
    if (json_is_object(v)) {
        add_object(out, v);
        return;
    }
    if (!json_is_array(v)) {
        add_leaf(out, v);
        return;
    }
    buf_adds(out, "[");
    json_array_foreach(v, i, item)
    {
        buf_adds(out, i ? "," : "");
        add_value(out, item);
    }
    buf_adds(out, "]");
}

char *json_canonical(const json_t *value)
{
    struct buf out = BUF_INIT;
    add_value(&out, value);
    return buf_take(&out);
}

void json_sha256(const json_t *value, char out[65])
{
    char *text CLEANUP_FREE = json_canonical(value);
    sha256_text(text, strlen(text), out);
}

void pipeline_version(const struct pipeline *p, const char *code, char out[65])
{
    static const char *const apart[] = {"name", "version", "description", "schedules"};
    json_t *document = json_copy(p->document), *whole;
    for (size_t i = 0; i < ARRAY_LEN(apart); i++)
        (void)json_object_del(document, apart[i]);
    whole = json_pack("{s:i,s:o,s:s}", "format", KEY_FORMAT, "document", document, "code", code);
    json_sha256(whole, out);
    json_decref(whole);
}

static json_t *outputs_of(const struct step *s)
{
    json_t *out = json_object();
    for (size_t i = 0; i < s->n_outputs; i++)
        (void)json_object_set_new(out, s->outputs[i].name,
                                  json_pack("{s:o,s:b}", "type", type_json(s->outputs[i].type), "optional", s->outputs[i].optional));
    return out;
}

void step_cache_key(const struct step *s, const json_t *resolved_run, const json_t *resolved_env, const json_t *inputs, const char *code, char out[65])
{
    json_t *key = json_pack("{s:i,s:O?,s:O?,s:O?,s:s,s:s,s:s,s:b,s:O?,s:O?,s:o}", "format", KEY_FORMAT, "run", resolved_run, "env", resolved_env,
                            "inputs", inputs, "code", code, "cwd", s->cwd, "version", s->cache_version, "kfp", s->kfp, "environment", s->environment,
                            "metrics", s->metrics, "outputs", outputs_of(s));
    json_sha256(key, out);
    json_decref(key);
}
