# SPDX-License-Identifier: Apache-2.0
"""Callbacks for training frameworks and bridges to other tuners, each in a module that imports its framework. All take `trial=`, otherwise the one
that runs (`hone_client.current_trial()`), which does nothing outside of a trial. None raises into a training because of the service."""
from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from .._trial import AnyTrial, current_trial


def the_trial(trial: Optional[AnyTrial]) -> AnyTrial:
    return trial if trial is not None else current_trial()


def plain(metrics: Mapping[str, Any]) -> Dict[str, float]:
    """What is a number, under names that Hone takes: blanks and = become _."""
    out: Dict[str, float] = {}
    for name, value in metrics.items():
        try:
            out["_".join(str(name).replace("=", " ").split())] = float(value)
        except (TypeError, ValueError):
            continue
    return out
