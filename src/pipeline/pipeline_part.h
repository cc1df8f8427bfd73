/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pipeline while it is read. Private to the files pipeline*.c. */
#ifndef HONE_PIPELINE_PIPELINE_PART_H
#define HONE_PIPELINE_PIPELINE_PART_H

#include "model/reader.h"
#include "pipeline/pipeline.h"
#include "pipeline/ref_part.h"

/* A step in the order of the file, before it has its place in the graph. */
struct draft {
    struct step step;    /* `needs` are indices of drafts until the order is known */
    json_t *source;      /* what the file says, defaults filled in */
    json_t *doc;         /* normalised */
    char *pointer;
    char *when_pointer;
    struct type *item;   /* of a map step, once known */
};

static inline void draft_set(struct draft *d, const char *member, json_t *value)
{
    (void)json_object_set_new(d->doc, member, value);
}

/* One pipeline, or the steps that an `expand` step wrote. */
struct reading {
    struct pipeline *p;
    struct draft *drafts;  /* the steps, then those of `finally` */
    size_t n_steps, n_drafts;
    json_t *defaults;      /* merged with those around */
    size_t nesting;
    const struct pipeline *outer; /* of an expansion: where `parent` is a step; else NULL */
    size_t parent;
    bool before[PIPELINE_MAX_STEPS]; /* of the steps of `outer`: `parent`, and what comes before it */
    struct problems *problems;
};

/* A pipeline at `pointer`; `defaults` of what is around it (borrowed, may be NULL). */
struct pipeline *pipeline_read(const json_t *document, const char *pointer, const json_t *defaults, size_t nesting, struct problems *problems);

/* Members that `defaults` may have, NULL-ended. */
extern const char *const step_defaults[];
void step_read(struct reading *rd, struct draft *d, bool is_finally);
void step_read_policy(struct draft *d, const struct reader *r, bool is_finally);                  /* retry, timeout, cache */
void step_read_when(struct reading *rd, struct draft *d, const struct reader *r, bool is_finally); /* when, needs, trigger, map, expand */
void step_release(struct step *s);

/* Ports: {name: declaration}; `members`: those beside the type's. */
struct port *ports_read(const struct reader *r, const char *member, const char *const *members, size_t max, size_t *n);
void ports_free(struct port *ports, size_t n);
json_t *ports_json(const struct port *ports, size_t n);
const struct port *port_find(const struct port *ports, size_t n, const char *name);
const char *port_meant(const struct port *ports, size_t n, const char *name); /* did you mean */
bool id_ok(const char *text);   /* of a step */
bool name_ok(const char *text); /* of a parameter, an input, an output */

/* Finds what the references of each step name, and checks the types where values are bound. */
void steps_connect(struct reading *rd);
/* The outputs of the run, {name: "${...}" or {from or first, optional, type}}, normalised; after steps_connect. */
json_t *run_outputs_read(struct reading *rd, const struct reader *r);
/* Moves the steps into the pipeline, in an order in which each comes after what it needs. Cycles are told. */
void steps_order(struct reading *rd);

#endif
