# SPDX-License-Identifier: Apache-2.0
"""Reports that could not be sent wait on disk, in order, and are sent when the service is back: by the trial that wrote them or, when
its process is gone, by the next one that asks the same service for trials. Sending one twice is harmless (idempotency keys, steps)."""
from __future__ import annotations

import json
import os
import time
from typing import IO, TYPE_CHECKING, Any, Dict, List, Optional

from ._errors import ApiError, AuthError, NotFound, Unavailable, Unreachable
from ._http import Answer, new_key, to_json

if TYPE_CHECKING:
    from ._http import Transport

KEEP_SECONDS = 30 * 86400.0
PROBE_SECONDS = 2.0  # a report is tried no more often while the service is away


def spool_dir() -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.environ.get("HONE_SPOOL_DIR") or os.path.join(base, "hone", "spool")


def _lock(file: IO[bytes]) -> bool:
    """Whoever writes a file holds it; a file that can be locked has lost its writer."""
    try:
        import fcntl
    except ImportError:  # Windows: nobody adopts what another left
        return False
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


class Outbox:
    """What one trial sends. Not for several threads at once: the trial's lock guards it."""

    def __init__(self, transport: Transport, head: Dict[str, Any], directory: Optional[str] = None) -> None:
        self._transport, self._head = transport, head
        self._dir = directory
        self._waiting: List[Dict[str, Any]] = []
        self._file: Optional[IO[bytes]] = None
        self._probe_at = 0.0
        self.refused: List[ApiError] = []  # of what was sent late

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, path: str, body: Dict[str, Any], patience: float) -> Optional[Dict[str, Any]]:
        """The answer, or None when it waits on disk. Raises what the service refuses."""
        item = {"path": path, "body": json.loads(to_json(body)), "key": new_key()}
        if self._waiting and not self.flush(patience if patience >= PROBE_SECONDS else 0.0):
            self._keep(item)
            return None
        try:
            return self._post(item, patience)
        except (Unreachable, Unavailable):
            self._probe_at = time.monotonic() + PROBE_SECONDS
            self._keep(item)
            return None

    def flush(self, patience: float = 0.0) -> bool:
        """Sends what waits; whether nothing waits any more."""
        if not self._waiting:
            return True
        if patience < PROBE_SECONDS and time.monotonic() < self._probe_at:
            return False
        while self._waiting:
            try:
                self._post(self._waiting[0], patience)
            except (Unreachable, Unavailable):
                self._probe_at = time.monotonic() + PROBE_SECONDS
                return False
            except ApiError as e:
                self.refused.append(e)
            self._waiting.pop(0)
        self._drop()
        return True

    def _post(self, item: Dict[str, Any], patience: float) -> Dict[str, Any]:
        answer: Answer = self._transport.request("POST", item["path"], body=item["body"], key=item["key"], patience=patience)
        return answer.json or {}

    def _keep(self, item: Dict[str, Any]) -> None:
        if self._file is None:
            directory = self._dir or spool_dir()
            os.makedirs(directory, mode=0o700, exist_ok=True)
            name = os.path.join(directory, f"{self._head['experiment']}-{self._head['trial']}-{os.getpid()}-{new_key()[:8]}.jsonl")
            self._file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")
            self._path = name
            _lock(self._file)
            self._file.write(to_json(self._head) + b"\n")
        self._file.write(to_json(item) + b"\n")
        self._file.flush()
        self._waiting.append(item)

    def _drop(self) -> None:
        if self._file:
            os.unlink(self._path)
            self._file.close()
            self._file = None


def replay(transport: Transport, experiment_uid: str, directory: Optional[str] = None) -> int:
    """Sends what processes that are gone left for this experiment; how many were taken."""
    directory = directory or spool_dir()
    sent = 0
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return 0
    for name in names:
        if name.endswith(".jsonl"):
            sent += _replay_file(transport, experiment_uid, os.path.join(directory, name))
    return sent


def _replay_file(transport: Transport, experiment_uid: str, path: str) -> int:
    sent = 0
    try:
        with open(path, "r+b") as file:
            if not _lock(file):
                return 0
            lines = file.read().split(b"\n")[:-1]  # a line without its end was being written when its process died
            if time.time() - os.path.getmtime(path) > KEEP_SECONDS or not lines:
                os.unlink(path)
                return 0
            if json.loads(lines[0]).get("uid") != experiment_uid:
                return 0
            for line in lines[1:]:
                item = json.loads(line)
                try:
                    transport.request("POST", item["path"], body=item["body"], key=item["key"], patience=0.0)
                    sent += 1
                except (Unreachable, Unavailable):
                    return sent
                except (AuthError, NotFound):
                    return sent
                except ApiError:
                    continue  # too late: another attempt has the trial, or it has ended
            os.unlink(path)
    except (OSError, ValueError):
        pass
    return sent
