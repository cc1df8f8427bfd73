# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the compiled files of tests/pipeline/kfp: compile.py DIRECTORY. Needs kfp."""
import sys
from typing import Dict, List, NamedTuple, Optional

from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

IMAGE = "example.invalid/python:3.11"
component = dsl.component(base_image=IMAGE)


@component
def prepare(rows: int, data: Output[Dataset]) -> int:
    with open(data.path, "w") as f:
        f.write("\n".join(str(i) for i in range(rows)))
    data.metadata["rows"] = rows
    return rows


@component
def train(data: Input[Dataset], lr: float, model: Output[Model], metrics: Output[Metrics]) -> float:
    n = len(open(data.path).read().split())
    assert data.metadata["rows"] == n, data.metadata
    loss = (lr - 0.3) ** 2 + 1.0 / n
    open(model.path, "w").write(f"lr=${lr}")
    metrics.log_metric("loss", loss)
    return loss


@component
def evaluate(model: Input[Model], loss: float) -> NamedTuple("Out", [("accuracy", float), ("note", str)]):
    text = open(model.path).read()
    return (1.0 - loss, text)


@component
def say(text: str) -> str:
    print(text)
    return text


@component
def flip(seed: int) -> str:
    return "heads" if seed % 2 == 0 else "tails"


@component
def square(x: int) -> int:
    return x * x


@component
def total(xs: List[int]) -> int:
    return sum(xs)


@component
def numbers(n: int) -> List[int]:
    return list(range(n))


@component
def fail_once(where: str) -> str:
    import os
    if not os.path.exists(where):
        open(where, "w").close()
        raise SystemExit(3)
    return "second"


@component
def fail() -> str:
    raise SystemExit(1)


@component
def tell(status: dsl.PipelineTaskFinalStatus, where: str):
    open(where, "w").write(status.state)


@component
def types(a: bool, d: Dict[str, int], l: List[str], s: Optional[str] = None, n: int = 3, f: float = 0.5) -> Dict[str, int]:
    assert s is None and n == 3 and a is True, (s, n, a)
    return {"sum": sum(d.values()) + len(l)}


@dsl.container_component
def shout(text: str, times: int, out: dsl.OutputPath(str), copy: Output[Artifact]):
    return dsl.ContainerSpec(
        image=IMAGE, command=["sh", "-c", 'mkdir -p "$(dirname "$1")" && printf "%s" "$0" | tr a-z A-Z > "$1" && cp "$1" "$2"'],
        args=[dsl.ConcatPlaceholder([text, "!"]), out, copy.path, dsl.IfPresentPlaceholder("times", then=["--times", times])])


@dsl.pipeline(name="train-pipeline", description="Prepare, train, evaluate.")
def train_pipeline(lr: float = 0.1, rows: int = 10) -> float:
    data = prepare(rows=rows)
    model = train(data=data.outputs["data"], lr=lr)
    model.set_cpu_limit("2").set_memory_limit("1G")
    evaluate(model=model.outputs["model"], loss=model.outputs["Output"])
    return model.outputs["Output"]


@dsl.pipeline(name="conditions")
def conditions(seed: int = 1, limit: float = 0.5) -> str:
    coin = flip(seed=seed)
    with dsl.If(coin.output == "heads"):
        heads = say(text="heads!")
    with dsl.Elif(limit > 0.7):
        high = say(text="high")
    with dsl.Else():
        low = say(text="low")
    return dsl.OneOf(heads.output, high.output, low.output)


@dsl.pipeline(name="if-only")
def if_only(seed: int = 2):
    coin = flip(seed=seed)
    with dsl.If(coin.output != "tails"):
        with dsl.If(seed >= 2):
            say(text=f"seed {seed} gave {coin.output}")


@dsl.pipeline(name="loops")
def loops(n: int = 4) -> int:
    made = numbers(n=n)
    with dsl.ParallelFor(made.output, parallelism=2) as x:
        one = square(x=x)
    all_of = total(xs=dsl.Collected(one.output))
    with dsl.ParallelFor([1, 2, 3]) as y:
        square(x=y)
    return all_of.output


@dsl.pipeline(name="loop-of-structs")
def loop_of_structs():
    with dsl.ParallelFor([{"a": 1, "b": 10}, {"a": 2, "b": 20}]) as item:
        square(x=item.a)
        square(x=item.b)


@dsl.pipeline(name="exit-handler")
def exit_handler(where: str = "/tmp/status", message: str = "done"):
    with dsl.ExitHandler(tell(where=where)):
        say(text=message)
        fail()


@dsl.pipeline(name="retries")
def retries(where: str = "/tmp/once") -> str:
    task = fail_once(where=where)
    task.set_retry(num_retries=2, backoff_duration="1s", backoff_factor=2, backoff_max_duration="10s")
    task.set_caching_options(False)
    task.set_env_variable("A", "b ${HOME}")
    return task.output


@dsl.pipeline(name="inner")
def inner(x: int, again: int = 2) -> int:
    a = square(x=x)
    b = square(x=a.output)
    return b.output


@dsl.pipeline(name="nested")
def nested(x: int = 3) -> int:
    first = inner(x=x)
    second = inner(x=first.output, again=5)
    return second.output


@dsl.pipeline(name="containers")
def containers(text: str = "it's") -> str:
    a = shout(text=text, times=2)
    return say(text=a.outputs["out"]).output


@dsl.pipeline(name="all-types")
def all_types(d: Dict[str, int] = {"a": 1}, l: List[str] = ["x", "y"], a: bool = True):
    types(a=a, d=d, l=l)


@dsl.pipeline(name="importers")
def importers(rows: int = 3):
    got = dsl.importer(artifact_uri="gs://bucket/data.csv", artifact_class=Dataset, reimport=False, metadata={"rows": 3})
    train(data=got.output, lr=0.1)


@dsl.pipeline(name="after")
def after():
    first = say(text="1")
    second = say(text="2").after(first)
    say(text="3").after(first, second)


for pipeline in (train_pipeline, conditions, if_only, loops, loop_of_structs, exit_handler, retries, nested, containers, all_types, importers, after):
    compiler.Compiler().compile(pipeline, f"{sys.argv[1]}/{pipeline.name}.yaml")
