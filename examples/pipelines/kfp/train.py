# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline of Kubeflow Pipelines as the kfp package has it. Compiled, its file runs here as it is, and its parameters can be tuned:

    python3 train.py train.yaml             # needs the kfp package
    hone pipeline run train.yaml -p lr=0.1

Components run as processes of this host, by the python3 that the service finds; it must have the kfp package too."""
import sys

from kfp import compiler, dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

component = dsl.component(base_image="python:3.11")


@component
def prepare(rows: int, data: Output[Dataset]):
    import random
    draw = random.Random(1)
    with open(data.path, "w") as f:
        for _ in range(rows):
            x = draw.uniform(-1, 1)
            f.write(f"{x} {2 * x - 0.5 + draw.gauss(0, 0.1)}\n")
    data.metadata["rows"] = rows


@component
def train(data: Input[Dataset], lr: float, epochs: int, model: Output[Model]):
    import json
    points = [tuple(map(float, line.split())) for line in open(data.path)]
    w = b = 0.0
    for _ in range(epochs):
        dw = sum((w * x + b - y) * x for x, y in points) / len(points)
        db = sum(w * x + b - y for x, y in points) / len(points)
        w, b = w - lr * dw, b - lr * db
    with open(model.path, "w") as f:
        json.dump([w, b], f)


@component
def evaluate(data: Input[Dataset], model: Input[Model], metrics: Output[Metrics]) -> float:
    import json
    w, b = json.load(open(model.path))
    points = [tuple(map(float, line.split())) for line in open(data.path)]
    loss = sum((w * x + b - y) ** 2 for x, y in points) / len(points)
    metrics.log_metric("loss", loss)
    return loss


@dsl.pipeline(name="line", description="Finds a line in noisy points.")
def line(lr: float = 0.1, epochs: int = 50, rows: int = 200) -> float:
    data = prepare(rows=rows).outputs["data"]
    model = train(data=data, lr=lr, epochs=epochs).outputs["model"]
    return evaluate(data=data, model=model).outputs["Output"]


if __name__ == "__main__":
    compiler.Compiler().compile(line, sys.argv[1])
