/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Picks the algorithm for every suggestion anew, from the problem and the history alone, so a restart picks the same. The table below is
 * the policy; docs/explanation/auto.md says what it rests on.
 *
 * The cursor is handed through: every part takes what another left (a sequence goes on from that number, CMA-ES begins its search there).
 * A grid is picked by the problem alone, so it always finds its own. */
#include "algorithm.h"
#include "analysis/surrogate.h"
#include "gp/space.h"
#include "grid.h"
#include "math/hash.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SMALL_SPACE 5     /* configurations: no more than the points that a model is first given */
#define MODEL_TRIALS 2000 /* a Gaussian process sees a small part of more */
#define MODEL_ROWS 256    /* that it is fitted to, at most */
#define MODEL_WORK 40000  /* parameters times rows: a fit of more takes too long */
#define FRONT_TRIALS 500  /* of several objectives, in place of MODEL_TRIALS */
#define CHECK_FROM 20     /* finished trials, from which the model is held against them */
#define CHECK_EVERY 10
#define LEAST_SKILL 0.1 /* part of the variance that it must foretell */

/* Caches: of the algorithm that was picked last, and the last check under a hash of what was checked. */
struct memo {
    const struct algorithm *owner;
    void *part;
    uint64_t key;
    double skill;
};

/* What the choice depends on. */
struct facts {
    const struct problem *p;
    size_t n_finished;
    int64_t n_points; /* in the space, before constraints; INT64_MAX = many */
    int d;            /* parameters that vary */
    bool numeric;     /* all of them are numbers, and none has a condition */
    double skill;     /* of a model of the trials, NAN = not checked */
};

static struct memo *memo_of(void **cache)
{
    if (cache && !*cache)
        *cache = X_NEW(struct memo);
    return cache ? *cache : NULL;
}

static int64_t count_points(const struct problem *p)
{
    if (problem_size(p) > 1000 * SMALL_SPACE) /* of which conditions rarely leave so few */
        return INT64_MAX;
    struct grid g;
    grid_open(&g, p, 0);
    grid_close(&g);
    return g.n;
}

/* How well a model of the first n finished trials foretells each from the others: 1, if it says nothing. */
static double skill_of(const struct search *s, size_t n, void **cache)
{
    struct memo *memo = memo_of(cache);
    struct observation *first CLEANUP_FREE = x_calloc(n, sizeof *first);
    uint64_t key = s->seed + n;
    for (size_t i = 0, m = 0; m < n; i++) {
        if (s->history[i].state == OBSERVATION_PENDING)
            continue;
        first[m] = s->history[i];
        key = rng_mix(key ^ (uint64_t)first[m].state);
        key = hash_doubles(key, first[m].x, (size_t)s->problem->n_dims);
        key = hash_doubles(hash_doubles(key, first[m].y, (size_t)s->problem->n_objectives), &first[m].y_se, 1);
        if (first[m].excess)
            key = hash_doubles(key, first[m].excess, (size_t)s->problem->n_bounds);
        m++;
    }
    if (memo && memo->key == key)
        return memo->skill;
    struct surrogate *z = surrogate_new(s->problem, first, n, 0);
    double skill = z ? surrogate_skill(z) : 1;
    if (z)
        surrogate_free(z);
    if (memo) {
        memo->key = key;
        memo->skill = skill;
    }
    return skill;
}

/* --- the policy */

static bool is_small(const struct facts *f)
{
    return f->n_points <= SMALL_SPACE;
}

static bool suits_model(const struct facts *f)
{
    size_t rows = f->n_finished < MODEL_ROWS ? f->n_finished : MODEL_ROWS;
    return (size_t)f->d * rows <= MODEL_WORK && f->n_finished <= (f->p->n_objectives > 1 ? FRONT_TRIALS : MODEL_TRIALS);
}

static bool misleads(const struct facts *f)
{
    return f->skill < LEAST_SKILL;
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
    {"tpe", misleads, "a model foretells these trials no better than their mean, so they are noisy or rugged"},
    {"gp", suits_model, "a model learns most from few trials"},
    {"cmaes", is_numeric, "all parameters are numbers and there are more of them, or of trials, than a model can use"},
    {"tpe", has_one_objective, "there are more parameters or trials than a model can use"},
    {"nsga2", always, "there are several objectives and more parameters or trials than a model can use"},
    {"tpe", always, "there are more parameters or trials than a model can use"},
    {"random", always, "nothing else takes this problem"},
};

static void facts_init(struct facts *f, const struct search *s, void **cache)
{
    const struct problem *p = s->problem;
    *f = (struct facts){.p = p, .numeric = true, .n_points = count_points(p), .skill = NAN};
    for (int i = 0; i < p->n_dims; i++) {
        f->d += p->dims[i].n_levels != 1;
        f->numeric &= p->dims[i].parent < 0 && (p->dims[i].kind != DIM_CATEGORICAL || p->dims[i].n_levels == 1);
    }
    for (size_t i = 0; i < s->n_history; i++)
        f->n_finished += s->history[i].state != OBSERVATION_PENDING;
    const bool enough = f->n_finished >= CHECK_FROM && f->n_finished >= (size_t)f->d; /* for there to be something to foretell */
    if (enough && p->n_objectives == 1 && suits_model(f))
        f->skill = skill_of(s, f->n_finished - f->n_finished % CHECK_EVERY, cache);
}

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

static void memo_free(void *cache)
{
    struct memo *m = cache;
    if (m->part)
        m->owner->cache_free(m->part);
    free(m);
}

static void **slot_of(void **cache, const struct algorithm *a)
{
    struct memo *m = memo_of(cache);
    if (!m || !a->cache_free)
        return NULL;
    if (m->part && m->owner != a) {
        m->owner->cache_free(m->part);
        m->part = NULL;
    }
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
    (void)snprintf(out->note, sizeof out->note, "auto: %s, because %s (%zu finished, %d parameters vary)%s%.240s", pick->algorithm->name,
                   pick->rule->because, f->n_finished, f->d, *note ? "; " : "", note);
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
    facts_init(&facts, s, cache);
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
