/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An experiment file (docs/reference/experiment-file.md): parsed, checked, defaults filled in.
 * A struct spec is constant once made; any thread may read it. */
#ifndef HONE_MODEL_SPEC_H
#define HONE_MODEL_SPEC_H

#include "base/settings.h"
#include "model/space.h"

#define SPEC_NAME_MAX 63
#define SPEC_MAX_OBJECTIVES 8
#define SPEC_MAX_OUTCOMES 8
#define SPEC_MAX_SOURCES 8       /* experiments to begin with */
#define SPEC_MAX_OBSERVATIONS 2000
#define SPEC_MAX_WANTED (SPEC_MAX_OBJECTIVES + SPEC_MAX_OUTCOMES)
#define SPEC_MAX_STOPPING 4
#define SPEC_MAX_PARALLEL 1024
#define SPEC_MAX_TRIALS 10000000

enum strategy { STRATEGY_LAST, STRATEGY_MIN, STRATEGY_MAX, STRATEGY_MEAN }; /* how a trial's reports make its value */
extern const char *const strategy_names[]; /* NULL-ended */

struct objective {
    char *metric;
    bool maximize;
    double goal; /* NAN = none: the experiment ends when a trial reaches it */
    enum strategy strategy; /* default last */
};

/* An outcome constraint: a trial whose value of the metric lies beyond is infeasible. */
struct outcome {
    char *metric;
    double min, max; /* -INFINITY, INFINITY = no bound on that side */
    enum strategy strategy;
};

/* A rule that stops trials, and the metric that it watches. */
struct stopping {
    char *name; /* in the catalog */
    struct settings settings;
    char *metric;
    bool maximize;
    bool on_first; /* the metric is the first objective */
};

struct spec {
    char *name; /* "" when the file has none: the service makes one up */
    struct objective *objectives; /* >= 1; the first is the one leaderboards sort by */
    size_t n_objectives;
    struct outcome *outcomes;
    size_t n_outcomes;
    bool has_cost;            /* the search shall prefer cheap trials */
    char *cost_metric;        /* NULL: a trial costs what it lasts */
    const char *wanted[SPEC_MAX_WANTED]; /* metrics that a trial must have at its end: of the objectives first, then of the outcome constraints */
    size_t n_wanted;
    struct space *space;
    char *algorithm;          /* a name in the catalog; "auto" by default */
    struct settings algorithm_settings;
    struct stopping stopping[SPEC_MAX_STOPPING];
    size_t n_stopping;        /* 0 = no rule */
    json_t *warm_from;        /* array of names of experiments to begin with, never NULL */
    json_t *observations;     /* array of {params, metrics, source}: trials of others, never NULL; with a source, of that experiment */
    int64_t warm_trials;      /* at most so many of each experiment are taken */
    int64_t warm_repeat;      /* the best of them are run again first */
    json_t *initial_points;   /* array of params objects, checked against the space; may be empty, never NULL */
    int64_t max_trials;       /* 0 = no end (only without `run`) */
    int64_t parallel;         /* trials at once; 0 = no limit (only without `run`) */
    int64_t max_failed;       /* more failed trials than this end the experiment; -1 = no limit */
    int64_t retries;          /* more attempts after a LOST one (default 3); with `run.retries` also after a failed one */
    double time_limit_s;      /* of the experiment; 0 = none */
    double min_improvement;   /* no more expected of the trials that are left ends the experiment; NAN = no such end */
    double trial_time_limit_s;/* of an attempt; 0 = none */
    double lease_s;           /* default lease of a suggested trial (default 3600) */
    uint64_t seed;            /* given, or drawn by the service at creation and stored */
    bool has_seed;
    int64_t replicates;       /* runs of each configuration (default 1); the objective is their mean */
    char *backend;            /* "process" by default; NULL: no `run`, whoever asks runs the trials */
    json_t *run;              /* the normalised `run` section, NULL without one (backends/backend.h reads it) */
    json_t *labels, *annotations; /* objects of strings, never NULL */
    char *note;               /* Markdown, may be "" */
    json_t *document;         /* the whole normalised file: what is stored, and spec_new takes it back unchanged */
    json_t *places;           /* of a Katib file just read: where parts of `document` come from (model/katib.h); NULL: it is our own */
};

/* `run`: {backend: process, command: [argv...] or "a string" (then shell: true must stand), shell: bool, env: {NAME: value}, cwd,
 *  metrics: {from: stdout|stderr|file, path, format: text|json|auto, filters: [regex with two groups]} or a plain word for `from`,
 *  retries: n, retry_delay: duration, retry_on: [exit codes], grace: duration, success_codes: [0], log_limit: bytes,
 *  limits: {memory: bytes, cpu_time: duration, files: n, file_size: bytes, processes: n}}.
 * Durations are seconds as a number or "90s", "30m", "2h", "1d"; sizes are bytes or "512Mi", "2G".
 *
 * Makes a spec of a parsed file; a member apiVersion says that it is one of Katib's (model/katib.h), and then problems are at its places. Every
 * problem and warning goes to `problems` (did-you-mean for unknown members). NULL if there is any problem. `document` is only read. */
struct spec *spec_new(const json_t *document, const struct catalog *catalog, struct problems *problems);

/* Problems found later, at places in `document`, go to `problems` at places in the file that was read. `found` is released. */
void spec_tell(const struct spec *s, struct problems *found, struct problems *problems);

/* The same from YAML or JSON text; a syntax error is a problem at "" with line and column. */
struct spec *spec_parse(const char *text, size_t len, const struct catalog *catalog, struct problems *problems);

void spec_free(struct spec *s);

/* A name the API accepts: [a-z0-9]([-a-z0-9.]*[a-z0-9])?, at most SPEC_NAME_MAX. */
bool spec_name_ok(const char *name);

/* The outcome constraints by their sides: each finite min or max is a bound, numbered from 0. */
size_t spec_n_bounds(const struct spec *s);
const struct outcome *spec_bound(const struct spec *s, size_t i, bool *upper); /* upper: its max */
double spec_excess(const struct spec *s, size_t i, double value); /* by how much a value of its metric lies beyond bound i; <= 0: it is met */

bool spec_duration(const json_t *value, double *seconds); /* 90, "90s", "1h30m" */

/* `value` under an objective's sense: smaller is better afterwards. */
static inline double objective_rank(const struct objective *o, double value)
{
    return o->maximize ? -value : value;
}

#endif
