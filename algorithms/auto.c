/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Picks the algorithm for every suggestion anew, from the problem and the history alone, so a restart picks the same. The table below is
 * the policy; docs/explanation/auto.md says what it rests on.
 *
 * The cursor is handed through: every part takes what another left (a sequence goes on from that number, CMA-ES begins its search there).
 * A grid is picked by the problem alone, so it always finds its own. */
#include "algorithm.h"
#include "gp/space.h"
#include "grid.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SMALL_SPACE 5      /* configurations: no more than the points that a model is first given */
#define MODEL_TRIALS 2000  /* a Gaussian process sees a small part of more */
#define MODEL_DIMS 60
#define FRONT_TRIALS 500   /* the same with several objectives */

/* What the choice depends on. */
struct facts {
    const struct problem *p;
    size_t n_finished;
    int64_t n_points; /* in the space, before constraints; INT64_MAX = many */
    int d;            /* parameters that have a choice */
    bool numeric;     /* all of them are numbers, and none has a condition */
};

static int64_t count_points(const struct problem *p)
{
    if (problem_size(p) > 2000 * SMALL_SPACE) /* of which conditions rarely leave so few */
        return INT64_MAX;
    struct grid g;
    grid_open(&g, p, 0);
    grid_close(&g);
    return g.n;
}

static void facts_init(struct facts *f, const struct search *s)
{
    const struct problem *p = s->problem;
    *f = (struct facts){.p = p, .numeric = true, .n_points = count_points(p)};
    for (int i = 0; i < p->n_dims; i++) {
        f->d += p->dims[i].n_levels != 1;
        f->numeric &= p->dims[i].parent < 0 && (p->dims[i].kind != DIM_CATEGORICAL || p->dims[i].n_levels == 1);
    }
    for (size_t i = 0; i < s->n_history; i++)
        f->n_finished += s->history[i].state != OBSERVATION_PENDING;
}

/* --- the policy */

static bool is_small(const struct facts *f)
{
    return f->n_points <= SMALL_SPACE;
}

static bool suits_model(const struct facts *f)
{
    return f->d <= MODEL_DIMS && f->n_finished <= (f->p->n_objectives > 1 ? FRONT_TRIALS : MODEL_TRIALS);
}

static bool is_numeric(const struct facts *f)
{
    return f->numeric && f->p->n_objectives == 1;
}

static bool has_one_objective(const struct facts *f)
{
    return f->p->n_objectives == 1;
}

static bool always(const struct facts *f)
{
    (void)f;
    return true;
}

/* The first row that applies, and whose algorithm takes the problem, is picked. */
static const struct rule {
    const char *algorithm;
    bool (*applies)(const struct facts *f);
    const char *because;
} rules[] = {
    {"grid", is_small, "the space is so small that each of its points is visited"},
    {"gp", suits_model, "a model learns most from few trials"},
    {"cmaes", is_numeric, "all parameters are numbers and there are more of them, or of trials, than a model can use"},
    {"tpe", has_one_objective, "there are more parameters or trials than a model can use"},
    {"nsga2", always, "there are several objectives and more parameters or trials than a model can use"},
    {"tpe", always, "there are more parameters or trials than a model can use"},
    {"random", always, "nothing else takes this problem"},
};

struct pick {
    const struct rule *rule;
    const struct algorithm *algorithm;
    struct settings settings; /* its defaults */
};

static bool take(struct pick *pick, const struct rule *rule, const struct problem *p)
{
    struct problems ignored = {0};
    pick->rule = rule;
    pick->algorithm = algorithm_find(rule->algorithm);
    if (!pick->algorithm)
        return false;
    settings_read(&pick->settings, pick->algorithm->settings, NULL, "", &ignored);
    return algorithm_accept(pick->algorithm, p, &pick->settings, NULL) == OK;
}

/* The pick from row `at` on: the row of it. The last one takes every problem. */
static size_t choose(const struct facts *f, size_t at, struct pick *pick)
{
    while (!rules[at].applies(f) || !take(pick, &rules[at], f->p))
        at++;
    return at;
}

/* --- the algorithms' caches: of the one that was picked last */

struct memo {
    const struct algorithm *owner;
    void *part;
};

static void memo_clear(struct memo *m)
{
    if (m->part)
        m->owner->cache_free(m->part);
    *m = (struct memo){0};
}

static void memo_free(void *cache)
{
    memo_clear(cache);
    free(cache);
}

static void **slot_of(void **cache, const struct algorithm *a)
{
    if (!cache || !a->cache_free)
        return NULL;
    struct memo *m = *cache;
    if (!m)
        *cache = m = X_NEW(struct memo);
    if (m->owner != a)
        memo_clear(m);
    m->owner = a;
    return &m->part;
}

/* --- a suggestion */

/* As the algorithm says it, its name before. */
static void explain(const struct facts *f, const struct pick *pick, struct suggestion *out)
{
    char how[sizeof out->how], note[sizeof out->note];
    memcpy(how, out->how, sizeof how);
    memcpy(note, out->note, sizeof note);
    if (strcmp(how, pick->algorithm->name) != 0)
        (void)snprintf(out->how, sizeof out->how, "%s: %.24s", pick->algorithm->name, how);
    (void)snprintf(out->note, sizeof out->note, "auto: %s, because %s (%d to choose, %zu finished)%s%.240s", pick->algorithm->name,
                   pick->rule->because, f->d, f->n_finished, *note ? "; " : "", note);
}

/* Asks until a point was not seen: users' own points and those of earlier searches may lie on a grid. */
static enum err ask_unseen(const struct search *s, const struct pick *pick, struct suggestion *out, struct error *error)
{
    struct seen seen;
    struct search part = *s;
    part.settings = &pick->settings;
    seen_init(&seen, s);
    enum err err;
    do {
        err = algorithm_suggest(pick->algorithm, &part, NULL, out, error);
        part.cursor = out->cursor;
    } while (!err && seen_has(&seen, s->problem, out->x));
    seen_release(&seen);
    return err;
}

static enum err ask(const struct search *s, const struct pick *pick, void **cache, struct suggestion *out, struct error *error)
{
    if (pick->algorithm->finite_only)
        return ask_unseen(s, pick, out, error);
    struct search part = *s;
    part.settings = &pick->settings;
    return algorithm_suggest(pick->algorithm, &part, slot_of(cache, pick->algorithm), out, error);
}

static enum err suggest(const struct search *s, void **cache, struct suggestion *out, struct error *error)
{
    struct facts facts;
    struct pick pick;
    facts_init(&facts, s);
    size_t row = choose(&facts, 0, &pick);
    enum err err = ask(s, &pick, cache, out, error);
    while (err && err != ERR_EXHAUSTED && row + 1 < ARRAY_LEN(rules)) { /* it broke down, which must not end the search */
        row = choose(&facts, row + 1, &pick);
        err = ask(s, &pick, cache, out, error);
    }
    if (!err)
        explain(&facts, &pick, out);
    return err;
}

const struct algorithm algorithm_auto = {
    .name = "auto",
    .title = "Automatic",
    .about = "Picks for every suggestion what suits the space, the objectives and the number of trials, and says why.",
    .needs_history = true,
    .is_slow = true,
    .suggest = suggest,
    .cache_free = memo_free,
};
