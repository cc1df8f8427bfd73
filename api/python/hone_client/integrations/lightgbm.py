# SPDX-License-Identifier: Apache-2.0
"""LightGBM: `lightgbm.train(..., valid_sets=[valid], callbacks=[hone_callback()])`. Metrics are "valid_0-l2" and the like; in `lightgbm.cv` "valid-l2"."""
from __future__ import annotations

from typing import Any, Callable, Optional

from lightgbm.callback import EarlyStopException  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._trial import AnyTrial
from . import plain, the_trial


def hone_callback(trial: Optional[AnyTrial] = None) -> Callable[[Any], None]:
    """Reports every evaluation of each iteration; ends the training when Hone says so."""
    of = the_trial(trial)

    def callback(env: Any) -> None:
        results = env.evaluation_result_list or []
        if of.report(plain({f"{r[0]}-{r[1]}": r[2] for r in results}), step=env.iteration):
            raise EarlyStopException(env.iteration, results)

    callback.order = 20  # type: ignore[attr-defined]
    return callback
