# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeflow Pipelines: a step that tunes, and one that trains with what was found.

    python3 pipeline.py compile pipeline.yaml      # for a cluster: needs an image with hone and hone-client in it (IMAGE)
    python3 pipeline.py run                        # here, by the local runner of kfp, as processes: needs `pip install kfp` and hone-client

`tune` is the Python form of the step: any experiment file as a dict. `tune_file` is the container form: the command line, no Python in the image.
Without HONE_URL the step has a service of its own, which ends with it; with HONE_URL and HONE_TOKEN in its environment the experiment is kept there.
"""
import os
import sys
from typing import NamedTuple

from kfp import compiler, dsl, local

IMAGE = os.environ.get("HONE_IMAGE", "hone:latest")


@dsl.component(base_image=IMAGE)
def tune(spec: dict, metrics: dsl.Output[dsl.Metrics]) -> NamedTuple("Best", [("params", dict), ("value", float)]):
    """Runs an experiment to its end."""
    from collections import namedtuple

    import hone_client

    with hone_client.Client(start=True) as client:
        experiment = client.create(spec=spec).wait()
        best = experiment.best  # NoResult, and the step fails, when no trial succeeded
        metrics.log_metric(experiment.metric, best.value)
        return namedtuple("Best", ["params", "value"])(best.params, best.value)


@dsl.container_component
def tune_file(file: str, params: dsl.OutputPath(dict), value: dsl.OutputPath(float)):
    """The same by the command line: `file` is an experiment file that the image has."""
    return dsl.ContainerSpec(image=IMAGE, command=["hone", "run"], args=[file, "--best-params-out", params, "--best-value-out", value])


@dsl.component(base_image=IMAGE)
def train(params: dict) -> float:
    return (params["x"] - 1) ** 2 + abs(params["y"])


# What the trials run; in a real pipeline `python3 train.py --x {x} ...`, which prints `loss=...`.
SPEC = {
    "objective": {"metric": "loss", "direction": "minimize"},
    "parameters": {"x": {"type": "float", "min": -5, "max": 5}, "y": {"type": "float", "min": -5, "max": 5}},
    "trials": {"max": int(os.environ.get("HONE_EXAMPLE_TRIALS", "20")), "parallel": 2},
    "run": {"command": ["python3", "-c", "import sys; x, y = map(float, sys.argv[1:]); print(f'loss={(x - 1) ** 2 + abs(y)}')", "{x}", "{y}"]},
}


@dsl.pipeline(name="tune-then-train")
def pipeline(spec: dict = SPEC) -> float:
    best = tune(spec=spec)
    return train(params=best.outputs["params"]).output


@dsl.pipeline(name="tune-by-file")
def file_pipeline(file: str = "/work/tune.yaml") -> float:
    best = tune_file(file=file)
    return train(params=best.outputs["params"]).output


def main() -> None:
    if sys.argv[1:2] == ["compile"]:
        compiler.Compiler().compile(file_pipeline if "--file" in sys.argv else pipeline, sys.argv[2])
        return
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=os.environ.get("HONE_EXAMPLE_OUT", "./local_outputs"))
    print(f"trained: loss={pipeline().output}")


if __name__ == "__main__":
    main()
