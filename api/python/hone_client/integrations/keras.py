# SPDX-License-Identifier: Apache-2.0
"""Keras 3: `model.fit(..., callbacks=[HoneCallback()])`. Metrics are those of Keras's logs: "loss", "val_accuracy", ..."""
from __future__ import annotations

from typing import Any, Mapping, Optional

from keras.callbacks import Callback  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._trial import AnyTrial
from . import plain, the_trial


class HoneCallback(Callback):  # type: ignore[misc,unused-ignore]
    """Reports the logs of each epoch; ends the training when Hone says so."""

    def __init__(self, trial: Optional[AnyTrial] = None) -> None:
        super().__init__()
        self.trial = the_trial(trial)

    def on_epoch_end(self, epoch: int, logs: Optional[Mapping[str, Any]] = None) -> None:
        if self.trial.report(plain(logs or {}), step=epoch):
            self.model.stop_training = True
