# SPDX-License-Identifier: Apache-2.0
"""HoneSearchCV: in place of scikit-learn's RandomizedSearchCV. It needs scikit-learn."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Union

import joblib  # type: ignore[import-untyped,import-not-found,unused-ignore]
from sklearn.model_selection._search import BaseSearchCV  # type: ignore[import-untyped,import-not-found,unused-ignore]

from . import _space
from ._client import Client
from ._errors import ExperimentDone
from ._experiment import worker_name


def _distribution(name: str, d: Any) -> _space.Spec:
    """A frozen distribution of scipy.stats."""
    kind = d.dist.name
    if kind not in ("uniform", "loguniform", "reciprocal", "randint"):
        raise ValueError(f"{name}: scipy's {kind} is not known here; use uniform, loguniform, randint, a list, or hone_client.normal(...) and the like")
    low, high = d.support()
    if kind == "randint":
        return _space.integer(int(low), int(high))
    return _space.uniform(float(low), float(high)) if kind == "uniform" else _space.loguniform(float(low), float(high))


class _Space:
    """param_distributions as parameters of an experiment. Values that are no plain data (estimators, None, tuples) go by a name."""

    def __init__(self, distributions: Mapping[str, Any]) -> None:
        self.parameters: Dict[str, Any] = {}
        self.objects: Dict[str, Dict[str, Any]] = {}
        for name, d in distributions.items():
            if hasattr(d, "dist"):
                self.parameters[name] = _distribution(name, d)
            elif isinstance(d, Mapping):
                self.parameters[name] = dict(d)
            else:
                values = [v.item() if hasattr(v, "item") and not hasattr(v, "fit") else v for v in d]
                if not all(isinstance(v, (str, int, float, bool)) for v in values) or len({str(v) for v in values}) < len(values):
                    self.objects[name] = {f"{i}: {str(v)[:60]}": v for i, v in enumerate(values)}
                    values = list(self.objects[name])
                self.parameters[name] = _space.choice(values)

    def candidate(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        return {k: self.objects[k][v] if k in self.objects else v for k, v in params.items()}


class HoneSearchCV(BaseSearchCV):  # type: ignore[misc,unused-ignore]
    """`param_distributions`: lists, distributions of scipy.stats, or hone_client.loguniform(...) and the like. `n_jobs` candidates are asked
    for at a time and fitted side by side. After fit, `experiment_` is the experiment; all else is as with RandomizedSearchCV."""

    def __init__(self, estimator: Any, param_distributions: Mapping[str, Any], *, n_iter: int = 10, scoring: Any = None, n_jobs: Optional[int] = None,
                 refit: Union[bool, str, Callable[..., Any]] = True, cv: Any = None, verbose: int = 0, pre_dispatch: Union[int, str] = "2*n_jobs",
                 random_state: Optional[int] = None, error_score: Any = float("nan"), return_train_score: bool = False,
                 algorithm: Optional[str] = None, name: Optional[str] = None, client: Optional[Client] = None) -> None:
        super().__init__(estimator=estimator, scoring=scoring, n_jobs=n_jobs, refit=refit, cv=cv, verbose=verbose, pre_dispatch=pre_dispatch,
                         error_score=error_score, return_train_score=return_train_score)
        self.param_distributions, self.n_iter, self.random_state = param_distributions, n_iter, random_state
        self.algorithm, self.name, self.client = algorithm, name, client

    def _run_search(self, evaluate_candidates: Callable[[List[Dict[str, Any]]], Mapping[str, Any]]) -> None:
        space = _Space(self.param_distributions)
        client = self.client or Client(start=True)
        self.experiment_ = client.create(self.name, space=space.parameters, objective={"metric": "score", "direction": "maximize"},
                                         algorithm=self.algorithm, seed=self.random_state, max_trials=self.n_iter)
        column = f"mean_test_{self.refit if isinstance(self.refit, str) else 'score'}"
        worker, batch = worker_name(), max(1, joblib.effective_n_jobs(self.n_jobs))
        while True:
            try:
                trials = self.experiment_.ask_many(batch, worker, wait=20.0)
            except ExperimentDone:
                break
            if not trials:
                continue
            try:
                results = evaluate_candidates([space.candidate(t.params) for t in trials])
                if column not in results:
                    raise ValueError(f"with several metrics, refit must name the one to tune for (there is no {column})")
                for trial, score in zip(trials, results[column][-len(trials):]):
                    if score == score:
                        trial.tell(float(score))
                    else:
                        trial.fail("the score is NaN")
            except BaseException:
                for trial in trials:
                    if not trial.ended:
                        trial.cancel()
                raise
        self.experiment_.refresh()
