/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The expected best of a random part of the trials is known exactly from their order. With a quarter, a half and all of them there are three
 * points of how the best falls with the number of trials; a power law through them, c + a n^-p, is continued. A search that closes in
 * on an optimum gathers values near its best, so the last step of the three is small, and with it what is still expected. */
#include "analysis/outlook.h"

#include <math.h>

/* Mean of the lowest of `part` values drawn from all n. */
static double lowest_of(const double *best, size_t n_best, double n, double part)
{
    double chance = part / n, left = 1, mean = 0; /* that the first is among them, else the second, ... */
    for (size_t i = 0; i < n_best && left > 0; i++) {
        const double share = i + 1 == n_best ? left : fmin(chance, left);
        mean += share * best[i];
        left -= share;
        const double rest = n - (double)i - 1; /* behind this one, of which `part` - 1 more would have to be drawn */
        chance = rest > 0 ? chance * fmax(rest - part + 1, 0) / rest : 0;
    }
    return mean;
}

double outlook(const double *best, size_t n_best, int64_t n, int64_t more)
{
    if (n < OUTLOOK_LEAST || !n_best)
        return NAN;
    for (size_t i = 0; i < n_best; i++)
        if (!isfinite(best[i]))
            return NAN;
    const double all = (double)n, half = lowest_of(best, n_best, all, floor(all / 2)), quarter = lowest_of(best, n_best, all, floor(all / 4));
    const double last = half - best[0], before = quarter - half;
    if (!(last > 0) || more < 1)
        return 0;
    const double p = before > last ? log2(before / last) : 0; /* a fall that does not slow down goes on by the logarithm */
    const double doublings = log2(1 + (double)more / all);
    return p < 1e-6 ? last * doublings : last * (1 - exp2(-p * doublings)) / (exp2(p) - 1);
}
