/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pipeline file (docs/reference/pipeline-file.md): parsed, checked, defaults filled in. Constant once made; any thread may read it.
 *
 * Steps are in topological order (ties by the order of the file), so an index below another's never depends on it. Everything wrong is told at
 * once, each with its pointer: unknown steps, outputs and parameters (did you mean), cycles (the whole circle by name), types that do not fit
 * where they are bound, steps nobody can reach. */
#ifndef HONE_PIPELINE_PIPELINE_H
#define HONE_PIPELINE_PIPELINE_H

#include "pipeline/ref.h"
#include "pipeline/type.h"

#include <stdint.h>

#define PIPELINE_MAX_STEPS 200
#define PIPELINE_MAX_ROWS 20000    /* step rows of one run: map items and expanded steps count */
#define PIPELINE_MAX_SCALARS 65536 /* bytes of one scalar output */
#define PIPELINE_MAX_JSON (1 << 20)
#define PIPELINE_MAX_ITEMS 10000   /* of a map step */
#define PIPELINE_MAX_NESTING 8     /* sub-pipelines in sub-pipelines; an if of KFP makes two */
#define PIPELINE_ID_MAX 63         /* [a-z][a-z0-9_-]* */
#define PIPELINE_NAME_MAX 127      /* of parameters, inputs and outputs: [A-Za-z_][A-Za-z0-9_-]* */

/* A named value of a pipeline or of a step: a parameter, or an output. */
struct port {
    char *name;
    struct type *type;
    json_t *def;   /* of a parameter; NULL = none: it must be given. Of an input or an output of a run: see pipeline_output */
    bool optional; /* of an output: it need not be written; of a parameter: it need not be given, and is null then;
                    * of an input: it may be null */
};

enum trigger { TRIGGER_ALL_SUCCESS, TRIGGER_ALL_DONE, TRIGGER_ANY_FAILED, TRIGGER_NONE_FAILED };

/* What failures are retried: bits of `on`, and exit codes by name. */
enum { RETRY_INFRA = 1, RETRY_OOM = 2, RETRY_TIMEOUT = 4, RETRY_USER = 8 };

struct retry {
    int64_t max;        /* more tries after the first; infra retries are counted apart (infra_max) */
    int64_t infra_max;
    unsigned on;
    int *exit_codes;
    size_t n_exit_codes;
    double backoff_s, factor, max_backoff_s;
    bool jitter;        /* full jitter, drawn from (run, step, item, attempt): seeded, so a restart waits the same */
};

enum cache_scope { CACHE_NONE, CACHE_RUN, CACHE_EXPERIMENT, CACHE_PROJECT };

struct step {
    char *id;
    json_t *run;        /* normalised: argv list (or {shell: "..."}), texts with references unresolved (refs_command); NULL: `pipeline` is set */
    bool kfp;           /* what it leaves at $HONE_OUTPUTS is an executor output of the kfp package (kfp_outputs) */
    json_t *env;        /* object of texts */
    char *cwd;          /* "" = the step's own directory, where its code lies */
    char **code;        /* files and folders, relative to the pipeline file; snapshotted */
    size_t n_code;
    char *backend;      /* "process" */
    json_t *environment;/* {venv: path} | {conda: name} | {image: ref} | NULL */
    json_t *resources;  /* NULL = none */
    struct pipeline *pipeline; /* a sub-pipeline run in place of a command; its parameters are bound by `inputs` */
    json_t *inputs;     /* object: values or texts with references; also handed to the step in $HONE_INPUTS; never NULL */
    struct port *inputs_declared; /* types of inputs where declared ({type:, from:}); `inputs` has what stood in `from` */
    size_t n_inputs_declared;

    size_t *needs;      /* indices of the steps that come first, explicit and inferred; rising */
    size_t n_needs;
    enum trigger trigger;
    bool any;           /* needs {any: [...]}: one of them is enough */
    struct condition *when; /* NULL = always */

    json_t *map_over;   /* a list, or a text that is one reference to a list; NULL = not a map step */
    char *map_as;       /* name of the item: ${map.<as>} */
    int64_t map_parallel, map_max_items;
    double map_min_success; /* fraction */
    bool expand;        /* it writes steps.json: a `steps` mapping in this language, run below it */
    int64_t expand_max;

    struct retry retry;
    double attempt_timeout_s, idle_timeout_s; /* 0 = none */
    struct port *outputs;
    size_t n_outputs;
    enum cache_scope cache;
    char *cache_version;
    double cache_max_age_s; /* 0 = for ever */
    json_t *metrics;        /* as spec.h `run.metrics`; NULL = stdout, text */
};

struct pipeline {
    char *name;
    char *version;        /* the human one, "" */
    struct port *params;
    size_t n_params;
    struct step *steps;
    size_t n_steps;
    struct step *finally; /* run at the end whatever happened, one after another; `needs` is empty */
    size_t n_finally;
    struct port *outputs; /* of the run; def: the text with the reference */
    size_t n_outputs;
    bool go_on;           /* on_failure: continue - independent branches finish */
    double timeout_s;     /* of the run; 0 = none */
    int64_t parallel;     /* step attempts at once; 0 = the service's */
    json_t *schedules;    /* array, checked by model/cron.h; never NULL */
    json_t *document;     /* the whole normalised file: stored, and pipeline_new takes it back unchanged */
};

/* `document` is only read. KFP's IR (a member pipelineInfo) is read too (pipeline/kfp.h). NULL with problems. */
struct pipeline *pipeline_new(const json_t *document, struct problems *problems);
struct pipeline *pipeline_parse(const char *text, size_t len, struct problems *problems); /* YAML or JSON */
void pipeline_free(struct pipeline *p);

/* The steps that an `expand` step wrote (its steps.json: {"steps": {...}, "outputs": {...}}), checked in the place of `parent`: ids get "<parent>."
 * before them (also in what they refer to), references to one another and to what comes before `parent` or is `parent`. A pipeline of its own whose
 * params are those of `p`; it may not expand again. Its `outputs` (may be none) are outputs that `parent` declares: their values are those of `parent`
 * once the steps are done. */
struct pipeline *pipeline_expand(const struct pipeline *p, size_t parent, const json_t *written, struct problems *problems);

/* Checks the resolved inputs of a step (artifacts as they are kept) against what it declares; each as its type has it. New reference, NULL with problems. */
json_t *step_bind(const struct step *s, const json_t *inputs, const char *pointer, struct problems *problems);

/* An output of a run: `def` is a text with references, or a list of such texts of which the first that is defined counts. Undefined is JSON null where
 * it is optional, else a problem; so is a wrong type. New reference. */
json_t *pipeline_output(const struct port *output, const char *pointer, ref_value_fn *lookup, void *arg, struct problems *problems);

/* Checks params for a run and fills defaults in: a new object, or NULL with problems under `pointer`. */
json_t *pipeline_bind(const struct pipeline *p, const json_t *params, const char *pointer, struct problems *problems);

/* Identity: sha256 (hex, 64) of the canonical JSON (sorted members, shortest numbers) of the normalised document without name, version and
 * schedules, and of the code snapshot's artifact id ("" = none). Same content, same version. */
void pipeline_version(const struct pipeline *p, const char *code, char out[65]);

/* What differs between two: array of {"pointer", "from", "to"} in file order; new reference. */
json_t *pipeline_diff(const struct pipeline *from, const struct pipeline *to);

/* Canonical JSON as RFC 8785 has it (sorted members, shortest numbers, 1.0 is 1), malloced; and its sha256. */
char *json_canonical(const json_t *value);
void json_sha256(const json_t *value, char out[65]);

/* The cache key of a step: what its result is a function of. `inputs`: resolved (artifacts by their ids), `code`: the artifact id of its code
 * snapshot. Left out on purpose: trial, run, paths, resources, retry, timeouts. */
void step_cache_key(const struct step *s, const json_t *resolved_run, const json_t *resolved_env, const json_t *inputs, const char *code, char out[65]);

/* "dot" text of the graph; malloced. */
char *pipeline_dot(const struct pipeline *p);

#endif
