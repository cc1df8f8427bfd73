# SPDX-License-Identifier: GPL-3.0-or-later
"""Flyte: a task that tunes and gives the best parameters as a typed dataclass, and a workflow that trains with them.

    python3 workflow.py                                # here
    pyflyte run workflow.py tune_and_train --trials 20

The service is that of HONE_URL, or the one that runs, or one that the task starts and that ends with it.
"""
import os
from dataclasses import dataclass

import hone_client
from flytekit import task, workflow


@dataclass
class Best:
    x: float
    y: float
    loss: float


def loss(x: float, y: float) -> float:
    return (x - 1) ** 2 + abs(y)


@task
def tune(trials: int) -> Best:
    experiment = hone_client.tune(lambda t: loss(t.float("x", -5, 5), t.float("y", -5, 5)), trials=trials, minimize="loss")
    return Best(loss=experiment.best_value, **experiment.best_params)


@task
def train(best: Best) -> float:
    return loss(best.x, best.y)


@workflow
def tune_and_train(trials: int = 20) -> float:
    return train(best=tune(trials=trials))


if __name__ == "__main__":
    print(f"trained: loss={tune_and_train(trials=int(os.environ.get('HONE_EXAMPLE_TRIALS', '20')))}")
