# SPDX-License-Identifier: Apache-2.0
"""The whole API."""
from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from . import _space
from ._errors import ExperimentExists
from ._experiment import Experiment
from ._find import Finder
from ._http import Transport

Objective = Union[Mapping[str, Any], Sequence[Mapping[str, Any]]]


def minimize(metric: str, goal: Optional[float] = None, strategy: str = "last") -> Dict[str, Any]:
    return _objective(metric, "minimize", goal, strategy)


def maximize(metric: str, goal: Optional[float] = None, strategy: str = "last") -> Dict[str, Any]:
    return _objective(metric, "maximize", goal, strategy)


def _objective(metric: str, direction: str, goal: Optional[float], strategy: str) -> Dict[str, Any]:
    out: Dict[str, Any] = {"metric": metric, "direction": direction, "strategy": strategy}
    if goal is not None:
        out["goal"] = goal
    return out


class Client:
    """A service: that of `url` and `token`, else of HONE_URL and HONE_TOKEN, else the one that runs in the data directory (`data`, HONE_DATA,
    ~/.local/share/hone). With `start` one is started there when none runs; it ends with this process unless `keep`.

    Requests go on for `patience` seconds while nobody answers. A client may be used by several threads, and by forked processes."""

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, *, project: str = "default", data: Optional[str] = None,
                 start: bool = False, keep: bool = False, patience: float = 30.0, timeout: float = 30.0) -> None:
        self.project = project
        self.transport = Transport(Finder(url, token, data, start, keep), patience, timeout)

    def __repr__(self) -> str:
        return f"<Client {self.url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Closes this thread's connection; the next request makes a new one."""
        self.transport.close()

    @property
    def url(self) -> str:
        return self.transport.endpoint.url

    def request(self, method: str, path: str, *, query: Optional[Mapping[str, Any]] = None, body: Any = None,
                headers: Optional[Mapping[str, str]] = None, timeout: Optional[float] = None) -> Any:
        """Any request of the REST API; the JSON of the answer."""
        return self.transport.request(method, path, query=query, body=body, headers=headers, timeout=timeout).json

    def _pages(self, path: str, member: str, query: Mapping[str, Any]) -> Iterator[Dict[str, Any]]:
        token: Optional[str] = None
        while True:
            page = self.request("GET", path, query={**query, "page_size": 500, "page_token": token})
            yield from page[member]
            token = page.get("next_page_token")
            if not token:
                return

    def _events(self, path: str, after: Optional[int], follow: bool, query: Optional[Mapping[str, Any]] = None) -> Iterator[Dict[str, Any]]:
        while True:
            page = self.request("GET", path, query={**(query or {}), "after": after, "limit": 1000, "wait": 20 if follow else None}, timeout=60.0)
            yield from page["events"]
            if not follow and (not page["events"] or page["next_revision"] == after):
                return
            after = page["next_revision"]

    # experiments

    def _collection(self, project: Optional[str] = None) -> str:
        return f"/api/v1/projects/{project or self.project}/experiments"

    def create(self, name: Optional[str] = None, *, space: Optional[_space.Space] = None, objective: Optional[Objective] = None,
               algorithm: Union[None, str, Mapping[str, Any]] = None, stopping: Union[None, str, Mapping[str, Any]] = None,
               max_trials: Optional[int] = None, parallel: Optional[int] = None, if_exists: str = "raise", project: Optional[str] = None,
               spec: Optional[Mapping[str, Any]] = None, **members: Any) -> Experiment:
        """An experiment of these arguments, of `spec` (an experiment file as an object), or both. Other members of the file are keywords:
        `constraints=[...]`, `seed=7`, `trials={...}`. `if_exists="return"`: the one that has the name already, as it is."""
        if if_exists not in ("raise", "return"):
            raise ValueError("if_exists is 'raise' or 'return'")
        body: Dict[str, Any] = {**(spec or {}), **{k: v for k, v in members.items() if v is not None}}
        for key, value in (("name", name), ("algorithm", algorithm), ("stopping", stopping)):
            if value is not None:
                body[key] = value
        if space is not None:
            body["parameters"] = _space.parameters(space)
        if objective is not None:
            body["objective" if isinstance(objective, Mapping) else "objectives"] = objective
        trials = {k: v for k, v in (("max", max_trials), ("parallel", parallel)) if v is not None}
        if trials:
            body["trials"] = {**(body.get("trials") or {}), **trials}
        try:
            return self._created(self.request("POST", self._collection(project), body=body), project)
        except ExperimentExists:
            if if_exists == "raise" or not body.get("name"):
                raise
            return self.experiment(str(body["name"]), project).refresh()

    def create_file(self, path: str, project: Optional[str] = None) -> Experiment:
        """An experiment of a YAML or JSON file."""
        with open(path, "rb") as file:
            text = file.read()
        answer = self.request("POST", self._collection(project), body=text, headers={"Content-Type": "application/yaml"})
        return self._created(answer, project)

    def _created(self, data: Dict[str, Any], project: Optional[str]) -> Experiment:
        return Experiment(self, data["name"], data.get("project") or project or self.project, data)

    def validate(self, spec: Mapping[str, Any]) -> Dict[str, Any]:
        """Only checks: `{"valid", "spec", "warnings", "samples"}`. SpecInvalid names every problem."""
        answer: Dict[str, Any] = self.request("POST", self._collection(), query={"validate_only": True}, body=dict(spec))
        return answer

    def experiment(self, name: str, project: Optional[str] = None) -> Experiment:
        """A handle; nothing is asked yet."""
        return Experiment(self, name, project or self.project)

    def experiments(self, filter: Optional[str] = None, order_by: Optional[str] = None, project: Optional[str] = None) -> Iterator[Experiment]:
        """Those of the project; project "-": of all."""
        for row in self._pages(self._collection(project), "experiments", {"filter": filter, "order_by": order_by}):
            yield Experiment(self, row["name"], row["project"], row)

    # the service

    def projects(self) -> List[Dict[str, Any]]:
        rows: List[Dict[str, Any]] = self.request("GET", "/api/v1/projects")["projects"]
        return rows

    def capabilities(self) -> Dict[str, Any]:
        """Algorithms, stopping rules, backends, collectors, limits."""
        answer: Dict[str, Any] = self.request("GET", "/api/v1/capabilities")
        return answer

    def version(self) -> str:
        return str(self.request("GET", "/version")["version"])

    def ready(self) -> bool:
        return self.transport.request("GET", "/readyz").status == 200

    def link(self) -> str:
        """A link that opens the dashboard, once."""
        return str(self.request("GET", "/api/v1/link")["url"])

    def explain_code(self, code: str) -> str:
        """What an error's code means."""
        return self.transport.request("GET", f"/problems/{code}").body.decode()

    def metrics(self) -> str:
        """The service's own numbers, for Prometheus."""
        return self.transport.request("GET", "/metrics").body.decode()

    def openapi(self) -> Dict[str, Any]:
        answer: Dict[str, Any] = self.request("GET", "/openapi.json")
        return answer

    def events(self, after: Optional[int] = None, follow: bool = False, project: Optional[str] = None,
               experiment: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        """What happened, oldest first; with `follow` for ever."""
        return self._events("/api/v1/events", after, follow, {"project": project, "experiment": experiment})
