/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "math/cholesky.h"

#include <gsl/gsl_cblas.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

bool cholesky_factor(double *a, size_t n, size_t stride)
{
    gsl_matrix_view view = gsl_matrix_view_array_with_tda(a, n, n, stride);
    if (gsl_linalg_cholesky_decomp1(&view.matrix))
        return false;
    for (size_t i = 0; i < n; i++) /* a NaN passes GSL's test */
        if (!isfinite(a[i * stride + i]))
            return false;
    return true;
}

bool cholesky_append(double *l, size_t n, size_t stride, double *row, double diagonal)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, l, (int)stride, row, 1);
    double rest = diagonal - cblas_ddot((int)n, row, 1, row, 1);
    if (!(rest > 1e-12 * diagonal))
        return false;
    memcpy(l + n * stride, row, n * sizeof *row);
    l[n * stride + n] = sqrt(rest);
    return true;
}

void cholesky_solve(const double *l, size_t n, size_t stride, double *b)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, l, (int)stride, b, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, (int)n, l, (int)stride, b, 1);
}

void cholesky_invert(double *l, size_t n, size_t stride)
{
    gsl_matrix_view view = gsl_matrix_view_array_with_tda(l, n, n, stride);
    (void)gsl_linalg_cholesky_invert(&view.matrix);
}

double cholesky_log_determinant(const double *l, size_t n, size_t stride)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += log(l[i * stride + i]);
    return 2 * sum;
}
