# SPDX-License-Identifier: Apache-2.0
"""What the bridges to Optuna share: its distributions and trials in Hone's words."""
from __future__ import annotations

from typing import Any, Dict, Mapping

import optuna  # type: ignore[import-untyped,import-not-found,unused-ignore]
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution  # type: ignore[import-untyped,import-not-found,unused-ignore]
from optuna.trial import FrozenTrial, TrialState  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .. import _space
from .._experiment import Experiment

STATES = {TrialState.COMPLETE: "SUCCEEDED", TrialState.PRUNED: "PRUNED", TrialState.FAIL: "FAILED"}


class Space:
    """Optuna's distributions as parameters; choices that are no plain data go by a name."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.parameters: Dict[str, Any] = {}
        self.choices: Dict[str, Dict[str, Any]] = {}
        for name, d in distributions.items():
            if isinstance(d, FloatDistribution):
                self.parameters[name] = _space.loguniform(d.low, d.high) if d.log else _space.uniform(d.low, d.high, d.step)
            elif isinstance(d, IntDistribution):
                self.parameters[name] = _space.integer(d.low, d.high, d.step if d.step != 1 else None, log=d.log)
            else:
                self.choices[name] = {f"{i}: {c!r}"[:60]: c for i, c in enumerate(d.choices)}
                self.parameters[name] = _space.choice(list(self.choices[name]))

    def ours(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        return {k: next(n for n, c in self.choices[k].items() if c == v and type(c) is type(v)) if k in self.choices else v
                for k, v in params.items() if k in self.parameters}

    def theirs(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        return {k: self.choices[k][v] if k in self.choices else float(v) if self.parameters[k]["type"] == "float" else v for k, v in params.items()}


def objectives(study: optuna.Study) -> Any:
    """One objective is `value`, several are value_0, value_1, ..."""
    names = ["value"] if len(study.directions) == 1 else [f"value_{i}" for i in range(len(study.directions))]
    rows = [{"metric": n, "direction": d.name.lower()} for n, d in zip(names, study.directions)]
    return rows[0] if len(rows) == 1 else rows


def metrics(values: Any) -> Dict[str, float]:
    return {"value": values[0]} if len(values) == 1 else {f"value_{i}": v for i, v in enumerate(values)}


def add(experiment: Experiment, space: Space, trial: FrozenTrial) -> bool:
    """A finished trial of Optuna's, if it has the whole space and something to learn from."""
    if trial.state not in STATES or set(space.parameters) - set(trial.params) or (trial.state is TrialState.COMPLETE and not trial.values):
        return False
    body: Dict[str, Any] = {"params": space.ours(trial.params), "state": STATES[trial.state]}
    if trial.state is TrialState.COMPLETE:
        body["metrics"] = metrics(trial.values)
    experiment._post("/trials", body)
    return True
