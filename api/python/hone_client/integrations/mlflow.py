# SPDX-License-Identifier: Apache-2.0
"""MLflow: an experiment's trials as runs of a tracking server of yours. (What trials log with MLflow reaches Hone by `metrics: mlflow`.)

    forward(client.experiment("digits"), "http://mlflow:5000")            # what there is now
    forward(client.experiment("digits"), "http://mlflow:5000", follow=True)  # and what comes, until its end
"""
from __future__ import annotations

from typing import Any, Dict, Optional

from mlflow.entities import Metric, Param, RunTag  # type: ignore[import-untyped,import-not-found,unused-ignore]
from mlflow.tracking import MlflowClient  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .._experiment import Experiment
from .._trial import FINAL, Trial

BATCH = 1000  # metrics in one call, MLflow's limit
_STATUS = {"SUCCEEDED": "FINISHED", "PRUNED": "FINISHED", "CANCELLED": "KILLED"}


def _send(client: MlflowClient, experiment_id: str, e: Experiment, t: Trial) -> None:
    tags = {"mlflow.runName": f"{e.name}-{t.number}", "hone.trial": str(t.number), "hone.state": t.state, "hone.experiment": e.url}
    run = client.create_run(experiment_id, tags={**tags, **({"hone.message": t.message[:5000]} if t.message else {})}).info.run_id
    points = [Metric(m["metric"], float(m["value"]), _ms(m["time"]), int(m["step"])) for m in t.measurements()]
    client.log_batch(run, params=[Param(k, str(v)) for k, v in t.params.items()], tags=[RunTag(k, v) for k, v in t.labels.items()])
    for at in range(0, len(points), BATCH):
        client.log_batch(run, metrics=points[at:at + BATCH])
    told = {p.key for p in points}
    client.log_batch(run, metrics=[Metric(k, v, _ms(t.data["end_time"]), 0) for k, v in t.metrics.items() if k not in told])
    client.set_terminated(run, _STATUS.get(t.state, "FAILED"), _ms(t.data["end_time"]))


def _ms(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def forward(experiment: Experiment, tracking_uri: str, name: Optional[str] = None, follow: bool = False) -> int:
    """Makes a run of each finished trial that has none yet, in MLflow's experiment `name` (otherwise its own name); how many were made. Running it
    again adds what is new; with `follow` it goes on until the experiment has ended."""
    client = MlflowClient(tracking_uri)
    known = client.get_experiment_by_name(name or experiment.name)
    experiment_id = known.experiment_id if known else client.create_experiment(name or experiment.name)
    sent: Dict[int, Any] = {}
    token: Optional[str] = None
    while True:
        page = client.search_runs([experiment_id], max_results=BATCH, page_token=token)
        sent.update({int(r.data.tags["hone.trial"]): r for r in page if r.data.tags.get("hone.experiment") == experiment.url})
        token = page.token
        if not token:
            break
    before = len(sent)

    def send(e: Experiment) -> None:
        for t in e.trials:
            if t.state in FINAL and t.number not in sent:
                _send(client, experiment_id, e, t)
                sent[t.number] = t

    if follow:
        experiment.wait(on_update=send)
    send(experiment.refresh())
    return len(sent) - before
