# SPDX-License-Identifier: Apache-2.0
"""For scripts written for Katib's push collector: `from hone_client.integrations import katib` in place of `import kubeflow.katib as katib`."""
from __future__ import annotations

from typing import Any, Mapping

from .._trial import current_trial
from . import plain


def report_metrics(metrics: Mapping[str, Any], timeout: int = 60) -> None:
    """As Katib's: numbers, or text that is one. `timeout` is not needed: what cannot be sent now is sent later."""
    numbers = plain(metrics)
    wrong = [name for name, value in metrics.items() if not plain({name: value})]
    if wrong:
        raise ValueError(f"metrics must be numbers: {', '.join(wrong)}")
    current_trial().report(numbers)
