# ruff: noqa: E501  sentences of the page are kept whole
"""Section: accepts and connections by pod."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.arrays import Floats
from reports.exports.figures import recorded_outcomes
from reports.exports.plain import estimates_ms
from reports.findings.operations import Measure
from reports.findings.slis import SLIS
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import bands, response_axis
from reports.page.plots.style import OUTCOME_STYLES, PAGE_IN, SeriesStyle, figure, note, short
from reports.page.plots.time_axis import SECONDS, TITLE_PT, edges_s, mark, whole_time
from reports.page.table import PageTable
from reports.sections.contract import Section
from reports.text.plain_names import pod_label, pods
from reports.text.wording import NONE, duration, value, with_interval

_ROW_IN, _HEAD_IN = 1.05, 0.75

_FEW = "too few rows"

_CONNECT, _ACCEPT = SLIS[0], SLIS[-1]


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A row for each pod, storage after storage: accepts on the left, failed connections on the right."""
    storages = [s for s in findings.storages if s.pods]
    rows = [(s, pod) for s in storages for pod in s.pods]
    whole = figure(PAGE_IN, _ROW_IN * len(rows) + _HEAD_IN * len(storages) + 0.4)
    grid = whole.subplots(len(rows), 2, sharex=True, squeeze=False, width_ratios=(1.35, 1))
    accepts = [measures[_ACCEPT] for s, pod in rows if _ACCEPT in (measures := s.pods[pod])]
    failed = max((float(_failed_per_s(s, pod).max(initial=0.0)) for s, pod in rows), default=0.0)
    for (left, right), (storage, pod) in zip(grid, rows, strict=True):
        first, style = pod == next(iter(storage.pods)), styles[storage.storage]
        for axis in (left, right):
            mark(axis, storage, names=first)
            whole_time(axis, findings)
        if first:
            left.set_title(f"{short(storage.label)}: Accept chat, response", color=style.text, pad=TITLE_PT)
            right.set_title("connections failed a second", pad=TITLE_PT)
        response_axis(left, accepts, most=4)
        bands(left, findings, storage.pods[pod].get(_ACCEPT), style)
        left.set_ylabel(short(pod_label(pod), 16), rotation=0, ha="right", va="center", fontweight="bold")
        right.set_ylim(0, failed * 1.3 or 1.0)
        _failures(right, findings, _failed_per_s(storage, pod))
    for axis in grid[-1]:
        axis.set_xlabel(SECONDS)
    return whole


def _failed_per_s(storage: StorageFindings, pod: str) -> Floats:
    connect = storage.pods[pod].get(_CONNECT)
    return np.zeros(0) if connect is None else storage.per_s(connect.failed)


def _failures(axis: Any, findings: Findings, rate: Floats) -> None:
    if rate.any():
        axis.stairs(rate, edges_s(findings), fill=True, color=OUTCOME_STYLES["fail"].light, linewidth=0)
    else:
        note(axis, "none" if len(rate) else "no connections")


def _finding(findings: Findings) -> list[str]:
    return [f"{s.label}: {_slowest(s)}; {_connections_of(s)}." for s in findings.storages if s.pods]


def _slowest(storage: StorageFindings) -> str:
    slow = {pod: e for pod, by in storage.pods.items() if _ACCEPT in by and (e := by[_ACCEPT].response["p99"])}
    if not slow:
        return "too few accepts for a p99 of any pod"
    worst, best = max(slow, key=lambda pod: slow[pod].value), min(slow, key=lambda pod: slow[pod].value)
    return (
        f"Accept chat has a p99 from {value(slow[best])} on {pods([best])} to {value(slow[worst])} on {pods([worst])}"
    )


def _connections_of(storage: StorageFindings) -> str:
    connects = {pod: by[_CONNECT] for pod, by in storage.pods.items() if _CONNECT in by}
    failed = {pod: m.outcomes["fail"] + m.outcomes["unknown"] for pod, m in connects.items()}
    most = max(failed, key=lambda pod: failed[pod], default="")
    return (
        f"connections failed most on {pods([most])}, {failed[most]:,}" if failed.get(most) else "no connection failed"
    )


def _table(findings: Findings) -> PageTable:
    rows = [
        [s.label, pod, *_accepts(by.get(_ACCEPT)), *_connections(by.get(_CONNECT))]
        for s in findings.storages
        for pod, by in s.pods.items()
    ]
    columns = ["system", "pod", "accepts", "p50", "p99", "good", "failed", "connections", "of them failed"]
    limit = duration(findings.limits_s[_ACCEPT])
    caption = f"By pod, judged stages, rounds pooled, with 95 % intervals. Good: accepted within {limit}. Failed includes unknown."
    return PageTable(caption, columns, rows, 2, packed=True, absent=_FEW)


def _accepts(accept: Measure | None) -> list[str]:
    if accept is None:
        return ["0", *["no accepts"] * 3, "0"]
    good = f"{accept.good / accept.n:.1%}" if accept.good is not None and accept.n else NONE
    percentiles = [with_interval(accept.response[p]) for p in ("p50", "p99")]
    return [f"{accept.n:,}", *percentiles, good, f"{_bad(accept):,}"]


def _connections(connect: Measure | None) -> list[str]:
    return ["0", "0"] if connect is None else [f"{connect.n:,}", f"{_bad(connect):,}"]


def _bad(measure: Measure) -> int:
    return measure.outcomes["fail"] + measure.outcomes["unknown"]


def _operations_table(findings: Findings) -> PageTable:
    rows = [
        [s.label, name, pod, f"{m.n:,}", *(value(m.response[p]) for p in ("p50", "p95", "p99", "max")), f"{_bad(m):,}"]
        for s in findings.storages
        for name in s.measures
        for pod, by in s.pods.items()
        if (m := by.get(name)) is not None
    ]
    columns = ["system", "operation", "pod", "n", "p50", "p95", "p99", "max", "failed or unknown"]
    return PageTable(
        "Every operation by pod, judged stages, rounds pooled.", columns, rows, 3, packed=True, absent=_FEW
    )


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
