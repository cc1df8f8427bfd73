/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the reader of Katib files share. Private to katib*.c. */
#ifndef HONE_MODEL_KATIB_PART_H
#define HONE_MODEL_KATIB_PART_H

#include "base/buf.h"
#include "model/katib.h"
#include "model/reader.h"

#define KATIB_MAX_TEXT 4096
#define KATIB_NEEDS_CLUSTER "a process on this machine cannot do it; a cluster can (--backend kubernetes)"

struct katib {
    struct reader top, spec;
    json_t *native; /* what the document becomes */
    json_t *places;
    json_t *search; /* parameter -> its index in the document */
    const struct catalog *catalog;
    struct problems *problems;
    bool maximize;
    bool cluster;   /* trials are objects of a cluster, not processes here: annotation hone/backend */
    char *resource; /* hyperband: the parameter that says how long a trial is; NULL = none */
    int64_t longest; /* its largest value */
};

/* How results are read: of metricsCollectorSpec. */
struct katib_metrics {
    bool merges;      /* standard error is read too */
    bool shell;       /* Katib would give the words to a shell */
    const char *path; /* of the file; NULL = none */
    json_t *config;   /* run.metrics */
};

/* `${trialParameters.NAME}` and what is put in its place. */
struct katib_words {
    json_t *stands_for; /* NAME -> text with placeholders of our own */
    json_t *variables;  /* of the container: $(NAME) */
    const char *path;   /* stands for $HONE_METRICS_FILE; NULL = none */
};

void katib_map(struct katib *k, const char *native, const char *place); /* `native` came from `place` */
void katib_warn(const struct reader *r, const char *member, const char *fmt, ...) __attribute__((format(printf, 3, 4))); /* the meaning differs */
char *katib_text(const json_t *value);                     /* a string, or a number or truth value as one (malloced); else NULL */
bool katib_number(const char *text, double *out);          /* the whole text is a finite number */
int64_t katib_count(const struct reader *r, const char *member, int64_t min, int64_t def);

void katib_space(struct katib *k);      /* spec.parameters */
void katib_search(struct katib *k);     /* spec.algorithm, spec.earlyStopping; after katib_space */
void katib_template(struct katib *k);   /* spec.trialTemplate, spec.metricsCollectorSpec; after katib_space */
void katib_optimization(struct katib *k); /* the whole of an OptimizationJob */

struct katib_metrics katib_collector(struct katib *k);
/* The algorithm `name` with `settings` (list of {name, value}), told at `r`. `member`: where the name is. */
void katib_algorithm(struct katib *k, const struct reader *r, const char *member, const char *settings);
void katib_parameter(struct katib *k, const char *pointer, const char *name, const char *type, const struct reader *space);

/* A pod template's container on this machine; `r`: the container, `pod`: its pod spec (object NULL = none). */
void katib_container(struct katib *k, const struct reader *r, const struct katib_metrics *metrics, struct katib_words *words);

/* The trial's object for a cluster, as it stands but for its placeholders; `r`: trialTemplate, NULL = there is none. */
void katib_cluster(struct katib *k, const struct reader *r, const struct reader *object, const struct katib_metrics *metrics, const json_t *stands_for);

char *katib_known(const json_t *stands_for, const char *text); /* ${trialParameters.NAME} of what is known; malloced */

/* One argument: placeholders in our form, literal braces doubled, $(NAME) filled in. Malloced. */
char *katib_word(const struct katib_words *w, const char *text);
/* The same as a word of a line for sh: what is literal is quoted, placeholders stay bare (values are quoted when they are filled in). */
char *katib_shell_word(const struct katib_words *w, const char *text);
char *katib_expand(const json_t *variables, const char *text); /* $(NAME), $$(NAME) as Kubernetes reads them */

/* RE2 with at least two groups: NULL if it is right, else what is wrong (static). */
const char *katib_regex_wrong(const char *regex);

#endif
