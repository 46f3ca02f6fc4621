# ruff: noqa: E501  sentences of the page are kept whole
"""Section: accepts and connections by pod."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.exports.figures import recorded_outcomes
from reports.exports.plain import estimates_ms
from reports.findings.operations import Measure
from reports.findings.slis import SLIS
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import bands
from reports.page.plots.style import MUTED, OUTCOME_STYLES, SeriesStyle, figure, latency_axis, short
from reports.page.plots.time_axis import mark
from reports.page.table import PageTable
from reports.sections.contract import Section
from reports.text.headline import ACCEPT
from reports.text.wording import NONE, duration, value, with_interval

_ROW_IN, _HEAD_IN = 1.05, 0.75

_CONNECT, _ACCEPT = SLIS[0], SLIS[-1]


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A row for each pod, storage after storage: accepts on the left, failed connections on the right."""
    storages = [s for s in findings.storages if s.pods]
    rows = [(s, pod) for s in storages for pod in s.pods]
    whole = figure(12.5, _ROW_IN * len(rows) + _HEAD_IN * len(storages) + 0.4)
    grid = whole.subplots(len(rows), 2, sharex=True, squeeze=False, width_ratios=(1.35, 1))
    failed = max((float(_failed_per_s(s, pod).max(initial=0.0)) for s, pod in rows), default=0.0)
    for (left, right), (storage, pod) in zip(grid, rows, strict=True):
        first = pod == next(iter(storage.pods))
        for axis in (left, right):
            mark(axis, storage, names=first)
            axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
        if first:
            left.set_title(f"{short(storage.storage)}: accept response", color=styles[storage.storage].text, pad=14)
            right.set_title("connections failed a second", pad=14)
        _accepts(left, findings, storage.pods[pod].get(_ACCEPT), styles[storage.storage])
        left.set_ylabel(short(pod, 16), rotation=0, ha="right", va="center", fontweight="bold")
        _failures(right, findings, storage, pod, failed * 1.3 or 1.0)
    for axis in grid[-1]:
        axis.set_xlabel("seconds since the load began")
    return whole


def _accepts(axis: Any, findings: Findings, accept: Measure | None, style: SeriesStyle) -> None:
    seen = [b for s in findings.storages for by in s.pods.values() if _ACCEPT in by for b in by[_ACCEPT].over_time if b]
    lowest, highest = min((b.p50 for b in seen), default=10**6), max((b.p99 for b in seen), default=10**9)
    latency_axis(axis, lowest / 1e9, highest / 1e9, most=4)
    if accept is None or not any(accept.over_time):
        axis.text(0.5, 0.5, "no accepts", transform=axis.transAxes, ha="center", va="center", color=MUTED)
    else:
        bands(axis, findings.axis.centres_s, accept, style)


def _failed_per_s(storage: StorageFindings, pod: str) -> Any:
    connect = storage.pods[pod].get(_CONNECT)
    return np.zeros(0) if connect is None else storage.per_s(connect.failed)


def _failures(axis: Any, findings: Findings, storage: StorageFindings, pod: str, top: float) -> None:
    rate = _failed_per_s(storage, pod)
    axis.set_ylim(0, top)
    if not len(rate):
        axis.text(0.5, 0.5, "no connections", transform=axis.transAxes, ha="center", va="center", color=MUTED)
        return
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    axis.stairs(rate, edges, fill=True, color=OUTCOME_STYLES["fail"].light, linewidth=0)
    if not rate.any():
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=8)


def _finding(findings: Findings) -> list[str]:
    return [_finding_of(s) for s in findings.storages if s.pods]


def _finding_of(storage: StorageFindings) -> str:
    slow = {pod: e for pod, by in storage.pods.items() if ACCEPT in by and (e := by[ACCEPT].response["p99"])}
    if not slow:
        return f"{storage.storage}: too few accepts for a p99 of any pod."
    worst, best = max(slow, key=lambda pod: slow[pod].value), min(slow, key=lambda pod: slow[pod].value)
    text = f"accept p99 from {value(slow[best])} on {best} to {value(slow[worst])} on {worst}"
    return f"{storage.storage}: {text}; {_connections_of(storage)}."


def _connections_of(storage: StorageFindings) -> str:
    connects = {pod: by["connection.create"] for pod, by in storage.pods.items() if "connection.create" in by}
    failed = {pod: m.outcomes["fail"] + m.outcomes["unknown"] for pod, m in connects.items()}
    most = max(failed, key=lambda pod: failed[pod], default="")
    return f"connections failed most on {most}, {failed[most]:,}" if failed.get(most) else "no connection failed"


def _table(findings: Findings) -> PageTable:
    rows = [
        [s.storage, pod, *_accepts_outage(by.get("chat.accept")), *_connections(by.get("connection.create"))]
        for s in findings.storages
        for pod, by in s.pods.items()
    ]
    columns = ["storage", "pod", "accepts", "p50", "p99", "good", "failed", "connections", "of them failed"]
    limit = duration(findings.limits_s["chat.accept"])
    caption = f"By pod, judged stages, rounds pooled, with 95 % intervals. Good: accepted within {limit}. Failed includes unknown."
    return PageTable(caption, columns, rows, 2, packed=True)


def _accepts_outage(accept: Measure | None) -> list[str]:
    if accept is None:
        return ["0", NONE, NONE, NONE, NONE]
    good = f"{accept.good / accept.n:.1%}" if accept.good is not None and accept.n else NONE
    percentiles = [with_interval(accept.response[p]) for p in ("p50", "p99")]
    return [f"{accept.n:,}", *percentiles, good, f"{_bad(accept):,}"]


def _connections(connect: Measure | None) -> list[str]:
    return ["0", NONE] if connect is None else [f"{connect.n:,}", f"{_bad(connect):,}"]


def _bad(measure: Measure) -> int:
    return measure.outcomes["fail"] + measure.outcomes["unknown"]


def _operations_table(findings: Findings) -> PageTable:
    rows = [
        [
            s.storage,
            name,
            pod,
            f"{m.n:,}",
            *(value(m.response[p]) for p in ("p50", "p95", "p99", "max")),
            f"{_bad(m):,}",
        ]
        for s in findings.storages
        for name in s.measures
        for pod, by in s.pods.items()
        if (m := by.get(name)) is not None
    ]
    columns = ["storage", "operation", "pod", "n", "p50", "p95", "p99", "max", "failed or unknown"]
    return PageTable("Every operation by pod, judged stages, rounds pooled.", columns, rows, 3, packed=True)


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"pods": {pod: {name: _plain(m) for name, m in by.items()} for pod, by in storage.pods.items()}}


def _plain(measure: Measure) -> dict[str, Any]:
    """Without lock waits, which are known only for the storage as a whole."""
    return {
        "n": measure.n,
        "outcomes": recorded_outcomes(measure),
        "errors": dict(measure.errors),
        "good": measure.good,
        "response_ms": estimates_ms(measure.response),
    }


SECTION = Section(
    name="by-pod",
    question="happened",
    title="By pod",
    applies=lambda findings: any(s.pods for s in findings.storages),
    finding=_finding,
    how=lambda _: (
        "Left: the response of Accept chat, logarithmic, one scale for all pods: thick line p50, dark band to p95, light band to p99 "
        "(▲: at least that). Right: connections that failed or are unknown, a second. Rounds pooled."
    ),
    plot=draw,
    table=_operations_table,
    timed=True,
    beside=(_table,),
    summary=_summary,
)
