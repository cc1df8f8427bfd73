# SPDX-License-Identifier: Apache-2.0
"""XGBoost: `xgboost.train(..., evals=[(dtest, "test")], callbacks=[HoneCallback()])`. Metrics are "test-rmse" and the like; in `xgboost.cv` their means."""
from __future__ import annotations

from typing import Any, Optional

from xgboost.callback import TrainingCallback  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._trial import AnyTrial
from . import plain, the_trial


class HoneCallback(TrainingCallback):  # type: ignore[misc,unused-ignore]
    """Reports every evaluation of each iteration; ends the training when Hone says so."""

    def __init__(self, trial: Optional[AnyTrial] = None) -> None:
        super().__init__()
        self.trial = the_trial(trial)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        last = {f"{data}-{metric}": values[-1] for data, metrics in evals_log.items() for metric, values in metrics.items()}
        return self.trial.report(plain({k: v[0] if isinstance(v, tuple) else v for k, v in last.items()}), step=epoch)
