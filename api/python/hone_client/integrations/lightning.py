# SPDX-License-Identifier: Apache-2.0
"""PyTorch Lightning: `Trainer(callbacks=[HoneCallback()])`. Metrics are those that the module logs."""
from __future__ import annotations

from typing import Any, Optional

try:
    from lightning.pytorch import Callback  # type: ignore[import-untyped,import-not-found,unused-ignore]
except ImportError:
    from pytorch_lightning import Callback  # type: ignore[import-untyped,import-not-found,no-redef,unused-ignore]

from .._trial import AnyTrial
from . import plain, the_trial


class HoneCallback(Callback):  # type: ignore[misc,unused-ignore]
    """Reports after each validation (each epoch, where there is none), by the first process alone; all end together when Hone says so."""

    def __init__(self, trial: Optional[AnyTrial] = None) -> None:
        self.trial = trial  # of the process that trains: found at first use

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._report(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.enable_validation:
            self._report(trainer)

    def _report(self, trainer: Any) -> None:
        stop = False
        if trainer.is_global_zero:
            self.trial = the_trial(self.trial)
            stop = self.trial.report(plain(trainer.callback_metrics), step=trainer.global_step)
        if trainer.strategy.broadcast(stop):
            trainer.should_stop = True
