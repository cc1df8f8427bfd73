/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sobol's sequence, scrambled (Sobol 1967; direction numbers of Joe and Kuo 2008; scrambling of Owen 1995 by hash). GSL's own reaches
 * 40 dimensions and can only go forward, so it is not used. */
#include "math/sobol.h"
#include "sequence.h"

static enum err suggest(const struct search *search, void **cache, struct suggestion *out, struct error *error)
{
    (void)cache;
    return sequence_suggest(search, sobol_point, "Sobol sequence", out, error);
}

const struct algorithm algorithm_sobol = {
    .name = "sobol",
    .title = "Sobol sequence",
    .about = "Scrambled Sobol points (Sobol 1967; direction numbers of Joe and Kuo 2008; scrambling after Owen 1995).",
    .max_dims = SOBOL_MAX_DIMS,
    .suggest = suggest,
};
