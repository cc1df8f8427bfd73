# SPDX-License-Identifier: Apache-2.0
"""Hone from Python: tune a function in five lines, or use the whole API. Python's standard library only.

    import hone_client

    def objective(t):
        lr = t.float("lr", 1e-5, 1e-1, log=True)
        for epoch in range(20):
            if t.report(loss=train(lr), step=epoch):
                return t.pruned()

    best = hone_client.tune(objective, trials=100, parallel=8, minimize="loss", stopping="median").best
"""
from ._client import Client, maximize, minimize
from ._errors import (ApiError, AuthError, BadRequest, Conflict, ExperimentDone, ExperimentExists, ExperimentNotFound, HoneError, Invalid,
                      LeaseLost, MetricsMissing, NoResult, NotFound, ObjectiveFailed, ServerFault, SpecInvalid, TrialFinished, TrialNotFound,
                      Unavailable, UndeclaredParameter, Unreachable)
from ._experiment import Experiment, Trials
from ._space import Search, boolean, choice, integer, loguniform, normal, uniform
from ._trial import LocalTrial, Pruned, Trial, current_trial, params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._aio import AsyncClient, AsyncExperiment, AsyncTrial
    from ._tune import tune

__version__ = "0.1.0"
__all__ = [
    "ApiError", "AsyncClient", "AsyncExperiment", "AsyncTrial", "AuthError", "BadRequest", "Client", "Conflict", "Experiment", "ExperimentDone",
    "ExperimentExists", "ExperimentNotFound", "HoneError", "Invalid", "LeaseLost", "LocalTrial", "MetricsMissing", "NoResult", "NotFound",
    "ObjectiveFailed", "Pruned", "Search", "ServerFault", "SpecInvalid", "Trial", "TrialFinished", "TrialNotFound", "Trials", "Unavailable",
    "UndeclaredParameter", "Unreachable", "boolean", "choice", "current_trial", "integer", "loguniform", "maximize", "minimize", "normal",
    "params", "tune", "uniform",
]


def __getattr__(name: str) -> object:
    """multiprocessing and asyncio are slow to import, and few need both."""
    if name == "tune":
        from ._tune import tune
        value: object = tune
    elif name in ("AsyncClient", "AsyncExperiment", "AsyncTrial"):
        from . import _aio
        value = getattr(_aio, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
