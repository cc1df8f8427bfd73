/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps in an order in which each comes after what it needs; ties stay in the order of the file. */
#include "base/buf.h"
#include "base/mem.h"
#include "pipeline/pipeline_part.h"

#include <stdlib.h>

/* Some circle among what is left: from any step along needs that are left until one comes again. */
static void tell_cycle(struct reading *rd, const bool *done)
{
    size_t seen[PIPELINE_MAX_STEPS + 1], n = 0, at = 0, start = 0;
    while (done[at])
        at++;
    for (bool again = false; !again;) {
        seen[n++] = at;
        const struct step *s = &rd->drafts[at].step;
        size_t k = 0;
        while (done[s->needs[k]])
            k++;
        at = s->needs[k];
        for (start = 0; start < n && seen[start] != at; start++)
            ;
        again = start < n;
    }
    struct buf circle = BUF_INIT;
    buf_adds(&circle, rd->drafts[at].step.id);
    for (size_t i = n; i-- > start;)
        buf_addf(&circle, " -> %s", rd->drafts[seen[i]].step.id);
    problems_add(rd->problems, rd->drafts[at].pointer, "CYCLE", NULL, "the steps need one another in a circle: %.400s", circle.data);
    buf_release(&circle);
}

static bool ready(const struct step *s, const bool *done)
{
    for (size_t i = 0; i < s->n_needs; i++)
        if (!done[s->needs[i]])
            return false;
    return true;
}

static int by_number(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void move(struct step *to, struct draft *d)
{
    *to = d->step;
    d->step = (struct step){0};
}

void steps_order(struct reading *rd)
{
    bool done[PIPELINE_MAX_STEPS] = {false};
    size_t place[PIPELINE_MAX_STEPS] = {0}, order[PIPELINE_MAX_STEPS], n = 0;
    while (n < rd->n_steps) {
        size_t next = 0;
        while (next < rd->n_steps && (done[next] || !ready(&rd->drafts[next].step, done)))
            next++;
        if (next == rd->n_steps) {
            tell_cycle(rd, done);
            return;
        }
        done[next] = true;
        place[next] = n;
        order[n++] = next;
    }
    struct pipeline *p = rd->p;
    p->steps = x_calloc(n + 1, sizeof *p->steps);
    p->finally = x_calloc(rd->n_drafts - n + 1, sizeof *p->finally);
    for (; p->n_steps < n; p->n_steps++) {
        struct step *s = &p->steps[p->n_steps];
        move(s, &rd->drafts[order[p->n_steps]]);
        for (size_t i = 0; i < s->n_needs; i++)
            s->needs[i] = place[s->needs[i]];
        if (s->n_needs)
            qsort(s->needs, s->n_needs, sizeof *s->needs, by_number);
    }
    for (size_t i = n; i < rd->n_drafts; i++)
        move(&p->finally[p->n_finally++], &rd->drafts[i]);
}
