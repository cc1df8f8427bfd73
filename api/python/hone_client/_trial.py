# SPDX-License-Identifier: Apache-2.0
"""A trial: what is known of it, its parameters, and what can be told to the service about it."""
from __future__ import annotations

import math
import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Type, Union, overload

from . import _space
from ._errors import ApiError, HoneError, LeaseLost, TrialFinished, UndeclaredParameter
from ._keeper import keeper
from ._spool import Outbox

if TYPE_CHECKING:
    from ._experiment import Experiment
    from ._http import Transport

FINAL = ("SUCCEEDED", "PRUNED", "INFEASIBLE", "FAILED", "LOST", "CANCELLED")
REPORT_PATIENCE = 1.0  # a training should not wait longer for its report to go out
TEXT_MAX = 4000


class Pruned(HoneError):
    """Raise it (or return `trial.pruned()`) to end a trial that was told to stop; what it reported counts."""


class _PrunedMark:
    def __repr__(self) -> str:
        return "pruned"


PRUNED = _PrunedMark()
Result = Union[None, float, Mapping[str, float], _PrunedMark]


def number(value: Any) -> Optional[float]:
    """A number of the service: NaN and the infinities come as texts."""
    return None if value is None else float(value)


def metric_value(value: Any) -> Union[float, str]:
    x = float(value)
    return x if math.isfinite(x) else "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def plain_value(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


_Float = float  # Params has methods of these names
_Int = int
_Bool = bool


class Params:
    """Suggests values by name. In a trial they are the service's; elsewhere `default`, or the middle of the range."""

    params: Dict[str, Any]

    def _value(self, name: str, spec: Optional[_space.Spec], default: Any, when: Optional[_space.When]) -> Any:
        raise NotImplementedError

    @overload
    def float(self, name: str, low: Optional[_Float] = None, high: Optional[_Float] = None, *, log: _Bool = False, step: Optional[_Float] = None,
              default: Optional[_Float] = None, when: None = None) -> _Float: ...
    @overload
    def float(self, name: str, low: Optional[_Float] = None, high: Optional[_Float] = None, *, log: _Bool = False, step: Optional[_Float] = None,
              default: Optional[_Float] = None, when: _space.When) -> Optional[_Float]: ...

    def float(self, name: str, low: Optional[_Float] = None, high: Optional[_Float] = None, *, log: _Bool = False, step: Optional[_Float] = None,
              default: Optional[_Float] = None, when: Optional[_space.When] = None) -> Optional[_Float]:
        """A number in [low, high]. With `when` (`{"optimizer": "sgd"}`) it is None where the parameter does not exist."""
        spec = None
        if low is not None and high is not None:
            spec = _space.loguniform(low, high, when=when) if log else _space.uniform(low, high, step, when=when)
        value = self._value(name, spec, default, when)
        return None if value is None else float(value)

    @overload
    def int(self, name: str, low: Optional[_Int] = None, high: Optional[_Int] = None, *, log: _Bool = False, step: Optional[_Int] = None,
            default: Optional[_Int] = None, when: None = None) -> _Int: ...
    @overload
    def int(self, name: str, low: Optional[_Int] = None, high: Optional[_Int] = None, *, log: _Bool = False, step: Optional[_Int] = None,
            default: Optional[_Int] = None, when: _space.When) -> Optional[_Int]: ...

    def int(self, name: str, low: Optional[_Int] = None, high: Optional[_Int] = None, *, log: _Bool = False, step: Optional[_Int] = None,
            default: Optional[_Int] = None, when: Optional[_space.When] = None) -> Optional[_Int]:
        """A whole number in [low, high]."""
        spec = _space.integer(low, high, step, log=log, when=when) if low is not None and high is not None else None
        value = self._value(name, spec, default, when)
        return None if value is None else int(value)

    def choice(self, name: str, values: Optional[Sequence[Any]] = None, *, default: Any = None, when: Optional[_space.When] = None) -> Any:
        """One of the values."""
        return self._value(name, _space.choice(values, when=when) if values is not None else None, default, when)

    def bool(self, name: str, *, default: Optional[_Bool] = None, when: Optional[_space.When] = None) -> Any:
        return self._value(name, _space.boolean(when=when), default, when)

    def __getitem__(self, name: str) -> Any:
        return self._value(name, None, None, None)

    # the names of Optuna

    def suggest_float(self, name: str, low: _Float, high: _Float, *, step: Optional[_Float] = None, log: _Bool = False) -> _Float:
        return self.float(name, low, high, log=log, step=step)

    def suggest_int(self, name: str, low: _Int, high: _Int, *, step: _Int = 1, log: _Bool = False) -> _Int:
        return self.int(name, low, high, log=log, step=step if step != 1 else None)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.choice(name, choices)


def asked(space: Optional[Mapping[str, Any]], params: Mapping[str, Any], name: str, spec: Optional[_space.Spec], when: Optional[_space.When]) -> Any:
    """The value that a trial with these parameters answers to a question."""
    declared = space.get(name) if space is not None else None
    if space is not None and declared is None:
        raise UndeclaredParameter(
            f"the experiment has no parameter {name!r} (it has {', '.join(space)}). tune() learns the parameters from the first call of the "
            f"objective, up to its first report: ask for {name!r} in every call (with when={{...}} if it belongs to a branch), or declare all with space=")
    if declared is not None and spec is not None and not _same(spec, declared):
        raise ValueError(f"{name!r} is asked for as {spec}, but the experiment has it as {declared}: a range cannot change between trials")
    if name in params:
        return params[name]
    if when or (space is None and spec is None):
        return None
    raise UndeclaredParameter(f"parameter {name!r} does not exist in this trial (its condition is {(declared or {}).get('when')}): ask with when=")


def _same(spec: Mapping[str, Any], declared: Mapping[str, Any]) -> bool:
    for key in ("type", "min", "max", "values"):
        if key in spec and spec[key] != declared.get(key):
            return False
    return (spec.get("scale") == "log") == (declared.get("scale") == "log" or declared.get("distribution") in ("logUniform", "logNormal"))


class Trial(Params):
    """A trial of an experiment. One that was asked for (`lease` in its data) is this process's to run: its lease is renewed in the
    background from `ask` to its end, and as a context manager it is completed, or failed when the block raises."""

    def __init__(self, data: Dict[str, Any], experiment: Optional[Experiment], transport: Transport, path: str, head: Dict[str, Any],
                 metric: Optional[str] = None, space: Optional[Mapping[str, Any]] = None, lease_seconds: float = 3600.0,
                 spool: Optional[str] = None, run_by_service: bool = False) -> None:
        self.data = data
        self.experiment = experiment
        self.params = dict(data.get("params") or {})
        self.should_stop = False  # as the service said last
        self.stop_reason = ""
        self.lost = False  # the trial is another attempt's now
        self._transport, self._path, self._metric, self._space = transport, path, metric, space
        self._lease_seconds, self._run_by_service = lease_seconds, run_by_service
        self._outbox = Outbox(transport, head, spool)
        self._lock = threading.RLock()
        self._steps = 0
        self._ended = False
        if data.get("lease"):
            keeper.hold(self)

    def __repr__(self) -> str:
        return f"<Trial {self.number} {self.state} {self.params}" + (f" objective={self.value:.6g}>" if self.value is not None else ">")

    # what is known

    @property
    def number(self) -> int:
        return int(self.data["number"])

    @property
    def state(self) -> str:
        return str(self.data.get("state", ""))

    @property
    def reason(self) -> str:
        return str(self.data.get("reason") or "")

    @property
    def message(self) -> str:
        return str(self.data.get("message") or "")

    @property
    def value(self) -> Optional[float]:
        """Its objective, None while it has none."""
        return number(self.data.get("objective"))

    @property
    def metrics(self) -> Dict[str, float]:
        return {k: float(v) for k, v in (self.data.get("metrics") or {}).items()}

    @property
    def labels(self) -> Dict[str, str]:
        return dict(self.data.get("labels") or {})

    @property
    def attempt(self) -> int:
        return int((self.data.get("lease") or {}).get("attempt") or self.data.get("attempt") or 0)

    @property
    def budget(self) -> Optional[int]:
        """The step at which this attempt is to end, its checkpoint saved; None: it runs to its own end."""
        told = os.environ.get("HONE_BUDGET") if self._run_by_service else (self.data.get("lease") or {}).get("budget")
        return int(told) if told else None

    @property
    def parent(self) -> Optional[int]:
        """Number of the trial whose checkpoint this one goes on from (`pbt`); None: it goes on from none."""
        told = os.environ.get("HONE_PARENT") if self._run_by_service else (self.data.get("origin") or {}).get("parent")
        return int(told) if told else None

    @property
    def ended(self) -> bool:
        return self._ended or self.state in FINAL

    def refresh(self) -> Trial:
        self.data = self._transport.request("GET", self._path).json
        return self

    # its parameters

    def _value(self, name: str, spec: Optional[_space.Spec], default: Any, when: Optional[_space.When]) -> Any:
        return asked(self._space, self.params, name, spec, when)

    # what is told

    def _verb(self, verb: str, body: Dict[str, Any], patience: float) -> Optional[Dict[str, Any]]:
        if self.attempt and not self._run_by_service:
            body["attempt"] = self.attempt
        return self._outbox.send(f"{self._path}:{verb}", body, patience)

    def _heard(self, answer: Optional[Dict[str, Any]]) -> bool:
        if answer and answer.get("should_stop"):
            self.should_stop, self.stop_reason = True, str(answer.get("reason") or "")
        return self.should_stop

    def _metrics(self, value: Any, more: Mapping[str, Any]) -> Dict[str, Any]:
        named: Dict[str, Any] = dict(more)
        if isinstance(value, Mapping):
            named.update(value)
        elif value is not None:
            if not self._metric:
                raise ValueError("which metric is this? Say report(NAME=value)")
            named[self._metric] = value
        return {k: metric_value(v) for k, v in named.items()}

    def report(self, value: Union[None, float, Mapping[str, float]] = None, step: Optional[int] = None, *, progress: Optional[float] = None,
               **metrics: float) -> bool:
        """Tells metrics of a step: `report(loss=0.3, step=5)`, or `report(0.3, 5)` for the objective. True: please stop.
        While the service is away reports wait on disk. It never raises because of the service, so a training need not care."""
        named = self._metrics(value, metrics)
        with self._lock:
            self._steps = self._steps + 1 if step is None else int(step)
            body: Dict[str, Any] = {"measurements": [{"step": self._steps, "metrics": named}] if named else []}
            if progress is not None:
                body["progress"] = min(1.0, max(0.0, float(progress)))
            try:
                return self._heard(self._verb("report", body, REPORT_PATIENCE))
            except (LeaseLost, TrialFinished):
                self.lost = self.should_stop = True
                return True
            except ApiError as e:
                print(f"hone: a report of trial {self.number} was refused: {e}", file=sys.stderr)
                return self.should_stop

    def should_prune(self) -> bool:
        return self.should_stop

    def pruned(self) -> _PrunedMark:
        """What an objective returns when it stopped because `report` said so."""
        return PRUNED

    def tell(self, value: Union[None, float, Mapping[str, float]] = None, **metrics: float) -> Trial:
        """The end: with metrics, or without when they were reported. While the service is away it waits on disk."""
        return self._end("complete", {"metrics": self._metrics(value, metrics)} if value is not None or metrics else {})

    complete = tell

    def fail(self, message: str = "", reason: str = "") -> Trial:
        return self._end("fail", {k: v for k, v in (("message", message[-TEXT_MAX:]), ("reason", reason)) if v})

    def infeasible(self, message: str = "", reason: str = "") -> Trial:
        """The parameters make no sense: the search avoids such ones."""
        return self._end("infeasible", {k: v for k, v in (("message", message[-TEXT_MAX:]), ("reason", reason)) if v})

    def _end(self, verb: str, body: Dict[str, Any]) -> Trial:
        with self._lock:
            if self._run_by_service and verb == "complete":  # the end of its process is the end of the trial
                if body:
                    self._heard(self._verb("report", {"measurements": [{"metrics": body["metrics"]}]}, self._transport.patience))
                return self
            try:
                answer = self._verb(verb, body, self._transport.patience)
            except (LeaseLost, TrialFinished):
                self.lost = True
                self.release()
                raise
            if answer is not None:
                self.data = {**answer, "lease": None}
            self.release()
        return self

    def release(self) -> None:
        """Renews its lease no more. Without an end it is another worker's when the lease is over."""
        self._ended = True
        keeper.release(self)

    def heartbeat(self) -> bool:
        """Renews the lease now (the background does it too). True: please stop."""
        with self._lock:
            body = {"attempt": self.attempt} if self.attempt and not self._run_by_service else {}
            return self._heard(self._transport.request("POST", self._path + ":heartbeat", body=body).json)

    def flush(self, patience: float = 30.0) -> bool:
        """Sends reports that wait on disk; whether none waits any more."""
        with self._lock:
            return self._outbox.flush(patience)

    def _renew(self) -> None:
        if not self._lock.acquire(timeout=1.0):
            return  # a report is on its way, and renews it
        try:
            if self._outbox.flush():
                body = {"attempt": self.attempt} if self.attempt else {}
                self._heard(self._transport.request("POST", self._path + ":heartbeat", body=body, patience=1.0, timeout=10.0).json)
        except (LeaseLost, TrialFinished):
            self.lost = self.should_stop = True
            keeper.release(self)
        except HoneError:
            pass  # the next one may do
        finally:
            self._lock.release()
            self._transport.close()

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> bool:
        if self._ended:
            return False
        if error is None or isinstance(error, Pruned):
            self.tell()
            return error is not None
        if isinstance(error, Exception):
            self.fail(describe(error))
        else:  # interrupted: nothing is known of the parameters
            self.cancel()
        return False

    # what others do with it

    def cancel(self) -> Trial:
        """Ends it from outside: a worker learns it from its next report."""
        self.data = self._transport.request("POST", self._path + ":stop").json
        self.release()
        return self

    def retry(self) -> Trial:
        self.data = self._transport.request("POST", self._path + ":retry").json
        return self

    def update(self, *, labels: Optional[Mapping[str, Optional[str]]] = None, note: Optional[str] = None) -> Trial:
        body = {k: v for k, v in (("labels", labels), ("note", note)) if v is not None}
        self.data = self._transport.request("PATCH", self._path, body=body).json
        return self

    def delete(self) -> None:
        self._transport.request("DELETE", self._path)

    def measurements(self, metric: Optional[str] = None, from_step: Optional[int] = None, max_points: Optional[int] = None) -> List[Dict[str, Any]]:
        query = {"metric": metric, "from_step": from_step, "max_points": max_points}
        rows: List[Dict[str, Any]] = self._transport.request("GET", self._path + "/measurements", query=query).json["measurements"]
        for row in rows:
            row["value"] = number(row["value"])
        return rows

    def logs(self, stream: str = "stdout", tail: Optional[int] = None, attempt: Optional[int] = None) -> str:
        query = {"stream": stream, "tail": tail, "attempt": attempt}
        return self._transport.request("GET", self._path + "/logs", query=query).body.decode("utf-8", "replace")

    def follow_logs(self, stream: str = "stdout") -> Iterator[str]:
        """What it writes, until its end."""
        offset = 0
        while True:
            query = {"stream": stream, "offset": offset, "wait": 20}
            answer = self._transport.request("GET", self._path + "/logs", query=query, timeout=60.0)
            offset = int(answer.headers["Next-Offset"])
            if answer.body:
                yield answer.body.decode("utf-8", "replace")
            if answer.headers["Log-End"] == "true":
                return

    def explain(self) -> Dict[str, Any]:
        """Why it was suggested, and why it was stopped."""
        answer: Dict[str, Any] = self._transport.request("GET", self._path + "/explain").json
        return answer

    def _repr_html_(self) -> str:
        from ._html import trial_html

        return trial_html(self)


def describe(error: BaseException) -> str:
    """A traceback whose end is kept when it is long."""
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))[-TEXT_MAX:]


class LocalTrial(Params):
    """Outside a trial: parameters are the defaults, and nothing is told to anybody. So the same script runs alone."""

    number, attempt, should_stop, lost, state = 0, 0, False, False, ""

    def __init__(self, params: Optional[Mapping[str, Any]] = None) -> None:
        self.params = dict(params or {})

    def _value(self, name: str, spec: Optional[_space.Spec], default: Any, when: Optional[_space.When]) -> Any:
        if name not in self.params:
            if default is None and spec is None:
                raise UndeclaredParameter(f"there is no trial, and {name!r} has neither a range nor a default")
            if spec is not None and not _space.active(spec, self.params):
                return None
            self.params[name] = default if default is not None else _space.middle(spec or {})
        return self.params[name]

    def report(self, value: Any = None, step: Optional[int] = None, *, progress: Optional[float] = None, **metrics: Any) -> bool:
        return False

    def should_prune(self) -> bool:
        return False

    def pruned(self) -> _PrunedMark:
        return PRUNED

    def tell(self, value: Any = None, **metrics: Any) -> LocalTrial:
        return self

    complete = tell

    def fail(self, message: str = "", reason: str = "") -> LocalTrial:
        return self

    infeasible = fail

    def heartbeat(self) -> bool:
        return False

    def flush(self, patience: float = 0.0) -> bool:
        return True

    def __enter__(self) -> LocalTrial:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


AnyTrial = Union[Trial, LocalTrial]
_current = threading.local()
_of_environment: Optional[Trial] = None


def current_trial() -> AnyTrial:
    """The trial that this code runs in: of tune(), or of the command that the service started. Elsewhere one that does nothing."""
    global _of_environment
    mine = getattr(_current, "trial", None)
    if mine is not None:
        found: AnyTrial = mine
        return found
    if not os.environ.get("HONE_TRIAL") or not os.environ.get("HONE_URL"):
        return LocalTrial()
    if _of_environment is None:
        _of_environment = _from_environment()
    return _of_environment


def _from_environment() -> Trial:
    import atexit
    import json

    from ._find import Finder
    from ._http import Transport

    env = os.environ
    project, experiment, n = env.get("HONE_PROJECT", "default"), env.get("HONE_EXPERIMENT", ""), int(env["HONE_TRIAL"])
    data = {"number": n, "state": "RUNNING", "params": json.loads(env.get("HONE_PARAMS") or "{}"), "attempt": int(env.get("HONE_ATTEMPT") or 1)}
    path = f"/api/v1/projects/{project}/experiments/{experiment}/trials/{n}"
    transport = Transport(Finder(None, None, None, False))
    trial = Trial(data, None, transport, path, {"experiment": experiment, "trial": n}, spool=env.get("HONE_WORK_DIR"), run_by_service=True)

    def last() -> None:
        if not trial.flush(0.0):
            print("hone: the service is away; waiting to send the last reports", file=sys.stderr)
            if not trial.flush(float(env.get("HONE_EXIT_PATIENCE") or 300)):
                print("hone: the last reports were not sent", file=sys.stderr)

    atexit.register(last)
    return trial


def params(parser: Any = None, args: Optional[Sequence[str]] = None) -> Any:
    """The parameters of the trial that the service started this process for, {} elsewhere. With an argparse parser: its arguments, in
    which the trial's parameters take the place of defaults (what stands on the command line wins)."""
    given = dict(current_trial().params)
    if parser is None:
        return given
    known = {a.dest for a in parser._actions}
    parser.set_defaults(**{k: v for k, v in ((k.replace("-", "_"), v) for k, v in given.items()) if k in known})
    for action in parser._actions:
        if action.dest in given or action.dest.replace("_", "-") in given:
            action.required = False
    return parser.parse_args(args)
