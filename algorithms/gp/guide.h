/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What earlier searches say of an objective: the mean of a Gaussian process on the trials of each, in units of their own spread. The model of
 * this search takes them as regressors whose slopes it does not know: it follows a guide that foretells its trials, and soon forgets one
 * that does not. (Cf. Golovin et al. 2017, who stack models on the residuals of earlier ones; here nothing must be believed in full.) */
#ifndef HONE_GP_GUIDE_H
#define HONE_GP_GUIDE_H

#include "gp/history.h"

struct gp_guide {
    size_t n; /* earlier searches that say something */
    struct guide_part {
        struct gp_space space; /* the dimensions that it had */
        size_t from[GP_MAX_DIMS]; /* where each stands in the space of this search */
        struct gp_model model;
    } *part;
    double *rows; /* what each says of the finished trials: n columns of n_finished */
    size_t n_finished;
};

/* One for each target of the history, or NULL if there is nothing to learn from earlier searches. */
struct gp_guide *gp_guides_new(const struct gp_history *h, void **cache);
void gp_guides_free(struct gp_guide *g, int n_targets); /* NULL is nothing */

void gp_guide_rows(const struct gp_guide *g, struct gp_set *set); /* the regressors of a set of the first finished trials */

/* f: of each; d_f unless it is NULL: its derivatives in the n_which numeric dimensions `which`, n_which for each. */
void gp_guide_at(const struct gp_guide *g, const double *point, double *f, const size_t *which, size_t n_which, double *d_f);

#endif
