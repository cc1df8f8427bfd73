# SPDX-License-Identifier: Apache-2.0
"""Parameters of a search space, in the form of the experiment file; and values of them that need no service."""
from __future__ import annotations

import math
from typing import Any, Dict, Mapping, Optional, Sequence, Union

Value = Union[float, int, str, bool]
Spec = Dict[str, Any]
When = Mapping[str, Any]
Space = Mapping[str, Any]


def _with(spec: Spec, when: Optional[When]) -> Spec:
    if when:
        spec["when"] = {k: list(v) if isinstance(v, (list, tuple, set)) else v for k, v in when.items()}
    return spec


def uniform(low: float, high: float, step: Optional[float] = None, *, when: Optional[When] = None) -> Spec:
    """A number from `low` to `high`, both among the values."""
    spec: Spec = {"type": "float", "min": low, "max": high}
    return _with({**spec, "step": step} if step is not None else spec, when)


def loguniform(low: float, high: float, *, when: Optional[When] = None) -> Spec:
    """A number above 0: equal shares for equal factors."""
    return _with({"type": "float", "min": low, "max": high, "scale": "log"}, when)


def normal(mu: float, sigma: float, low: Optional[float] = None, high: Optional[float] = None, *, when: Optional[When] = None) -> Spec:
    spec: Spec = {"type": "float", "distribution": "normal", "mu": mu, "sigma": sigma}
    spec.update({k: v for k, v in (("min", low), ("max", high)) if v is not None})
    return _with(spec, when)


def integer(low: int, high: int, step: Optional[int] = None, *, log: bool = False, when: Optional[When] = None) -> Spec:
    """A whole number from `low` to `high`, both among the values."""
    spec: Spec = {"type": "int", "min": low, "max": high}
    if step is not None:
        spec["step"] = step
    return _with({**spec, "scale": "log"} if log else spec, when)


def choice(values: Sequence[Value], *, when: Optional[When] = None) -> Spec:
    return _with({"type": "categorical", "values": list(values)}, when)


def boolean(*, when: Optional[When] = None) -> Spec:
    return _with({"type": "bool"}, when)


class Search:
    """The same under the names of the Kubeflow SDK: `Search.loguniform(1e-5, 1e-1)`."""

    uniform, loguniform, choice = staticmethod(uniform), staticmethod(loguniform), staticmethod(choice)
    normal, integer, boolean = staticmethod(normal), staticmethod(integer), staticmethod(boolean)


def parameters(space: Space) -> Dict[str, Any]:
    """A space as the service takes it: `range` is a whole number, a list a choice, a function's result or an object stays as it is."""
    out: Dict[str, Any] = {}
    for name, spec in space.items():
        if isinstance(spec, range):
            out[name] = integer(spec.start, spec[-1], spec.step if spec.step != 1 else None) if len(spec) > 1 else choice(list(spec))
        elif isinstance(spec, tuple):
            raise TypeError(f"{name}: say uniform{spec} or loguniform{spec}; a tuple could mean either")
        else:
            out[name] = dict(spec) if isinstance(spec, Mapping) else list(spec)
    return out


def active(spec: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    for parent, values in (spec.get("when") or {}).items():
        wanted = values if isinstance(values, list) else [values]
        if parent not in params or not any(type(params[parent]) is type(v) and params[parent] == v or
                                           _number(params[parent]) and _number(v) and params[parent] == v for v in wanted):
            return False
    return True


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def middle(spec: Mapping[str, Any]) -> Value:
    """The value in the middle of its scale, the first of a choice."""
    kind = spec["type"]
    if kind == "bool":
        return False
    if kind == "categorical":
        first: Value = spec["values"][0]
        return first
    low, high, step = spec["min"], spec["max"], spec.get("step") or (1 if kind == "int" else None)
    value = math.sqrt(low) * math.sqrt(high) if spec.get("scale") == "log" else low + (high - low) / 2
    if step:
        value = low + step * min(round((value - low) / step), math.floor((high - low) / step + 1e-9))
    return int(value) if kind == "int" else float(f"{value:.10g}")
