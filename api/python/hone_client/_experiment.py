# SPDX-License-Identifier: Apache-2.0
"""An experiment: its state, its trials, and asking for trials to run."""
from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional

from ._errors import ExperimentDone, NoResult
from ._http import query_text
from ._trial import FINAL, Trial, metric_value, number

if TYPE_CHECKING:
    from ._client import Client

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
LONG_POLL = 20.0


def worker_name() -> str:
    """A name that nobody else has: whoever asks again under the same name gets the same unfinished trial again."""
    return f"{socket.gethostname()[:80]}-{os.getpid()}-{os.urandom(4).hex()}"


class Experiment:
    """A handle. What it knows is as of the last answer; `refresh()` asks again."""

    def __init__(self, client: Client, name: str, project: str, data: Optional[Dict[str, Any]] = None) -> None:
        self.client, self.name, self.project = client, name, project
        self._data = data
        self._replayed = False

    def __repr__(self) -> str:
        d = self.data
        best = f" best={self.best_value:.6g}" if d.get("best") else ""
        return f"<Experiment {self.name} {self.state} {d.get('n_trials', 0)} trials{best}>"

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_replayed": False}

    @property
    def path(self) -> str:
        return f"/api/v1/projects/{self.project}/experiments/{self.name}"

    def _get(self, rest: str = "", **query: Any) -> Any:
        return self.client.request("GET", self.path + rest, query=query)

    def _post(self, rest: str, body: Any = None, timeout: Optional[float] = None) -> Any:
        return self.client.request("POST", self.path + rest, body=body, timeout=timeout)

    # what is known

    @property
    def data(self) -> Dict[str, Any]:
        """The experiment as the service gave it last (docs/reference/api.md)."""
        if self._data is None:
            self.refresh()
        assert self._data is not None
        return self._data

    def refresh(self) -> Experiment:
        self._data = self._get()
        return self

    @property
    def spec(self) -> Dict[str, Any]:
        if "spec" not in self.data:  # lists leave it out
            self.refresh()
        spec: Dict[str, Any] = self.data["spec"]
        return spec

    @property
    def space(self) -> Dict[str, Any]:
        space: Dict[str, Any] = self.spec["parameters"]
        return space

    @property
    def objectives(self) -> List[Dict[str, Any]]:
        objectives: List[Dict[str, Any]] = self.spec["objectives"]
        return objectives

    @property
    def metric(self) -> str:
        """The first objective's."""
        return str(self.objectives[0]["metric"])

    @property
    def direction(self) -> str:
        return str(self.objectives[0]["direction"])

    @property
    def uid(self) -> str:
        return str(self.data["uid"])

    @property
    def state(self) -> str:
        return str(self.data["state"])

    @property
    def reason(self) -> str:
        return str(self.data.get("reason") or "")

    @property
    def message(self) -> str:
        return str(self.data.get("message") or "")

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def counts(self) -> Dict[str, int]:
        return dict(self.data.get("counts") or {})

    @property
    def progress(self) -> Optional[float]:
        return number(self.data.get("progress"))

    @property
    def eta_seconds(self) -> Optional[float]:
        return number(self.data.get("eta_seconds"))

    @property
    def labels(self) -> Dict[str, str]:
        return dict(self.data.get("labels") or {})

    @property
    def note(self) -> str:
        return str(self.data.get("note") or "")

    @property
    def url(self) -> str:
        """Its page of the dashboard; `client.link()` gives a link that logs in."""
        return f"{self.client.url}/#/{self.project}/{self.name}"

    # results

    @property
    def best(self) -> Trial:
        """The best trial so far, asked for now. NoResult when there is none."""
        rows = self._get("/leaderboard", limit=1)["trials"]
        if not rows:
            raise NoResult(f"{self.name} has no successful trial")
        return self.trial(int(rows[0]["number"]))

    best_trial = best

    @property
    def best_params(self) -> Dict[str, Any]:
        return self.best.params

    @property
    def best_value(self) -> float:
        value = self.best.value
        assert value is not None
        return value

    @property
    def trials(self) -> Trials:
        return Trials(self)

    def trial(self, n: int) -> Trial:
        return self._trial(self._get(f"/trials/{n}"))

    def leaderboard(self, limit: int = 20) -> List[Trial]:
        rows = self._get("/leaderboard", limit=limit, fields="number,state,reason,message,params,objective,metrics,attempt,labels")["trials"]
        return [self._trial(t) for t in rows]

    def optimal(self) -> List[Trial]:
        """The best trial, or the Pareto front of several objectives."""
        return [self._trial(t) for t in self._get("/optimal")["trials"]]

    def columns(self, *cols: str) -> Dict[str, List[Any]]:
        """Trials by column, in order of number: `columns("number", "params.*")`."""
        wanted = cols or ("number", "state", "objective", "params.*", "metrics.*")
        columns: Dict[str, List[Any]] = self._get("/columns", cols=",".join(wanted))["columns"]
        for name in columns:
            if name == "objective" or name.startswith("metrics."):
                columns[name] = [number(v) for v in columns[name]]
        return columns

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each trial (needs pandas)."""
        import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return pandas.DataFrame(self.columns())

    def events(self, after: Optional[int] = None, follow: bool = False) -> Iterator[Dict[str, Any]]:
        """What happened, oldest first; with `follow` for ever."""
        return self.client._events(self.path + "/events", after, follow)

    # life

    def wait(self, timeout: Optional[float] = None, on_update: Optional[Callable[[Experiment], Any]] = None) -> Experiment:
        """Until its end. TimeoutError when the time is over first. `on_update` is called with each change, at most twice a second."""
        end = None if timeout is None else time.monotonic() + timeout
        self.refresh()
        while not self.ended:
            left = LONG_POLL if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.name} is {self.state} after {timeout} s")
            until = f"revision!={self.data['revision']}" if on_update else " AND ".join(f"state!={s}" for s in ("RUNNING", "PAUSED", "STOPPING", "CREATED"))
            self._data = self.client.request("GET", self.path, query={"wait_for": until, "wait": round(min(left, LONG_POLL), 3)}, timeout=LONG_POLL + 30)
            if on_update:
                on_update(self)
                time.sleep(0.5)
        return self

    def pause(self) -> Experiment:
        self._data = self._post(":pause")
        return self

    def resume(self) -> Experiment:
        self._data = self._post(":resume")
        return self

    def stop(self, drain: bool = False) -> Experiment:
        """Ends it; with `drain` trials that run come to their end."""
        self._data = self._post(":stop", {"mode": "drain" if drain else "now"})
        return self

    def clone(self, name: Optional[str] = None) -> Experiment:
        data = self._post(":clone", {"name": name} if name else {})
        return Experiment(self.client, data["name"], self.project, data)

    def delete(self, force: bool = False) -> None:
        self.client.request("DELETE", self.path, query={"force": True} if force else None)

    def update(self, *, labels: Optional[Mapping[str, Optional[str]]] = None, annotations: Optional[Mapping[str, Optional[str]]] = None,
               note: Optional[str] = None, max_trials: Optional[int] = None, parallel: Optional[int] = None, max_failed: Optional[int] = None,
               time_limit: Optional[float] = None) -> Experiment:
        """Changes what can be changed; None stays as it is (of labels and annotations it takes the entry away)."""
        body: Dict[str, Any] = {k: v for k, v in (("labels", labels), ("annotations", annotations), ("note", note)) if v is not None}
        trials = {k: v for k, v in (("max", max_trials), ("parallel", parallel), ("max_failed", max_failed)) if v is not None}
        if trials:
            body["trials"] = trials
        if time_limit is not None:
            body["limits"] = {"time": time_limit}
        self._data = self.client.request("PATCH", self.path, body=body)
        return self

    # trials to run

    def ask(self, worker: Optional[str] = None, lease: Optional[float] = None, timeout: Optional[float] = None) -> Trial:
        """The next trial to run, waiting for one. The same `worker` gets its unfinished trial again, so give each that runs at the same
        time a name of its own (left out, it has one). ExperimentDone at the end, TimeoutError when the time is over first."""
        end = None if timeout is None else time.monotonic() + timeout
        worker = worker or worker_name()
        while True:
            left = LONG_POLL if end is None else max(0.0, min(LONG_POLL, end - time.monotonic()))
            got = self.ask_many(1, worker, lease, left)
            if got:
                return got[0]
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"{self.name} had no trial to give within {timeout} s")

    def ask_many(self, count: int, worker: Optional[str] = None, lease: Optional[float] = None, wait: float = 0.0) -> List[Trial]:
        """Up to `count` trials; ExperimentDone when there will be no more."""
        from ._spool import replay

        if not self._replayed:
            replay(self.client.transport, self.uid)
            self._replayed = True
        seconds = lease or float(self.spec["trials"].get("lease") or 3600)
        body: Dict[str, Any] = {"count": count, "worker": worker or worker_name(), "wait_seconds": round(wait, 3)}
        if lease:
            body["lease_seconds"] = lease
        answer = self._post("/trials:suggest", body, timeout=wait + 60)
        if not answer["trials"] and answer.get("done"):
            raise ExperimentDone(self.name, str(answer.get("reason") or ""))
        return [self._trial(t, seconds) for t in answer["trials"]]

    def work(self, worker: Optional[str] = None, lease: Optional[float] = None) -> Iterator[Trial]:
        """The trials to run, one after another until the experiment's end: `for t in e.work(): with t: t.tell(loss=f(**t.params))`.
        One that was left without an end is given up when the next is asked for."""
        worker = worker or worker_name()
        while True:
            try:
                trial = self.ask(worker, lease)
            except ExperimentDone:
                return
            yield trial
            if not trial.ended:
                trial.fail("it was left without a result")

    def enqueue(self, params: Mapping[str, Any]) -> Trial:
        """A point of your own, tried before others."""
        return self._trial(self._post("/trials", {"params": dict(params)}))

    enqueue_trial = enqueue

    def add(self, params: Mapping[str, Any], metrics: Mapping[str, float], state: str = "SUCCEEDED") -> Trial:
        """A finished trial from elsewhere, which the search then knows of."""
        if state not in FINAL:
            raise ValueError(f"state must be one of {', '.join(FINAL)}")
        return self._trial(self._post("/trials", {"params": dict(params), "state": state, "metrics": {k: metric_value(v) for k, v in metrics.items()}}))

    def _trial(self, data: Dict[str, Any], lease_seconds: float = 3600.0) -> Trial:
        head = {"experiment": self.name, "project": self.project, "trial": data["number"], "uid": self.uid}
        return Trial(data, self, self.client.transport, f"{self.path}/trials/{data['number']}", head, self.metric, self.space, lease_seconds)

    def _repr_html_(self) -> str:
        from ._html import experiment_html

        return experiment_html(self)

    def show(self, height: int = 480) -> Any:
        """The dashboard's page of this experiment, inside the notebook. The service must let the notebook's pages frame it: `hone serve
        --frames http://localhost:8888`; one that was started from a notebook does. The link in it works once; the browser stays logged in."""
        from ._html import View

        link = self.client.link().replace("://127.0.0.1:", "://localhost:")  # where the notebook is, so that it is the same site
        return View(f"{link}#/{self.project}/{self.name}?embed=1", height)

    def watch(self) -> Experiment:
        """One line that follows it to its end."""
        from ._html import progress_line

        last = ""
        try:
            def show(e: Experiment) -> None:
                nonlocal last
                line = progress_line(e)
                print("\r" + line + " " * max(0, len(last) - len(line)), end="", flush=True)
                last = line

            show(self.refresh())
            return self.wait(on_update=show)
        finally:
            print()


class Trials:
    """The trials of an experiment, read page by page as they are needed."""

    def __init__(self, experiment: Experiment, filter: Optional[str] = None, order_by: Optional[str] = None) -> None:
        self.experiment, self.filter, self.order_by = experiment, filter, order_by

    def where(self, filter: Optional[str] = None, order_by: Optional[str] = None) -> Trials:
        """`where("state=SUCCEEDED AND params.lr<1e-3", order_by="objective")` (docs/reference/filters.md)."""
        return Trials(self.experiment, filter or self.filter, order_by or self.order_by)

    def __iter__(self) -> Iterator[Trial]:
        query = {"filter": self.filter, "order_by": self.order_by}
        for row in self.experiment.client._pages(self.experiment.path + "/trials", "trials", query):
            yield self.experiment._trial(row)

    def __len__(self) -> int:
        path = self.experiment.path + "/trials" + query_text({"page_size": 1, "count": True, "filter": self.filter})
        return int(self.experiment.client.request("GET", path)["total"])

    def __bool__(self) -> bool:
        return len(self) > 0

    def to_dicts(self) -> List[Dict[str, Any]]:
        """A flat row for each trial: number, state, objective, params.NAME, metrics.NAME."""
        rows: List[Dict[str, Any]] = []
        for t in self:
            row: Dict[str, Any] = {"number": t.number, "state": t.state, "objective": t.value}
            row.update({f"params.{k}": v for k, v in t.params.items()})
            row.update({f"metrics.{k}": v for k, v in t.metrics.items()})
            rows.append(row)
        return rows

    def to_pandas(self) -> Any:
        if self.filter is None and self.order_by is None:
            return self.experiment.to_pandas()
        import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return pandas.DataFrame(self.to_dicts())


