# SPDX-License-Identifier: Apache-2.0
"""The same for asyncio: each call runs in a thread of its own pool, so nothing blocks the loop. `sync` is the object underneath."""
from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Dict, List, Mapping, Optional, Type, TypeVar, Union

from ._client import Client
from ._errors import ExperimentDone
from ._experiment import Experiment, worker_name
from ._trial import Pruned, Trial, describe

T = TypeVar("T")
SHORT_POLL = 5.0  # a thread that waits cannot be interrupted


class _Pool:
    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hone-async")

    async def run(self, f: Callable[..., T], *args: Any, **more: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: f(*args, **more))

    def close(self) -> None:
        self._executor.shutdown(wait=False)


class AsyncTrial:
    def __init__(self, sync: Trial, pool: _Pool) -> None:
        self.sync, self._pool = sync, pool
        self.params, self.number = sync.params, sync.number

    @property
    def state(self) -> str:
        return self.sync.state

    @property
    def value(self) -> Optional[float]:
        return self.sync.value

    @property
    def should_stop(self) -> bool:
        return self.sync.should_stop

    def __getitem__(self, name: str) -> Any:
        return self.sync[name]

    async def report(self, value: Union[None, float, Mapping[str, float]] = None, step: Optional[int] = None, *,
                     progress: Optional[float] = None, **metrics: float) -> bool:
        return await self._pool.run(self.sync.report, value, step, progress=progress, **metrics)

    async def tell(self, value: Union[None, float, Mapping[str, float]] = None, **metrics: float) -> AsyncTrial:
        await self._pool.run(self.sync.tell, value, **metrics)
        return self

    async def fail(self, message: str = "", reason: str = "") -> AsyncTrial:
        await self._pool.run(self.sync.fail, message, reason)
        return self

    async def infeasible(self, message: str = "", reason: str = "") -> AsyncTrial:
        await self._pool.run(self.sync.infeasible, message, reason)
        return self

    async def cancel(self) -> AsyncTrial:
        await self._pool.run(self.sync.cancel)
        return self

    async def refresh(self) -> AsyncTrial:
        await self._pool.run(self.sync.refresh)
        return self

    async def measurements(self, metric: Optional[str] = None) -> List[Dict[str, Any]]:
        return await self._pool.run(self.sync.measurements, metric)

    async def logs(self, stream: str = "stdout", tail: Optional[int] = None) -> str:
        return await self._pool.run(self.sync.logs, stream, tail)

    async def __aenter__(self) -> AsyncTrial:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> bool:
        if self.sync._ended:
            return False
        if error is None or isinstance(error, Pruned):
            await self.tell()
            return error is not None
        if isinstance(error, Exception):
            await self.fail(describe(error))
        else:  # cancelled: nothing is known of the parameters, and a cancelled task may still await once
            await asyncio.shield(self.cancel())
        return False


class AsyncExperiment:
    def __init__(self, sync: Experiment, pool: _Pool) -> None:
        self.sync, self.name, self._pool = sync, sync.name, pool

    @property
    def state(self) -> str:
        return self.sync.state

    async def refresh(self) -> AsyncExperiment:
        await self._pool.run(self.sync.refresh)
        return self

    async def ask(self, worker: Optional[str] = None, lease: Optional[float] = None, timeout: Optional[float] = None) -> AsyncTrial:
        worker = worker or worker_name()
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = SHORT_POLL if end is None else max(0.0, min(SHORT_POLL, end - time.monotonic()))
            got = await self._pool.run(self.sync.ask_many, 1, worker, lease, left)
            if got:
                return AsyncTrial(got[0], self._pool)
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"{self.name} had no trial to give within {timeout} s")

    async def work(self, worker: Optional[str] = None, lease: Optional[float] = None) -> AsyncIterator[AsyncTrial]:
        worker = worker or worker_name()
        while True:
            try:
                trial = await self.ask(worker, lease)
            except ExperimentDone:
                return
            yield trial
            if not trial.sync.ended:
                await trial.fail("it was left without a result")

    async def wait(self, timeout: Optional[float] = None) -> AsyncExperiment:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = SHORT_POLL if end is None else min(SHORT_POLL, end - time.monotonic())
            try:
                await self._pool.run(self.sync.wait, max(0.0, left))
                return self
            except TimeoutError:
                if end is not None and time.monotonic() >= end:
                    raise

    async def best(self) -> AsyncTrial:
        return AsyncTrial(await self._pool.run(lambda: self.sync.best), self._pool)

    async def trial(self, n: int) -> AsyncTrial:
        return AsyncTrial(await self._pool.run(self.sync.trial, n), self._pool)

    async def trials(self, filter: Optional[str] = None, order_by: Optional[str] = None) -> List[AsyncTrial]:
        rows = await self._pool.run(lambda: list(self.sync.trials.where(filter, order_by)))
        return [AsyncTrial(t, self._pool) for t in rows]

    async def enqueue(self, params: Mapping[str, Any]) -> AsyncTrial:
        return AsyncTrial(await self._pool.run(self.sync.enqueue, params), self._pool)

    async def add(self, params: Mapping[str, Any], metrics: Mapping[str, float], state: str = "SUCCEEDED") -> AsyncTrial:
        return AsyncTrial(await self._pool.run(self.sync.add, params, metrics, state), self._pool)

    async def columns(self, *cols: str) -> Dict[str, List[Any]]:
        return await self._pool.run(self.sync.columns, *cols)

    async def pause(self) -> AsyncExperiment:
        await self._pool.run(self.sync.pause)
        return self

    async def resume(self) -> AsyncExperiment:
        await self._pool.run(self.sync.resume)
        return self

    async def stop(self, drain: bool = False) -> AsyncExperiment:
        await self._pool.run(self.sync.stop, drain)
        return self

    async def delete(self, force: bool = False) -> None:
        await self._pool.run(self.sync.delete, force)

    async def update(self, **changes: Any) -> AsyncExperiment:
        await self._pool.run(self.sync.update, **changes)
        return self


class AsyncClient:
    """`async with AsyncClient() as c: e = await c.create("x", ...)`. `threads`: how many calls at once."""

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, *, threads: int = 32, **more: Any) -> None:
        self.sync = Client(url, token, **more)
        self._pool = _Pool(threads)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    async def request(self, method: str, path: str, **more: Any) -> Any:
        """Any request of the REST API; the JSON of the answer."""
        return await self._pool.run(self.sync.request, method, path, **more)

    async def create(self, name: Optional[str] = None, **more: Any) -> AsyncExperiment:
        return AsyncExperiment(await self._pool.run(self.sync.create, name, **more), self._pool)

    def experiment(self, name: str, project: Optional[str] = None) -> AsyncExperiment:
        return AsyncExperiment(self.sync.experiment(name, project), self._pool)

    async def experiments(self, filter: Optional[str] = None) -> List[AsyncExperiment]:
        rows = await self._pool.run(lambda: list(self.sync.experiments(filter)))
        return [AsyncExperiment(e, self._pool) for e in rows]

    async def capabilities(self) -> Dict[str, Any]:
        return await self._pool.run(self.sync.capabilities)

    async def version(self) -> str:
        return await self._pool.run(self.sync.version)
