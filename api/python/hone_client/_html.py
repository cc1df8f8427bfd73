# SPDX-License-Identifier: Apache-2.0
"""What notebooks show: tables, and the history as an SVG."""
from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from ._experiment import Experiment
    from ._trial import Trial

WIDTH, HEIGHT, LEFT, BOTTOM = 520, 180, 56, 22


def _text(value: Any) -> str:
    return escape(f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value))


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{_text(v)}</td>" for v in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def history_svg(points: List[Tuple[int, float]], direction: str, metric: str) -> str:
    """Each trial's objective, and the best so far as a line. Far outliers are left at the edge, so that the rest can be seen."""
    points = [(n, v) for n, v in points if v == v and abs(v) != float("inf")]
    if not points:
        return ""
    better = min if direction == "minimize" else max
    values = sorted(v for _, v in points)
    low, high = values[0], values[-1]
    if len(values) >= 8:
        q1, q3 = values[len(values) // 4], values[3 * len(values) // 4]
        low, high = max(low, q1 - 3 * (q3 - q1)), min(high, q3 + 3 * (q3 - q1))
        low, high = min(low, better(values)), max(high, better(values))
    span = high - low or abs(high) or 1.0
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)

    def at(n: int, v: float) -> Tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 8) * (n - first) / (last - first)
        return round(x, 1), round(8 + (HEIGHT - BOTTOM - 16) * (high - min(high, max(low, v))) / span, 1)

    dots: List[str] = []
    line: List[str] = []
    best: Optional[float] = None
    for n, v in points:
        x, y = at(n, v)
        dots.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="#8aa4c8"/>')
        before, best = best, v if best is None else better(best, v)
        line.append(f"{x},{at(n, before)[1]} {x},{at(n, best)[1]}" if before is not None else f"{x},{y}")
    labels = "".join(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{_text(value)}</text>' for x, y, anchor, value in (
        (LEFT - 6, 14, "end", high), (LEFT - 6, HEIGHT - BOTTOM - 4, "end", low),
        (LEFT, HEIGHT - 6, "start", first), (WIDTH - 8, HEIGHT - 6, "end", f"{points[-1][0]} trials")))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="history of {escape(metric)}" font-family="sans-serif" font-size="11" fill="currentColor">{"".join(dots)}'
            f'<polyline points="{" ".join(line)}" fill="none" stroke="#d9822b" stroke-width="2"/>{labels}</svg>')


def progress_line(e: Experiment) -> str:
    counts, limit = e.counts, (e.spec.get("trials") or {}).get("max")
    done = sum(n for s, n in counts.items() if s in ("SUCCEEDED", "PRUNED", "INFEASIBLE", "FAILED", "LOST", "CANCELLED"))
    parts = [f"{done}/{limit} done" if limit else f"{done} done"]
    parts += [f"{counts[s]} {word}" for s, word in (("RUNNING", "running"), ("PRUNED", "pruned"), ("FAILED", "failed")) if counts.get(s)]
    best = e.data.get("best")
    if best:
        parts.append(f"best {float(best['value']):.6g} (#{best['number']})")
    if e.ended:
        parts.append(e.state.lower() + (f" ({e.reason})" if e.reason else ""))
    elif e.eta_seconds:
        parts.append(f"ETA {int(e.eta_seconds)} s")
    return " · ".join(parts)


class View:
    """The dashboard's page of an experiment, in a frame where HTML is shown."""

    def __init__(self, url: str, height: int) -> None:
        self.url, self.height = url, height

    def __repr__(self) -> str:
        return f"<dashboard {self.url}>"

    def _repr_html_(self) -> str:
        return f'<iframe src="{escape(self.url)}" width="100%" height="{int(self.height)}" style="border:0" title="Hone"></iframe>'


def experiment_html(e: Experiment) -> str:
    e.refresh()
    columns = e.columns("number", "objective")
    points = [(int(n), float(v)) for n, v in zip(columns["number"], columns["objective"]) if v is not None]
    best = e.leaderboard(5)
    names = list(e.space)
    rows = [[t.number, t.value] + [t.params.get(n) for n in names] for t in best]
    return (f'<p><b>{escape(e.name)}</b> {escape(e.state)}: {escape(progress_line(e))} · <a href="{escape(e.url)}">dashboard</a></p>'
            + history_svg(points, e.direction, e.metric) + (_table(["trial", e.metric] + names, rows) if rows else ""))


def trial_html(t: Trial) -> str:
    rows: List[Tuple[str, Any]] = [("state", t.state + (f" ({t.reason})" if t.reason else "")), ("objective", t.value)]
    rows += [(f"params.{k}", v) for k, v in t.params.items()] + [(f"metrics.{k}", v) for k, v in t.metrics.items()]
    return f"<p><b>trial {t.number}</b></p>" + _table(["", ""], rows)
