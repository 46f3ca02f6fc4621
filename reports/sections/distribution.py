# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the distribution of each operation's response."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from loadtests.records.vocabulary import PUSHES
from reports.exports.figures import recorded_outcomes
from reports.exports.plain import estimates_ms
from reports.findings.operations import FROM_STAMP, MEASURES, Measure
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import AT_LEAST, storage_legend
from reports.page.plots.style import SeriesStyle, figure, latency_axis
from reports.sections.contract import Section, each
from reports.text.phrases import clock_fault
from reports.text.plain_names import ACCEPT
from reports.text.wording import listed, value

_HERO = "chat.accept"

_FEW = 4
"""Storages whose legend is in the panel, the slowest first."""

_SHARES = ((0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999"))


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Accept large, the others small beside it, each with one line per storage."""
    others = [m for m in MEASURES if m not in (_HERO, FROM_STAMP) and findings.of(m)]
    rows = max(-(-len(others) // 3), 2)
    whole = figure(13, 2.45 * rows)
    grid = whole.add_gridspec(rows, 5)
    hero = whole.add_subplot(grid[:, :2])
    _panel(hero, findings, _HERO, styles, 0.99999)
    hero.set_title(f"{_HERO}", fontsize=13)
    hero.set_ylabel("response")
    hero.set_xlabel("percentile")
    ordered = sorted(findings.of(_HERO), key=lambda pair: -(pair[1].curve[1][-1] if pair[1].curve[1] else 0))
    few = len(ordered) <= _FEW
    at = (
        {"loc": "lower right", "fontsize": 10} if few else {"loc": "outside lower center", "fontsize": 9, "ncols": _FEW}
    )
    storage_legend(hero if few else whole, [storage for storage, _ in ordered], styles, **at)
    for place, measure in enumerate(others):
        axis = whole.add_subplot(grid[place // 3, 2 + place % 3])
        _panel(axis, findings, measure, styles, 0.999)
        axis.set_title(measure + (", from cause" if measure == "event.deliver" else ""), fontsize=9)
        if place >= len(others) - 3:
            axis.set_xlabel("percentile")
    return whole


def _panel(axis: Any, findings: Findings, measure: str, styles: dict[str, SeriesStyle], furthest: float) -> None:
    found = findings.of(measure)
    values = [v for _, m in found for v in m.curve[1]]
    smallest = min((a for _, m in found for a in m.curve[0]), default=0.01)
    reach = max(min(smallest, 0.01), 1 - furthest)
    for storage, m in found:
        above, ns = (np.array(part) for part in m.curve)
        style = styles[storage.storage]
        axis.plot(1 / above, np.maximum(ns, 1) / 1e9, color=style.light, linestyle=style.dash, linewidth=1.7)
        bounds = lower_bounds(m)
        marker = {"linestyle": "none", "marker": AT_LEAST, "markersize": 5, "mew": 0}
        axis.plot([1 / a for a, _ in bounds], [s for _, s in bounds], color=style.light, **marker)
    axis.set_xscale("log")
    axis.set_xlim(1, 1 / reach)
    marks = [(p, name) for p, name in _SHARES if 1 - p >= reach * 0.999]
    axis.set_xticks([1 / (1 - p) for p, _ in marks], [name for _, name in marks])
    axis.xaxis.set_minor_locator(NullLocator())
    latency_axis(axis, float(np.percentile(values or [10**6], 2)) / 1e9, max(values, default=1e9) / 1e9)


def lower_bounds(measure: Measure) -> list[tuple[float, float]]:
    """Share above and seconds of the figures that are lower bounds, because their waits were cut off."""
    above = {"p50": 0.5, "p95": 0.05, "p99": 0.01, "p99.9": 0.001, "max": min(measure.curve[0], default=1.0)}
    found = [(share, measure.response[name]) for name, share in above.items()]
    return [(share, estimate.value / 1e9) for share, estimate in found if estimate and estimate.at_least]


def _finding_of(storage: StorageFindings) -> str:
    accept = storage.measures.get(ACCEPT)
    if accept is None:
        return "no Accept chat"
    unknown = "unknown (too few rows)"
    known = {name: accept.response[name] for name in ("p50", "p99", "max")}
    return f"Accept chat {listed([f'{name} {value(e) if e else unknown}' for name, e in known.items()])}"


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"operations": {name: _plain(storage, measure) for name, measure in storage.measures.items()}}


def _plain(storage: StorageFindings, measure: Measure) -> dict[str, Any]:
    return {
        "n": measure.n,
        "rate_per_s": measure.rate_per_s,
        "outcomes": recorded_outcomes(measure),
        "errors": dict(measure.errors),
        "since": "stamp" if measure.name == FROM_STAMP else "cause" if measure.name == "event.deliver" else "planned",
        "response_ms": estimates_ms(measure.response),
        "service_ms": None if measure.name in (*PUSHES, FROM_STAMP) else estimates_ms(measure.service),
        "p99_ms_by_run": estimates_ms({run: figures["p99"] for run, figures in measure.rounds.items()}),
        "lock_wait_s_per_1000": _lock_wait(storage, measure.name),
        "good": measure.good,
        **_unknown(measure),
    }


def _unknown(measure: Measure) -> dict[str, str]:
    clock = measure.unreliable_clock
    return {} if clock is None else {"unknown": f"the clock of the stamps {clock_fault(clock)}"}


def _lock_wait(storage: StorageFindings, operation: str) -> dict[str, Any] | None:
    seconds = storage.lock_wait_per_1000_s(operation)
    if seconds is None:
        return None
    low, high = storage.lock_wait_interval_s(operation) or (None, None)
    return {"value": seconds, "low": low, "high": high, "known": storage.waits.known}


SECTION = Section(
    name="distribution",
    question="time",
    title="How long each operation takes",
    finding=lambda findings: each(findings, _finding_of),
    how=lambda _: (
        "Response of the judged stages. The axis is stretched to the right: each step from 90 to 99 to 99.9 is ten times "
        "rarer. Lower is better; a line that rises early means that many users wait. Waits whose end was not observed "
        "are drawn with their observed length; ▲ marks a figure that is therefore at least that. The table of figures has them "
        "with their intervals."
    ),
    plot=draw,
    summary=_summary,
)
