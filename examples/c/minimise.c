/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thinnest beam that holds: a search in a program of its own, with a choice, a condition and a bound on what comes of a trial. */
#include <hone.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mass in kg and bending under 1 kN at the end, in mm, of a metre of beam. */
static void build(const hone *h, int64_t t, double *values)
{
    const char *metal = hone_text(h, t, "metal");
    const int is_steel = strcmp(metal, "steel") == 0;
    const double density = is_steel ? 7850 : 2700, stiffness = is_steel ? 210e9 : 70e9;
    double wide = hone_number(h, t, "width") / 1000, high = hone_number(h, t, "height") / 1000;
    double area = wide * high, inertia = wide * pow(high, 3) / 12;
    if (strcmp(hone_text(h, t, "profile"), "box") == 0) { /* only then it has a wall */
        double wall = hone_number(h, t, "wall") / 1000, w = wide - 2 * wall, i = high - 2 * wall;
        area -= w * i;
        inertia -= w * pow(i, 3) / 12;
    }
    values[0] = area * density;
    values[1] = 1000 * 1000 / (3 * stiffness * inertia);
}

static void check(const hone *h, int rc)
{
    if (rc) {
        fprintf(stderr, "minimise: %s\n", hone_error(h));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static const char *const metals[] = {"steel", "aluminium"}, *const profiles[] = {"solid", "box"};
    const int trials = argc > 1 ? atoi(argv[1]) : 40;
    hone *h = hone_new(1);
    check(h, hone_add_float(h, "width", 10, 100, HONE_LINEAR));
    check(h, hone_add_float(h, "height", 10, 100, HONE_LINEAR));
    check(h, hone_add_choice(h, "metal", metals, 2));
    check(h, hone_add_choice(h, "profile", profiles, 2));
    check(h, hone_add_step(h, "wall", 1, 4, 0.5));
    check(h, hone_only_if(h, "wall", "profile", "box"));
    check(h, hone_constrain(h, "height <= 4 * width"));
    check(h, hone_minimize(h));
    check(h, hone_at_most(h, 5)); /* mm */
    for (int i = 0; i < trials; i++) {
        double values[2];
        int64_t t = hone_ask(h);
        if (t < 1)
            check(h, -1);
        build(h, t, values);
        check(h, hone_tell(h, t, values));
        printf("%3lld  %-9s %-5s %5.1f x %5.1f mm  %6.2f kg  %8.2f mm  %s\n", (long long)t, hone_text(h, t, "metal"), hone_text(h, t, "profile"),
               hone_number(h, t, "width"), hone_number(h, t, "height"), values[0], values[1], hone_why(h, t));
    }
    int64_t best = hone_best(h);
    if (best)
        printf("best: trial %lld, %.3f kg, bends by %.2f mm\n", (long long)best, hone_value(h, best, 0), hone_value(h, best, 1));
    hone_free(h);
    return best ? 0 : 1;
}
