/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/trial_env.h"

#include "base/mem.h"
#include "model/template.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static void set(json_t *env, const char *name, const char *value)
{
    if (value)
        (void)json_object_set_new(env, name, json_string(value));
}

static void set_number(json_t *env, const char *name, unsigned long long value)
{
    char *text CLEANUP_FREE = x_asprintf("%llu", value);
    set(env, name, text);
}

/* HONE_PARAM_LEARNING_RATE of "learning-rate": a name any shell can use. */
static void set_param(json_t *env, const char *name, const json_t *value)
{
    char *variable CLEANUP_FREE = x_asprintf("HONE_PARAM_%s", name);
    char *text CLEANUP_FREE = template_value(value);
    for (char *c = variable; *c; c++)
        *c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
    set(env, variable, text);
}

/* As JSON, with numbers in their shortest form: jansson would write 0.1 as 0.10000000000000001. */
static char *params_text(const json_t *params)
{
    struct buf b = BUF_INIT;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        json_t *key = json_string(name);
        char *key_text CLEANUP_FREE = json_dumps(key, JSON_ENCODE_ANY);
        char *text CLEANUP_FREE = json_is_real(value) ? template_value(value) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        buf_addf(&b, "%s%s:%s", b.len ? "," : "{", key_text, text);
        json_decref(key);
    }
    buf_adds(&b, b.len ? "}" : "{}");
    return buf_take(&b);
}

json_t *trial_env(const struct backend_job *job)
{
    json_t *env = json_object(), *value;
    const char *name;
    char *params CLEANUP_FREE = params_text(job->params);
    set(env, "HONE_URL", job->url);
    set(env, "HONE_TOKEN", job->token);
    set(env, "HONE_PROJECT", job->project);
    set(env, "HONE_EXPERIMENT", job->experiment);
    set_number(env, "HONE_TRIAL", (unsigned long long)job->trial);
    set_number(env, "HONE_ATTEMPT", (unsigned long long)job->attempt);
    set_number(env, "HONE_REPLICATE", (unsigned long long)job->replicate);
    set_number(env, "HONE_SEED", job->seed);
    if (job->parent)
        set_number(env, "HONE_PARENT", (unsigned long long)job->parent);
    if (job->budget)
        set_number(env, "HONE_BUDGET", (unsigned long long)job->budget);
    set(env, "HONE_PARAMS", params);
    set(env, "KATIB_TRIAL_NAME", job->trial_name);
    json_object_foreach((json_t *)(uintptr_t)job->params, name, value)
    {
        set_param(env, name, value);
    }
    struct template_values values = {
        .params = job->params, .names = job->names, .trial = job->trial, .budget = job->budget, .seed = job->seed, .trial_name = job->trial_name};
    json_object_foreach(json_object_get(job->run, "env"), name, value)
    {
        const char *as_written = json_string_value(value) ? json_string_value(value) : "";
        char *text CLEANUP_FREE = job->final_texts ? NULL : template_render(as_written, &values, false);
        set(env, name, text ? text : as_written);
    }
    return env;
}

/* As the API's router wants a path that is one segment. */
static char *hex_of(const char *text)
{
    struct buf b = BUF_INIT;
    for (; *text; text++)
        buf_addf(&b, "%02x", (unsigned)(unsigned char)*text);
    return buf_take(&b);
}

void trial_env_loggers(const struct backend_job *job, const char *artifact_dir, const char *token_file, json_t *env)
{
    const char *from = json_string_value(json_object_get(json_object_get(job->run, "metrics"), "from"));
    char *trial CLEANUP_FREE = x_asprintf("%s/api/v1/projects/%s/experiments/%s/trials/%lld", job->url, job->project, job->experiment, (long long)job->trial);
    char *hex CLEANUP_FREE = hex_of(artifact_dir);
    if (from && !strcmp(from, "mlflow")) {
        char *uri CLEANUP_FREE = x_asprintf("%s/mlflow/%s", trial, hex);
        set(env, "MLFLOW_TRACKING_URI", uri);
        set(env, "MLFLOW_TRACKING_TOKEN", job->token);
    } else if (from && !strcmp(from, "kubeflow")) {
        char *url CLEANUP_FREE = x_asprintf("%s/trainer-status", trial);
        set(env, "KUBEFLOW_TRAINER_SERVER_URL", url);
        set(env, "KUBEFLOW_TRAINER_SERVER_TOKEN", token_file);
    }
}

/* splitmix64: neighbouring trials and replicates get unrelated seeds. */
uint64_t trial_seed(uint64_t seed, int64_t trial, int64_t replicate)
{
    uint64_t z = seed + 0x9e3779b97f4a7c15u * ((uint64_t)trial * 1024 + (uint64_t)replicate + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) >> 11; /* 53 bits: exact in JSON and every language */
}
