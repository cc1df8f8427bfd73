/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cholesky factors of symmetric matrices, row major, `stride` doubles a row; only the lower triangle is read. On GSL, whose blocked
 * routines run on whatever cblas is linked. GSL's error handler must be off. */
#ifndef HONE_MATH_CHOLESKY_H
#define HONE_MATH_CHOLESKY_H

#include <stdbool.h>
#include <stddef.h>

/* a becomes L with a = L L'; false if it is not positive definite (a is spoilt then). The upper triangle is not kept. */
bool cholesky_factor(double *a, size_t n, size_t stride);

/* L of n rows becomes L of n+1: `row` is the new row of the matrix (n off-diagonal values), spoilt; false if it would not be
 * positive definite, L is as it was then. Dropping the row again is taking n back: nothing else has changed. */
bool cholesky_append(double *l, size_t n, size_t stride, double *row, double diagonal);

void cholesky_solve(const double *l, size_t n, size_t stride, double *b); /* b := (L L')^-1 b */
void cholesky_invert(double *l, size_t n, size_t stride);                 /* l := (L L')^-1, both triangles */
double cholesky_log_determinant(const double *l, size_t n, size_t stride); /* ln |L L'| */

#endif
