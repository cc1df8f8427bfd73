/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes are either refused with a problem, or a spec whose normal form is read back unchanged and whose points are inside the space. */
#include "fuzz.h"

#include "model/spec.h"

#include <math.h>

static const struct setting settings[] = {{"start", SETTING_INT, 10, 1, 1000, NULL, "a number"}, {"on", SETTING_BOOL, 1, 0, 1, NULL, "a switch"}, {0}};
static const struct catalog_entry algorithms[] = {{"auto", "Automatic", NULL, false, NULL}, {"random", "Random", NULL, false, NULL}, {"grid", "Grid", NULL, true, NULL}, {"gp", "GP", settings, false, NULL}, {0}};
static const struct catalog_entry stoppers[] = {{"median", "Median", settings, false, NULL}, {0}};
static const struct catalog_entry backends[] = {{"process", "Processes", NULL, false, NULL}, {0}};
static const struct catalog catalog = {algorithms, stoppers, backends};

static void check_points(const struct space *s, struct problems *problems)
{
    static const double ends[] = {0, 0.3, 0.5, 0.999, 1, (double)NAN};
    double u[SPACE_MAX_PARAMS], back[SPACE_MAX_PARAMS];
    for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
        for (size_t i = 0; i < s->n; i++)
            u[i] = ends[(e + i) % ARRAY_LEN(ends)];
        space_snap(s, u);
        if (!space_feasible(s, u))
            continue;
        json_t *params = space_params(s, u);
        must(space_point(s, params, back, "", problems));
        json_decref(params);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct problems problems = {0};
    struct spec *s = spec_parse(text, strlen(text), &catalog, &problems);
    must((s != NULL) == (problems.n == 0));
    if (s) {
        check_points(s->space, &problems);
        struct spec *again = spec_new(s->document, &catalog, &problems);
        must(again && json_equal(s->document, again->document));
        spec_free(again);
    }
    spec_free(s);
    problems_release(&problems);
    return 0;
}
