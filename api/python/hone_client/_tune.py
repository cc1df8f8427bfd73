# SPDX-License-Identifier: Apache-2.0
"""tune(): an objective in Python, run by worker processes (or threads) that ask the service for trials."""
from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from . import _space
from ._client import Client
from ._errors import ExperimentDone, HoneError, LeaseLost, NotFound, ObjectiveFailed, TrialFinished, Unreachable
from ._experiment import ENDED, Experiment, worker_name
from ._keeper import keeper
from ._trial import PRUNED, Pruned, Trial, _current, asked, describe

LEASE_SECONDS = 120.0
DEATHS = 1  # a trial whose process was killed is run again so often
EMPTY_DEATHS = 3  # processes that die without a trial in hand: something else is wrong

Names = Union[None, str, Sequence[str]]
Objective = Callable[[Trial], Any]


class _Job:
    """What a worker needs; it is sent to its process."""

    def __init__(self, objective: Objective, client: Client, spec: Dict[str, Any], experiment: Optional[Experiment], lease: float) -> None:
        self.objective, self.client, self.spec, self.experiment, self.lease = objective, client, spec, experiment, lease
        self.parent: Optional[int] = None  # workers end when it is gone


class _FirstTrial(Trial):
    """The first call of an objective whose parameters nobody declared. What it asks for becomes the space: at its first report, or at its
    end, the experiment is created with that space and these values as its first point, and from then on this is that trial."""

    def __init__(self, job: _Job, worker: str, created: Callable[[Experiment], None]) -> None:
        self._job, self._worker, self._created = job, worker, created
        self._asked: Dict[str, _space.Spec] = {}
        self._real = False
        self.data = {"number": 0, "params": {}}
        self.params: Dict[str, Any] = {}
        self.experiment = None
        self.should_stop = self.lost = self._ended = False

    def _value(self, name: str, spec: Optional[_space.Spec], default: Any, when: Optional[_space.When]) -> Any:
        if self._real:
            return asked(self._space, self.params, name, spec, when)
        if spec is None and name not in self._asked:
            raise ValueError(f"{name!r} is not known yet: say its range, or declare the parameters with tune(..., space={{...}})")
        if spec is not None and name not in self._asked:
            self._asked[name] = spec
            if _space.active(spec, self.params):
                self.params[name] = default if default is not None else _space.middle(spec)
        return self.params.get(name)

    def _become(self) -> None:
        if self._real:
            return
        if not self._asked:
            raise ValueError("the objective has asked for no parameter: ask for them before the first report, or declare them with tune(..., space={...})")
        experiment = _create(self._job, self._asked, [self.params])
        trial = experiment.ask(self._worker, self._job.lease)
        mine = self.params
        keeper.release(trial)
        self.__dict__.update(trial.__dict__)
        self._real, self.params = True, mine
        keeper.hold(self)
        self._created(experiment)

    def report(self, value: Any = None, step: Optional[int] = None, *, progress: Optional[float] = None, **metrics: float) -> bool:
        self._become()
        return super().report(value, step, progress=progress, **metrics)

    def _end(self, verb: str, body: Dict[str, Any]) -> Trial:
        self._become()
        return super()._end(verb, body)

    def _metrics(self, value: Any, more: Mapping[str, Any]) -> Dict[str, Any]:
        self._become()
        return super()._metrics(value, more)

    def cancel(self) -> Trial:
        return super().cancel() if self._real else self


def _create(job: _Job, space: Mapping[str, Any], points: Optional[List[Dict[str, Any]]]) -> Experiment:
    spec = dict(job.spec)
    if points:
        spec["initial_points"] = points + list(spec.get("initial_points") or [])
    experiment = job.client.create(spec=spec, space=space)
    job.experiment = experiment
    return experiment


def _metrics_of(result: Any, experiment: Experiment) -> Optional[Dict[str, Any]]:
    """What an objective returned, by name; None: what it has reported counts."""
    if result is None or result is PRUNED:
        return None
    if isinstance(result, Mapping):
        return dict(result)
    names = [str(o["metric"]) for o in experiment.objectives]
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(values) != len(names):
        raise ValueError(f"the objective returned {len(values)} values for {len(names)} objectives ({', '.join(names)})")
    return dict(zip(names, values))


def _run(job: _Job, trial: Trial) -> None:
    """One call of the objective. What it raises fails the trial, unless nothing could be right then."""
    _current.trial = trial
    try:
        result = job.objective(trial)
        if isinstance(trial, _FirstTrial):
            trial._become()
        assert job.experiment is not None
        trial.tell(_metrics_of(result, job.experiment)) if not trial.ended else None
    except Pruned:
        if not trial.ended:
            trial.tell()
    except (LeaseLost, TrialFinished):
        pass  # another has it, or it was ended from outside
    except Exception as e:
        if isinstance(trial, _FirstTrial) and not trial._real:
            raise
        if not trial.ended:
            try:
                trial.fail(describe(e))
            except (LeaseLost, TrialFinished):
                pass
        if isinstance(e, NotFound) or _is_usage(e):
            raise
    except BaseException:  # interrupted: nothing is known of the parameters
        if not trial.ended:
            trial.cancel()
        raise
    finally:
        _current.trial = None
        trial.release()


def _is_usage(error: Exception) -> bool:
    """A mistake in how the parameters are asked for would fail every trial."""
    from ._errors import UndeclaredParameter

    return isinstance(error, UndeclaredParameter) and bool(error.args) and "tune() learns" in str(error)


def _work(job: _Job, worker: str, created: Callable[[Experiment], None]) -> None:
    if job.experiment is None:
        _run(job, _FirstTrial(job, worker, created))
    assert job.experiment is not None
    while job.parent is None or os.getppid() == job.parent:
        try:
            trial = job.experiment.ask(worker, job.lease, timeout=None if job.parent is None else 30.0)
        except ExperimentDone:
            return
        except TimeoutError:
            continue  # a look at whether the parent lives
        _run(job, trial)


def _process(job: _Job, worker: str, pipe: Any) -> None:
    """A worker process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    finder: Any = job.client.transport.find
    finder.start = False  # a service that is gone is the parent's to start
    try:
        _work(job, worker, lambda e: pipe.send(("created", e.name)))
        pipe.send(("done", None))
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as e:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what went wrong must be told
        pipe.send(("error", (_portable(e), describe(e))))
        sys.stderr.flush()
        os._exit(1)


def _portable(error: Exception) -> Optional[Exception]:
    import pickle

    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return None


class _Workers:
    """The processes of one tune(): started, watched, started again when they die."""

    def __init__(self, job: _Job, n: int, method: Optional[str], show: Callable[[Experiment], None]) -> None:
        self.job, self.show = job, show
        self.context: Any = multiprocessing.get_context(method)
        job.parent = os.getpid()
        base = worker_name()
        self.names = [f"{base}-{i}" for i in range(n)]
        self.alive: Dict[int, Any] = {}
        self.pipes: Dict[int, Any] = {}
        self.deaths: Dict[int, int] = {}
        self.empty = 0
        self.error: Optional[BaseException] = None
        self.interrupted = False

    def start(self, i: int) -> None:
        here, there = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_process, args=(self.job, self.names[i], there), name=self.names[i])
        process.start()
        there.close()
        self.alive[i], self.pipes[i] = process, here

    def run(self) -> None:
        """Ctrl-C is looked at between two steps: within one a process could be started and not known."""
        before: Any = None
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            self._watch()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)

    def _interrupt(self, number: int, frame: Any) -> None:
        self.interrupted = True

    def _watch(self) -> None:
        try:
            for i in range(len(self.names) if self.job.experiment else 1):
                self.start(i)
            next_look = time.monotonic()
            while self.alive:
                self._listen(0.5)
                if self.error:
                    raise self.error
                if self.interrupted:
                    raise KeyboardInterrupt
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + 1.0
                    self._look()
        finally:
            self._end()

    def _look(self) -> None:
        """Shows how far it is; and if the service is gone and was started here, this starts it again."""
        try:
            if self.job.experiment:
                self.show(self.job.experiment.refresh())
            else:
                self.job.client.ready()
        except Unreachable:
            pass  # the workers wait too

    def _listen(self, timeout: float) -> None:
        from multiprocessing.connection import wait

        of = {id(p): i for i, p in self.pipes.items()}
        for ready in wait(list(self.pipes.values()), timeout):
            pipe: Any = ready
            i = of[id(pipe)]
            try:
                kind, what = pipe.recv()
            except (EOFError, OSError):
                kind, what = "gone", None
            if kind == "created":
                self.job.experiment = self.job.client.experiment(what).refresh()
                for j in range(1, len(self.names)):
                    self.start(j)
            elif kind == "error":
                self.alive[i].join(5.0)  # its last words
                error, text = what
                self.error = error or HoneError(text)
                if error is not None:
                    error.__cause__ = HoneError("in a worker process:\n" + text)
            elif kind in ("done", "gone"):
                self._ended(i, kind)

    def _ended(self, i: int, kind: str) -> None:
        process = self.alive.pop(i)
        self.pipes.pop(i).close()
        process.join()
        if kind == "done" or self.error:
            return
        how = f"signal {-process.exitcode}" if process.exitcode < 0 else f"exit code {process.exitcode}"
        e = self.job.experiment
        if e is None:
            raise HoneError(f"the process of the first trial ended with {how}")
        held = self._held(e, self.names[i])
        for trial in held:
            n = self.deaths[trial.number] = self.deaths.get(trial.number, 0) + 1
            if n > DEATHS:
                try:
                    trial.fail(f"its process ended with {how}", "SIGNAL" if process.exitcode < 0 else "EXIT_CODE")
                except (LeaseLost, TrialFinished):
                    pass
        self.empty = 0 if held else self.empty + 1
        if self.empty > EMPTY_DEATHS:
            raise HoneError(f"worker processes end with {how} before they have a trial")
        self.start(i)  # under the same name: it gets the trial again

    def _held(self, e: Experiment, worker: str) -> List[Trial]:
        return list(e.trials.where(f'worker="{worker}" AND (state=RUNNING OR state=STOPPING)'))

    def _end(self) -> None:
        """Nothing is left: not when all went well, but after Ctrl-C or an error."""
        if not self.alive:
            return
        for process in self.alive.values():
            if process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        end = time.monotonic() + 5.0
        for process in self.alive.values():
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        if self.job.experiment:
            for i in self.alive:
                for trial in self._held(self.job.experiment, self.names[i]):
                    trial.cancel()


def _threads(job: _Job, n: int) -> None:
    """Worker threads: for objectives that wait, or compute without Python's lock."""
    base = worker_name()
    errors: List[BaseException] = []
    if job.experiment is None:
        _run(job, _FirstTrial(job, base + "-0", lambda e: None))

    def one(i: int) -> None:
        try:
            _work(job, f"{base}-{i}", lambda e: None)
        except BaseException as e:
            errors.append(e)
        finally:
            job.client.close()

    threads = [threading.Thread(target=one, args=(i,), name=f"hone-worker-{i}", daemon=True) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        while t.is_alive():
            t.join(0.5)
    if errors:
        raise errors[0]


def _objectives(minimize: Names, maximize: Names, goal: Optional[float]) -> List[Dict[str, Any]]:
    rows: List[Dict[str, Any]] = []
    for names, direction in ((minimize, "minimize"), (maximize, "maximize")):
        for name in [names] if isinstance(names, str) else names or []:
            rows.append({"metric": name, "direction": direction})
    if not rows:
        raise ValueError('what should be small or large? Say minimize="loss" or maximize="accuracy"')
    if goal is not None:
        rows[0]["goal"] = goal
    return rows


def tune(objective: Objective, *, trials: Optional[int] = None, parallel: int = 1, minimize: Names = None, maximize: Names = None,
         space: Optional[_space.Space] = None, name: Optional[str] = None, algorithm: Union[None, str, Mapping[str, Any]] = None,
         stopping: Union[None, str, Mapping[str, Any]] = None, timeout: Optional[float] = None, goal: Optional[float] = None,
         seed: Optional[int] = None, if_exists: str = "raise", workers: str = "process", lease: float = LEASE_SECONDS,
         client: Optional[Client] = None, progress: Optional[bool] = None, **members: Any) -> Experiment:
    """Calls `objective(trial)` until `trials` have ended (100 if neither that nor `timeout` is said); `parallel` at once, each in a process.

    The objective returns its metric, a mapping of metrics, or None when it has reported them. `trial.report(loss=x, step=i)` answers True when the
    trial should stop (with `stopping="median"`, say); return `trial.pruned()` then.

    With `space` the parameters are declared, and are `trial.params`. Without, they are learned from the first call: see docs/how-to/python.md.
    `workers` is "process" (forked on Linux, so that functions of a notebook work), "fork", "spawn", "forkserver" or "thread".
    `if_exists="return"` goes on with the experiment of that name. Other members of the experiment file are keywords: `constraints=[...]`, `note=...`.

    What the objective raises fails its trial, and the experiment ends when too many fail (ObjectiveFailed). The service is one that
    runs, or is started here and ends with this process (`hone serve` shows the results again)."""
    if parallel < 1:
        raise ValueError("parallel must be at least 1")
    if workers not in ("process", "fork", "spawn", "forkserver", "thread"):
        raise ValueError(f"workers={workers!r}: it is process, fork, spawn, forkserver or thread")
    client = client or Client(start=True)
    client.ready()  # it is this process that starts one, not a worker
    spec: Dict[str, Any] = {k: v for k, v in {**members, "name": name, "algorithm": algorithm, "stopping": stopping, "seed": seed}.items() if v is not None}
    spec["objectives"] = _objectives(minimize, maximize, goal)
    if trials is None and timeout is None and "trials" not in spec:
        trials = 100
    if trials is not None:
        spec["trials"] = {"max": trials}
    if timeout is not None:
        spec["limits"] = {**(spec.get("limits") or {}), "time": timeout}
    job = _Job(objective, client, spec, None, lease)
    if if_exists == "return" and name:
        try:
            job.experiment = client.experiment(name).refresh()
        except NotFound:
            pass
    if job.experiment is None and space is not None:
        _create(job, space, None)
    show = _progress(progress)
    _go(job, parallel, workers, show)
    assert job.experiment is not None
    show(job.experiment.refresh())
    return _outcome(job.experiment)


def _progress(wanted: Optional[bool]) -> Callable[[Experiment], None]:
    shown = sys.stderr.isatty() if wanted is None else wanted
    from ._html import progress_line

    def show(e: Experiment) -> None:
        if shown:
            print("\r" + progress_line(e) + "\x1b[K", end="\n" if e.ended else "", file=sys.stderr, flush=True)

    return show


def _go(job: _Job, parallel: int, workers: str, show: Callable[[Experiment], None]) -> None:
    if workers == "thread":
        _threads(job, parallel)
    elif parallel == 1 and workers == "process":
        _work(job, worker_name(), lambda e: None)
    else:
        method = ("fork" if sys.platform == "linux" else None) if workers == "process" else workers
        _Workers(job, parallel, method, show).run()


def _outcome(e: Experiment) -> Experiment:
    if e.state not in ENDED:
        e.wait(30.0)
    if e.state == "FAILED":
        failed = list(e.trials.where("state=FAILED", order_by="-number"))
        raise ObjectiveFailed(f"{e.name}: {e.message or e.reason}" + (f"\n\ntrial {failed[0].number}:\n{failed[0].message}" if failed else ""))
    return e
