# SPDX-License-Identifier: Apache-2.0
"""Optuna: a sampler that asks Hone, `optuna.create_study(sampler=HoneSampler())`. Whole studies: optuna_study."""
from __future__ import annotations

from typing import Any, Dict, Optional

import optuna  # type: ignore[import-untyped,import-not-found,unused-ignore]
from optuna.distributions import BaseDistribution  # type: ignore[import-untyped,import-not-found,unused-ignore]
from optuna.trial import FrozenTrial, TrialState  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._client import Client
from .._experiment import Experiment
from ._optuna_space import Space, add, metrics, objectives


class HoneSampler(optuna.samplers.BaseSampler):  # type: ignore[misc,unused-ignore]
    """Parameters that every trial has are asked of Hone, as soon as one trial has shown them; others, and the first trial, are drawn by `independent`.
    What the study knew already is told first. After a change of the space a new experiment goes on with what fits."""

    def __init__(self, client: Optional[Client] = None, algorithm: Optional[str] = None, seed: Optional[int] = None,
                 independent: Optional[optuna.samplers.BaseSampler] = None) -> None:
        self.client, self.algorithm, self.seed = client, algorithm, seed
        self.independent = independent or optuna.samplers.RandomSampler(seed=seed)
        self.common = optuna.search_space.IntersectionSearchSpace()
        self.experiment: Optional[Experiment] = None
        self.space = Space({})
        self.asked: Dict[int, Any] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Dict[str, BaseDistribution]:
        return {k: d for k, d in self.common.calculate(study).items() if not d.single()}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Dict[str, BaseDistribution]) -> Dict[str, Any]:
        if not search_space:
            return {}
        space = Space(search_space)
        if self.experiment is None or space.parameters != self.space.parameters:
            self._begin(study, space)
        assert self.experiment is not None
        asked = self.asked[trial.number] = self.experiment.ask()
        return self.space.theirs(asked.params)

    def _begin(self, study: optuna.Study, space: Space) -> None:
        self.client = self.client or Client(start=True)
        objective = objectives(study)
        self.experiment = self.client.create(space=space.parameters, objective=objective, algorithm=self.algorithm, seed=self.seed, labels={"optuna": study.study_name[:60]})
        self.space, self.asked = space, {}
        for t in study.get_trials(deepcopy=False):
            add(self.experiment, space, t)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        return self.independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        asked = self.asked.pop(trial.number, None)
        if asked is None:
            if self.experiment is not None and state is TrialState.COMPLETE:
                add(self.experiment, self.space, optuna.trial.create_trial(state=state, values=values, params=trial.params, distributions=trial.distributions))
        elif state is TrialState.COMPLETE:
            asked.tell(metrics(values))
        elif trial.intermediate_values and len(study.directions) == 1:  # pruned: its last value teaches the search something
            asked.tell(metrics([trial.intermediate_values[trial.last_step]]))
        else:
            asked.fail(f"Optuna's trial ended {state.name}")
