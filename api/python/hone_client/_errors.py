# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as types. An answer of the service becomes the class of its problem `code`, else that of its status."""
from __future__ import annotations

from typing import Any, Dict, List, Optional, Type


class HoneError(Exception):
    """Whatever this package raises."""


class Unreachable(HoneError, ConnectionError):
    """No service answered in time, or none is known."""


class ExperimentDone(HoneError):
    """The experiment gives no more trials; `reason` says why, such as MAX_TRIALS."""

    def __init__(self, experiment: str, reason: str) -> None:
        super().__init__(f"experiment {experiment} gives no more trials ({reason or 'it has ended'})")
        self.experiment, self.reason = experiment, reason

    def __reduce__(self) -> Any:
        return ExperimentDone, (self.experiment, self.reason)


class NoResult(HoneError):
    """There is no best trial: none has succeeded."""


class ObjectiveFailed(HoneError):
    """The objective failed so often that the experiment ended; the text holds the last traceback."""


class UndeclaredParameter(HoneError, KeyError):
    """The objective asked for a parameter that the experiment does not have."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ApiError(HoneError):
    """The service refused. `code` is for programs (docs/reference/errors.md), the text for people."""

    def __init__(self, status: int, problem: Dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
        self.request_id: Optional[str] = problem.get("request_id")
        self.retryable = bool(problem.get("retryable"))
        self.errors: List[Dict[str, Any]] = list(problem.get("errors") or [])
        super().__init__(status, problem)

    def __str__(self) -> str:
        lines = [f"{self.detail} ({self.code or self.status}" + (f", request {self.request_id})" if self.request_id else ")")]
        for e in self.errors:
            hint = f" ({e['hint']})" if e.get("hint") else ""
            lines.append(f"  {e.get('pointer', '')}: {e.get('detail', '')}{hint}")
        return "\n".join(lines)


class BadRequest(ApiError):
    """400, 405, 413, 415: the request is not well formed."""


class AuthError(ApiError):
    """401, 403: a token is needed, or does not allow this."""


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409, 410, 412, 428: it conflicts with the present state."""


class Invalid(ApiError):
    """422: it can be read, but is not valid; `errors` names each place."""


class Unavailable(ApiError):
    """429, 503, 504, 507: not now."""


class ServerFault(ApiError):
    """500, 501: a mistake of the service, or something it cannot do."""


class ExperimentNotFound(NotFound):
    pass


class TrialNotFound(NotFound):
    pass


class ExperimentExists(Conflict):
    pass


class LeaseLost(Conflict):
    """The trial was given to another attempt: stop working on it."""


class TrialFinished(Conflict):
    pass


class SpecInvalid(Invalid):
    """The experiment has problems; `errors` names each one."""


class MetricsMissing(Invalid):
    """A trial cannot be completed without a value of each objective."""


_BY_CODE: Dict[str, Type[ApiError]] = {
    "EXPERIMENT_NOT_FOUND": ExperimentNotFound,
    "TRIAL_NOT_FOUND": TrialNotFound,
    "EXPERIMENT_EXISTS": ExperimentExists,
    "LEASE_LOST": LeaseLost,
    "TRIAL_FINISHED": TrialFinished,
    "SPEC_INVALID": SpecInvalid,
    "METRICS_MISSING": MetricsMissing,
}
_BY_STATUS: Dict[int, Type[ApiError]] = {
    400: BadRequest, 405: BadRequest, 413: BadRequest, 415: BadRequest, 401: AuthError, 403: AuthError, 404: NotFound,
    409: Conflict, 410: Conflict, 412: Conflict, 428: Conflict, 422: Invalid,
    429: Unavailable, 503: Unavailable, 504: Unavailable, 507: Unavailable,
}


def api_error(status: int, problem: Dict[str, Any]) -> ApiError:
    kind = _BY_CODE.get(str(problem.get("code", ""))) or _BY_STATUS.get(status) or (ServerFault if status >= 500 else BadRequest)
    return kind(status, problem)
