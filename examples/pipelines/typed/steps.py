# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of typed.yaml: a polynomial is found in noisy points. Only the standard library."""
import csv
import datetime
import json
import os
import random
import sys


def give(**outputs):
    with open(os.environ["HONE_OUTPUTS"], "w") as f:
        json.dump(outputs, f)


def value(coefficients, x):
    return sum(c * x ** k for k, c in enumerate(coefficients))


def measure(since, rows, out):
    draw = random.Random(1)
    at = datetime.datetime.fromisoformat(since.replace("Z", "+00:00"))
    with open(out, "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["at", "x", "y", "kind"])
        for i in range(int(rows)):
            x = draw.uniform(-1, 1)
            y = value([0.5, -1, 2], x) + draw.gauss(0, 0.1)
            table.writerow([(at + datetime.timedelta(hours=i)).isoformat(), x, y, "test" if i % 4 == 0 else "train"])


def solve(a, b):
    """Gauss with pivots."""
    n = len(b)
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[p], b[i], b[p] = a[p], a[i], b[p], b[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            a[r] = [x - f * y for x, y in zip(a[r], a[i])]
            b[r] -= f * b[i]
    for i in reversed(range(n)):
        b[i] = (b[i] - sum(a[i][k] * b[k] for k in range(i + 1, n))) / a[i][i]
    return b


def fit(path, degree):
    n = int(degree) + 1
    if n == 1:
        sys.exit("a line through one number is no fit")  # one item of four may fail
    with open(path) as f:
        rows = list(csv.DictReader(f))
    train = [(float(r["x"]), float(r["y"])) for r in rows if r["kind"] == "train"]
    test = [(float(r["x"]), float(r["y"])) for r in rows if r["kind"] == "test"]
    c = solve([[sum(x ** (i + k) for x, _ in train) for k in range(n)] for i in range(n)], [sum(y * x ** i for x, y in train) for i in range(n)])
    give(error=sum((value(c, x) - y) ** 2 for x, y in test) / len(test), coefficients=c)


def best(errors, coefficients):
    errors, coefficients = json.loads(errors), json.loads(coefficients)
    i = min((i for i, e in enumerate(errors) if e is not None), key=lambda i: errors[i])
    give(error=errors[i], coefficients=coefficients[i], degree=len(coefficients[i]) - 1)


def plan(coefficients):
    """Writes a step for each coefficient, and one that looks at them all."""
    numbers = json.loads(coefficients)
    steps = {f"size-{i}": {"run": ["python3", "steps.py", "size", c], "outputs": {"size": "double"}} for i, c in enumerate(numbers)}
    steps["largest"] = {"run": ["python3", "steps.py", "largest"] + [f"${{steps.size-{i}.outputs.size}}" for i in range(len(numbers))],
                        "outputs": {"size": "double"}}
    with open(os.environ["HONE_STEPS"], "w") as f:
        json.dump({"steps": steps, "outputs": {"largest": "${steps.largest.outputs.size}"}}, f)


def size(c):
    give(size=abs(float(c)))


def largest(*sizes):
    give(size=max(float(s) for s in sizes))


globals()[sys.argv[1]](*sys.argv[2:])
