# SPDX-License-Identifier: Apache-2.0
"""Studies of Optuna's taken over, and experiments given to Optuna: `import_study(optuna.load_study(...))`, `export_study(experiment, "sqlite:///study.db")`."""
from __future__ import annotations

import json
from typing import Any, Mapping, Optional

import optuna  # type: ignore[import-untyped,import-not-found,unused-ignore]
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._client import Client
from .._experiment import Experiment
from ._optuna_space import STATES, Space, add, objectives


def import_study(study: optuna.Study, client: Optional[Client] = None, name: Optional[str] = None, **members: Any) -> Experiment:
    """A new experiment with the study's space (parameters of all trials that were completed) and its finished trials."""
    space = Space(optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False)))
    if not space.parameters:
        raise ValueError(f"study {study.study_name} has no parameter that every completed trial has")
    experiment = (client or Client(start=True)).create(name, space=space.parameters, objective=objectives(study), **members)
    for trial in study.get_trials(deepcopy=False):
        add(experiment, space, trial)
    return experiment.refresh()


def _distribution(spec: Mapping[str, Any]) -> BaseDistribution:
    if spec["type"] in ("categorical", "bool", "ordinal"):
        return CategoricalDistribution(spec.get("values", [False, True]))
    if spec.get("min") is None or spec.get("max") is None:
        raise ValueError("Optuna has no distribution without bounds")
    kind = IntDistribution if spec["type"] == "int" else FloatDistribution
    step = spec.get("step") or (1 if kind is IntDistribution else None)
    return kind(spec["min"], spec["max"], log=spec.get("scale") == "log", step=step)


def export_study(experiment: Experiment, storage: Any = None, study_name: Optional[str] = None) -> optuna.Study:
    """The experiment as a study of `storage`, such as "sqlite:///study.db": finished trials with their reports. optuna-dashboard opens it."""
    study = optuna.create_study(storage=storage, study_name=study_name or experiment.name, directions=[o["direction"] for o in experiment.objectives])
    distributions = {name: _distribution(spec) for name, spec in experiment.space.items()}
    states = {ours: theirs for theirs, ours in STATES.items()}
    for trial in experiment.trials:
        if trial.state not in states:
            continue
        succeeded = trial.state == "SUCCEEDED"
        reports = {m["step"]: m["value"] for m in trial.measurements(experiment.metric)} if len(experiment.objectives) == 1 else {}
        study.add_trial(optuna.trial.create_trial(
            state=states[trial.state], params=trial.params, distributions={k: distributions[k] for k in trial.params}, intermediate_values=reports,
            values=[trial.metrics[o["metric"]] for o in experiment.objectives] if succeeded else None, user_attrs={"hone": json.dumps({"trial": trial.number, "metrics": trial.metrics})}))
    return study
