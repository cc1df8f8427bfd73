# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunes a Python function by two processes; it starts the service itself when none runs."""
import os

import hone_client


def objective(t):
    x, y = t.float("x", -5, 5), t.float("y", -5, 5)
    for step in range(1, 11):
        if t.report(loss=(x - 1) ** 2 + (y + 2) ** 2 + 1 / step, step=step):
            return t.pruned()


if __name__ == "__main__":
    trials = int(os.environ.get("HONE_EXAMPLE_TRIALS", 40))
    e = hone_client.tune(objective, trials=trials, parallel=2, minimize="loss", stopping="median")
    print(f"best {e.best_value:.4f} {e.best_params}")
