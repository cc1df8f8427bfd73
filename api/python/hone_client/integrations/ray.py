# SPDX-License-Identifier: Apache-2.0
"""Ray Tune: `Tuner(..., tune_config=TuneConfig(search_alg=HoneSearch(space, metric="loss", mode="min"), num_samples=40))`."""
from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from ray.tune.search import Searcher  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._client import Client
from .._errors import ExperimentDone
from .._experiment import Experiment
from . import plain


class HoneSearch(Searcher):  # type: ignore[misc,unused-ignore]
    """Asks Hone for each configuration and tells it what came of it. `space` is in Hone's words: {"lr": hone_client.loguniform(1e-5, 1e-1)}."""

    def __init__(self, space: Mapping[str, Any], metric: Optional[str] = None, mode: Optional[str] = None, client: Optional[Client] = None,
                 name: Optional[str] = None, **members: Any) -> None:
        super().__init__(metric=metric, mode=mode)
        self._metric, self._mode = metric, mode
        self.space, self.client, self.name, self.members = space, client, name, members
        self.experiment: Optional[Experiment] = None
        self.asked: Dict[str, Any] = {}

    def set_search_properties(self, metric: Optional[str], mode: Optional[str], config: Dict[str, Any], **spec: Any) -> bool:
        self._metric, self._mode = metric or self._metric, mode or self._mode
        return not config  # the space is ours to know

    def suggest(self, trial_id: str) -> Any:
        if self.experiment is None:
            objective = {"metric": self._metric, "direction": "minimize" if self._mode == "min" else "maximize"}
            client = self.client or Client(start=True)
            self.experiment = client.create(self.name, space=self.space, objective=objective, if_exists="return", **self.members)
        try:
            self.asked[trial_id] = self.experiment.ask()
        except ExperimentDone:
            return Searcher.FINISHED
        return dict(self.asked[trial_id].params)

    def on_trial_result(self, trial_id: str, result: Dict[str, Any]) -> None:
        if self._metric in result:
            self.asked[trial_id].report(plain({self._metric: result[self._metric]}), step=result.get("training_iteration"))

    def on_trial_complete(self, trial_id: str, result: Optional[Dict[str, Any]] = None, error: bool = False) -> None:
        trial = self.asked.pop(trial_id, None)
        if trial is None or trial.ended:
            return
        if error or not result or self._metric not in result:
            trial.fail("Ray says that it failed")
        else:
            trial.tell(plain({self._metric: result[self._metric]}))

    def save(self, checkpoint_path: str) -> None:
        """Nothing to keep: Hone does."""

    restore = save
