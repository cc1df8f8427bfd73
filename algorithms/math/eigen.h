/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to tridiagonal form, then implicit QR with Wilkinson's
 * shift (Golub and Van Loan, Matrix Computations, 8.3). In plain loops: GSL's own calls BLAS on memory of its own, whose alignment
 * changes from run to run, and the same history must give the same suggestion to the last bit. */
#ifndef HONE_MATH_EIGEN_H
#define HONE_MATH_EIGEN_H

#include <stdbool.h>
#include <stddef.h>

/* a (n x n, row major, both triangles) is spoilt; row k of `vectors` (n x n) becomes the unit vector of values[k], in no order.
 * False if it does not converge, which takes a matrix that is not finite. */
bool eigen_symmetric(double *a, size_t n, double *values, double *vectors);

#endif
