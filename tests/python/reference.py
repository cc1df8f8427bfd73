# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/reference/python.md from the docstrings: python3 tests/python/reference.py > docs/reference/python.md"""
import inspect
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "api", "python"))
import hone_client  # noqa: E402
from hone_client import _trial  # noqa: E402

HEAD = """<!-- made by tests/python/reference.py from the docstrings of api/python -->
# Python client

Module `hone_client`, distribution `hone-client`, Python 3.9 or newer, standard library only. [How to tune from Python](../how-to/python.md).
Objects hold what the service answered last; `refresh()` asks again. `data` is the whole answer ([REST API](api.md)).

| Variable | What |
|---|---|
| `HONE_URL` `HONE_TOKEN` | the service; without them the one that runs in the data directory |
| `HONE_DATA` | the data directory (`~/.local/share/hone`) |
| `HONE_BIN` | the `hone` that is started when no service runs; else the one beside the package, else that of `PATH` |
| `HONE_SPOOL_DIR` | where reports wait while the service is away (`~/.local/state/hone/spool`; in a trial of the service, its work directory) |
| `HONE_EXIT_PATIENCE` | how many seconds a trial of the service waits at its end to send its last reports (300) |

Names that begin with `_` are not for use.
"""
FUNCTIONS = ["tune", "current_trial", "params", "minimize", "maximize", "uniform", "loguniform", "integer", "normal", "choice", "boolean"]
CLASSES = [hone_client.Client, hone_client.Experiment, hone_client.Trials, hone_client.Trial, _trial.Params, hone_client.LocalTrial,
           hone_client.AsyncClient, hone_client.AsyncExperiment, hone_client.AsyncTrial, hone_client.Search]


def signature(f):
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(f)))
    text = re.sub(r"\b(_space|hone_client\._\w+)\.", "", text).replace("_Float", "float").replace("_Int", "int").replace("_Bool", "bool")
    return re.sub(r"\(self(, )?", "(", text)


def about(thing):
    return " ".join((thing.__doc__ or "").split())


def members(cls):
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"- `{name}`" + (f": {about(value)}" if about(value) else "")
        elif inspect.isfunction(value):
            yield f"- `{name}{signature(value)}`" + (f": {about(value)}" if about(value) else "")


def page():
    out = [HEAD, "## Functions\n"]
    for name in FUNCTIONS:
        f = getattr(hone_client, name)
        out.append(f"### {name}\n\n`{name}{signature(f)}`\n" + (f"\n{inspect.getdoc(f)}\n" if f.__doc__ else ""))
    for cls in CLASSES:
        name = "Parameters of a trial" if cls is _trial.Params else cls.__name__
        out.append(f"## {name}\n")
        if cls is not _trial.Params and "__init__" in vars(cls) and cls not in (hone_client.Trial, hone_client.Experiment, hone_client.Trials):
            out.append(f"`{name}{signature(cls.__init__).replace(' -> None', '')}`\n")
        if cls.__doc__:
            out.append(inspect.getdoc(cls) + "\n")
        if not issubclass(cls, hone_client.LocalTrial):
            out.append("\n".join(members(cls)) + "\n")
    out.append("## Errors\n\nEach is a `HoneError`. Those of an answer are `ApiError` with `status`, `code` ([errors](errors.md)), `detail`, `errors`, `request_id`.\n")
    out.append("| Class | Is a | When |\n|---|---|---|")
    for name in hone_client.__all__:
        cls = getattr(hone_client, name)
        if inspect.isclass(cls) and issubclass(cls, hone_client.HoneError):
            out.append(f"| `{name}` | `{cls.__bases__[0].__name__}` | {' '.join((cls.__doc__ or '').split())} |")
    return "\n".join(out) + "\n\n`hone_client.sklearn.HoneSearchCV` takes the place of scikit-learn's `RandomizedSearchCV`.\n"


if __name__ == "__main__":
    sys.stdout.write(page())
