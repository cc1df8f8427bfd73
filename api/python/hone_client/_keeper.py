# SPDX-License-Identifier: Apache-2.0
"""Renews the leases of the trials that this process holds: one thread while there are any."""
from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Dict, Optional

if TYPE_CHECKING:
    from ._trial import Trial

LONGEST = 60.0


class Keeper:
    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._due: Dict[int, float] = {}
        self._held: Dict[int, Trial] = {}
        self._thread: Optional[threading.Thread] = None

    def hold(self, trial: Trial) -> None:
        if self._pid != os.getpid():  # a forked child holds nothing of its parent
            self._reset()
        with self._changed:
            self._held[id(trial)] = trial
            self._due[id(trial)] = time.monotonic() + _interval(trial)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hone-leases", daemon=True)
                self._thread.start()
            self._changed.notify()

    def release(self, trial: Trial) -> None:
        if self._pid != os.getpid():
            return
        with self._changed:
            self._held.pop(id(trial), None)
            self._due.pop(id(trial), None)
            thread = None if self._held else self._thread
            if thread:
                self._thread = None
            self._changed.notify()
        if thread and thread is not threading.current_thread():
            thread.join(1.0)  # who forks next should have one thread

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                if self._thread is not me:
                    return
                now = time.monotonic()
                late = [k for k, at in self._due.items() if at <= now]
                if not late:
                    self._changed.wait(min(self._due.values()) - now)
                    continue
                trials = [self._held[k] for k in late]
                for k in late:
                    self._due[k] = now + _interval(self._held[k])
            for trial in trials:
                trial._renew()


def _interval(trial: Trial) -> float:
    return min(LONGEST, max(0.2, trial._lease_seconds / 3))


keeper = Keeper()
