# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits a polynomial to noisy points by ridge regression and prints its error on points it has not seen."""
import argparse
import json
import math
import random


def solve(a, b):
    """Gaussian elimination with pivoting."""
    n = len(b)
    rows = [list(a[i]) + [b[i]] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i])]
    out = [0.0] * n
    for i in reversed(range(n)):
        out[i] = (rows[i][n] - sum(rows[i][j] * out[j] for j in range(i + 1, n))) / rows[i][i]
    return out


def points(n, seed):
    rng = random.Random(seed)
    xs = [rng.uniform(-1, 1) for _ in range(n)]
    return [(x, math.sin(3 * x) + rng.gauss(0, 0.2)) for x in xs]


flags = argparse.ArgumentParser(description=__doc__)
flags.add_argument("--degree", type=int)
flags.add_argument("--ridge", type=float)
flags.add_argument("--params", help="JSON file with both, as `hone run --best-params-out` writes it")
flags.add_argument("--model-out", help="write the coefficients there")
a = flags.parse_args()
p = {"degree": a.degree, "ridge": a.ridge}
if a.params:
    with open(a.params) as file:
        p = json.load(file)

train, test = points(30, 1), points(100, 2)
k = p["degree"] + 1
gram = [[sum(x ** (i + j) for x, _ in train) + (p["ridge"] if i == j else 0) for j in range(k)] for i in range(k)]
w = solve(gram, [sum(y * x**i for x, y in train) for i in range(k)])
error = sum((sum(c * x**i for i, c in enumerate(w)) - y) ** 2 for x, y in test) / len(test)
if a.model_out:
    with open(a.model_out, "w") as file:
        json.dump(w, file)
print(f"error={error:.6f}")
