/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "algorithm.h"

#include <gsl/gsl_errno.h>

/* Only there if OpenBLAS is what was linked. */
extern void openblas_set_num_threads(int n) __attribute__((weak));

void algorithms_setup(void)
{
    (void)gsl_set_error_handler_off();
    if (openblas_set_num_threads)
        openblas_set_num_threads(1);
}
