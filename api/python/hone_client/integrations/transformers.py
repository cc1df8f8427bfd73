# SPDX-License-Identifier: Apache-2.0
"""Hugging Face Transformers: `Trainer(..., callbacks=[HoneCallback()])`. Metrics are those that the Trainer logs: "loss", "eval_loss", ..."""
from __future__ import annotations

from typing import Any, Mapping, Optional

from transformers import TrainerCallback  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._trial import AnyTrial
from . import plain, the_trial


class HoneCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Reports what is logged and the progress, by the first process alone; all end together when Hone says so."""

    def __init__(self, trial: Optional[AnyTrial] = None) -> None:
        self.trial = trial

    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Mapping[str, Any]] = None, **_: Any) -> None:
        stop = False
        if state.is_world_process_zero:
            self.trial = the_trial(self.trial)
            progress = state.global_step / state.max_steps if state.max_steps else None
            stop = self.trial.report(plain(logs or {}), step=state.global_step, progress=progress)
        if _first_says(stop):
            control.should_training_stop = True


def _first_says(stop: bool) -> bool:
    import torch.distributed as distributed  # type: ignore[import-untyped,import-not-found,unused-ignore]

    if not (distributed.is_available() and distributed.is_initialized()):
        return stop
    said = [stop]
    distributed.broadcast_object_list(said, src=0)
    return said[0]
