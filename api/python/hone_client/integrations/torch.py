# SPDX-License-Identifier: Apache-2.0
"""PyTorch: a training loop that goes on where the trial's last attempt stopped.

    saved = Checkpoint(model=model, optimizer=optimizer)
    for epoch in range(saved.load(), 20):
        loss = train(model, optimizer)
        saved.save(epoch + 1)
        if trial.report(loss=loss, step=epoch):
            break
"""
from __future__ import annotations

import os
from typing import Any, Optional

import torch  # type: ignore[import-untyped,import-not-found,unused-ignore]


class Checkpoint:
    """What has `state_dict` and `load_state_dict`, kept in `directory`, otherwise the trial's HONE_CHECKPOINT_DIR. Without one nothing is kept."""

    def __init__(self, directory: Optional[str] = None, **objects: Any) -> None:
        self.directory, self.objects = directory or os.environ.get("HONE_CHECKPOINT_DIR"), objects

    @property
    def path(self) -> str:
        return os.path.join(self.directory or "", "checkpoint.pt")

    def save(self, step: int) -> None:
        """Replaces the one before, whole or not at all."""
        if not self.directory:
            return
        os.makedirs(self.directory, exist_ok=True)
        torch.save({"step": step, "random": torch.get_rng_state(), **{k: v.state_dict() for k, v in self.objects.items()}}, self.path + ".new")
        os.replace(self.path + ".new", self.path)

    def load(self) -> int:
        """Restores the last one; its step, 0 without one."""
        if not self.directory or not os.path.exists(self.path):
            return 0
        kept = torch.load(self.path, weights_only=True)
        for name, thing in self.objects.items():
            thing.load_state_dict(kept[name])
        torch.set_rng_state(kept["random"])
        return int(kept["step"])
