# SPDX-License-Identifier: Apache-2.0
"""Where the service is: named, or running in the data directory, or started here."""
from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

from ._errors import Unreachable
from ._http import Endpoint

START_SECONDS = 30.0
_started: List[Any] = []  # (pid of this process, Popen): services that end with this process


def data_dir(data: Optional[str] = None) -> str:
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.abspath(data or os.environ.get("HONE_DATA") or os.path.join(base, "hone"))


def binary() -> Optional[str]:
    """HONE_BIN, the one that came with the package, or that of PATH."""
    import shutil

    named = os.environ.get("HONE_BIN")
    if named:
        return named if os.access(named, os.X_OK) else None
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "hone")
    return beside if os.access(beside, os.X_OK) else shutil.which("hone")


def _alive(pid: int, started: int) -> bool:
    """Whether it is still that process; `started` is its start time in clock ticks."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
        return int(fields[19]) == started and fields[0] != b"Z"
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
    except (OSError, IndexError, ValueError):
        return False


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def running(data: str) -> Optional[Endpoint]:
    """The service that runs in a data directory, by its server.json."""
    try:
        info: Dict[str, Any] = json.loads(_read(os.path.join(data, "server.json")) or "null") or {}
    except ValueError:
        return None
    if not info.get("url") or not _alive(int(info.get("pid") or 0), int(info.get("started") or 0)):
        return None
    token = _read(os.path.join(data, "token"))
    return Endpoint(str(info["url"]), token.strip() if token else None)


def start(data: str, keep: bool = False) -> Endpoint:
    """Starts `hone serve` in the directory. It ends with this process unless `keep`; what it knows stays on disk."""
    program = binary()
    if not program:
        raise Unreachable("no service runs, and there is no `hone` to start one: put it in the PATH or set HONE_BIN, or name a service with HONE_URL")
    os.makedirs(data, mode=0o700, exist_ok=True)
    log = os.path.join(data, "serve.log")
    command = [program, "serve", "--data", data]
    env = dict(os.environ)
    if "ipykernel" in sys.modules:  # pages of this machine, where the notebook is, may show the dashboard (Experiment.show)
        env.setdefault("HONE_FRAMES", "http://localhost:*,http://127.0.0.1:*")
    for more in ([], ["--listen", "127.0.0.1:0"]):  # the usual port first; nobody asked for it, so another will do
        with open(log, "ab") as out:
            process = subprocess.Popen(command + more, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=env)
        if not keep:
            if not _started:
                atexit.register(_stop_started)
            _started.append((os.getpid(), process))
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            found = running(data)  # ours, or of one who was faster
            if found and _ready(found):
                return found
            if process.poll() is not None and not found:
                break
            time.sleep(0.02)
    raise Unreachable(f"`{program} serve` did not start; its last words in {log}:\n" + "\n".join((_read(log) or "").splitlines()[-5:]))


def _ready(endpoint: Endpoint) -> bool:
    from ._errors import HoneError
    from ._http import Transport

    transport = Transport(lambda again: endpoint, patience=0.0, timeout=5.0)
    try:
        return transport.request("GET", "/readyz").status == 200
    except HoneError:
        return False
    finally:
        transport.close()


def _stop_started() -> None:
    mine = [p for pid, p in _started if pid == os.getpid() and p.poll() is None]
    for process in mine:
        process.terminate()
    for process in mine:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Finder:
    """`url` and `token`, else HONE_URL and HONE_TOKEN, else what runs in the data directory, else (with `start`) a new service there."""

    def __init__(self, url: Optional[str], token: Optional[str], data: Optional[str], start: bool, keep: bool = False) -> None:
        named = url or (None if data else os.environ.get("HONE_URL"))
        self.data = data_dir(data)
        self.start, self.keep = start and not named, keep
        self.named = Endpoint(named, token or os.environ.get("HONE_TOKEN") or None) if named else None
        self.token = token
        if self.named and not self.named.token:
            local = running(self.data)
            if local and local.url == self.named.url:
                self.named = local
        # A trial of the process backend keeps its token, but the service may come back on another port.
        self.may_move = bool(not url and os.environ.get("HONE_TRIAL") and os.environ.get("HONE_DATA"))

    def __call__(self, again: bool) -> Endpoint:
        if self.named:
            moved = running(self.data) if again and self.may_move else None
            return Endpoint(moved.url, self.named.token) if moved else self.named
        found = running(self.data) or (start(self.data, self.keep) if self.start else None)
        if not found:
            raise Unreachable(f"no service runs in {self.data}: start one with `hone serve`, or name one with HONE_URL and HONE_TOKEN")
        return Endpoint(found.url, self.token or found.token)
