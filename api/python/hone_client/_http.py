# SPDX-License-Identifier: Apache-2.0
"""Requests: one kept connection for each thread, tried again with jitter while the service is away, each POST with an idempotency key."""
from __future__ import annotations

import json
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, NamedTuple, Optional, Union

from ._errors import ApiError, Unreachable, api_error

if TYPE_CHECKING:
    import http.client

RETRIED = (429, 502, 503, 504)
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Endpoint(NamedTuple):
    url: str
    token: Optional[str] = None


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


def _plain(value: Any) -> Any:
    """Numbers of NumPy, PyTorch and the like."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be sent: only numbers, texts, truth values, lists and objects can")


def to_json(value: Any) -> bytes:
    return json.dumps(value, default=_plain, allow_nan=False).encode()


def new_key() -> str:
    return os.urandom(16).hex()


def query_text(query: Optional[Mapping[str, Any]]) -> str:
    from urllib.parse import urlencode

    pairs = {k: ("true" if v is True else "false" if v is False else v) for k, v in (query or {}).items() if v is not None}
    return "?" + urlencode(pairs) if pairs else ""


class Transport:
    """`find(again)` says where the service is; it is asked again (`again=True`) whenever nobody answers there: a service may come back
    on another port. `patience` is how many seconds a request goes on trying."""

    def __init__(self, find: Callable[[bool], Endpoint], patience: float = 30.0, timeout: float = 30.0) -> None:
        self.find, self.patience, self.timeout = find, patience, timeout
        self._endpoint: Optional[Endpoint] = None
        self._local = threading.local()

    @property
    def endpoint(self) -> Endpoint:
        if self._endpoint is None:
            self._endpoint = self.find(False)
        return self._endpoint

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_local": None}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def _connection(self, endpoint: Endpoint, timeout: float) -> http.client.HTTPConnection:
        mine = (os.getpid(), endpoint.url)  # a connection must not be shared with a forked child
        if getattr(self._local, "of", None) != mine:
            self._local.connection, self._local.of = _connect(endpoint.url), mine
        connection: http.client.HTTPConnection = self._local.connection
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection

    def close(self) -> None:
        """Closes the connection of this thread."""
        if getattr(self._local, "of", None):
            if self._local.of[0] == os.getpid():
                self._local.connection.close()
            self._local.of = None

    def request(self, method: str, path: str, *, query: Optional[Mapping[str, Any]] = None, body: Any = None,
                headers: Optional[Mapping[str, str]] = None, key: Optional[str] = None, patience: Optional[float] = None,
                timeout: Optional[float] = None) -> Answer:
        """`body`: bytes as they are, anything else as JSON. Raises ApiError or Unreachable."""
        send: Dict[str, str] = {}
        if body is not None and not isinstance(body, bytes):
            body, send["Content-Type"] = to_json(body), "application/json"
        if method == "POST":
            send["Idempotency-Key"] = key or new_key()
            body = b"{}" if body is None else body
            send.setdefault("Content-Type", "application/json")
        send.update(headers or {})
        path += query_text(query)
        end = time.monotonic() + (self.patience if patience is None else patience)
        pause = FIRST_PAUSE
        tries = 0
        while True:
            failure = self._once(method, path, body, send, timeout or self.timeout)
            tries += 1
            if isinstance(failure, Answer):
                if failure.status < 400:
                    return failure
                error = _problem(failure)
                if method == "DELETE" and tries > 1 and failure.status == 404:
                    return Answer(204, {}, b"")  # the try before this one did it
                if failure.status not in RETRIED:
                    raise error
                asked = _seconds(failure.headers.get("Retry-After"))
                if time.monotonic() + (asked or 0) >= end:
                    raise error
                wait = max(asked or 0.0, pause * random.uniform(0.5, 1.0))
            else:
                if time.monotonic() >= end:
                    raise Unreachable(f"no service answers: {failure} (start one with `hone serve`, or name one with HONE_URL)") from failure
                wait = 0.0 if tries == 1 and self._kept else pause * random.uniform(0.5, 1.0)
            time.sleep(max(0.0, min(wait, end - time.monotonic())))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _once(self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str], timeout: float) -> Union[Answer, Exception]:
        from http.client import HTTPException

        self._kept = False
        try:
            endpoint = self.endpoint
            connection = self._connection(endpoint, timeout)
            if endpoint.token:
                headers["Authorization"] = "Bearer " + endpoint.token
            self._kept = connection.sock is not None
            from urllib.parse import urlsplit

            connection.request(method, urlsplit(endpoint.url).path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())  # type: ignore[arg-type]
        except (OSError, HTTPException) as e:  # Unreachable, of find, is an OSError too
            self.close()
            if not self._kept:
                try:
                    self._endpoint = self.find(True)
                except Unreachable:
                    pass
            return e

    @property
    def _kept(self) -> bool:
        """Whether the last try of this thread was on a connection that stood already: the service may just have closed it."""
        return bool(getattr(self._local, "kept", False))

    @_kept.setter
    def _kept(self, value: bool) -> None:
        self._local.kept = value


def _connect(url: str) -> http.client.HTTPConnection:
    from http.client import HTTPConnection
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise Unreachable(f"{url!r} is no address of a service: it must be http://HOST:PORT or https://HOST:PORT")
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname, parts.port)
    from http.client import HTTPSConnection

    return HTTPSConnection(parts.hostname, parts.port)


def _problem(answer: Answer) -> ApiError:
    try:
        problem = answer.json
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": answer.body[:500].decode("utf-8", "replace") or f"status {answer.status}"}
    return api_error(answer.status, problem)


def _seconds(text: Optional[str]) -> Optional[float]:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
