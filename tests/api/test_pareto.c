/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api/pareto.c against the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "pareto.h"

#include <stdbool.h>

#define MAX_POINTS 60

static bool dominated(const double *values, size_t n, size_t dims, size_t i)
{
    for (size_t j = 0; j < n; j++) {
        bool no_worse = true, better = false;
        for (size_t d = 0; d < dims; d++) {
            no_worse &= values[j * dims + d] <= values[i * dims + d];
            better |= values[j * dims + d] < values[i * dims + d];
        }
        if (no_worse && better)
            return true;
    }
    return false;
}

static void the_front_is_what_nothing_dominates(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (size_t round = 0; round < 300; round++) {
        double values[MAX_POINTS * 4];
        size_t front[MAX_POINTS], n = round % MAX_POINTS, dims = 1 + round % 4, expected = 0;
        for (size_t i = 0; i < n * dims; i++) {
            seed = seed * 1664525u + 1013904223u;
            values[i] = (double)((seed >> 16) % 8); /* few values: many are equal */
        }
        size_t k = pareto_front(values, n, dims, front);
        for (size_t i = 0; i < n; i++)
            expected += !dominated(values, n, dims, i);
        assert_int_equal(k, expected);
        for (size_t i = 0; i < k; i++)
            assert_false(dominated(values, n, dims, front[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_front_is_what_nothing_dominates)};
    return cmocka_run_group_tests_name("pareto", tests, NULL, NULL);
}
