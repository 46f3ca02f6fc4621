# ruff: noqa: E501  sentences of the page are kept whole
"""Section: throughput and outcomes over time."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.handshakes import handshakes
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.panels import panel_pairs
from reports.page.plots.style import INK, MUTED, OUTCOME_STYLES, SeriesStyle
from reports.page.table import PageTable
from reports.sections.contract import Section, each
from reports.text.wording import digits


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Requests ended each second by outcome, against those planned; failures have a scale of their own."""
    whole, pairs = panel_pairs(findings, styles, (2.0, 1.0), ("requests a second", "failed or unknown\na second"))
    done = max((float((s.ended_per_s["ok"] + s.ended_per_s["refused"]).max()) for s in findings.storages), default=1)
    planned = max((float(s.planned_per_s.max()) for s in findings.storages), default=1)
    wrong = max((float((s.ended_per_s["fail"] + s.ended_per_s["unknown"]).max()) for s in findings.storages), default=0)
    for (upper, lower), storage in zip(pairs, findings.storages, strict=True):
        _stack(upper, findings, storage, ("ok", "refused"))
        edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
        upper.stairs(storage.planned_per_s, edges, color=INK, linewidth=1.0, linestyle=(0, (3, 1.5)), label="planned")
        upper.set_ylim(0, max(done, planned) * 1.3 or 1)
        _stack(lower, findings, storage, ("fail", "unknown"))
        lower.set_ylim(0, wrong * 1.35 or 1)
        if wrong == 0:
            lower.text(0.5, 0.5, "none", transform=lower.transAxes, ha="center", va="center", color=MUTED)
    if pairs:
        handles = [handle for axis in pairs[0] for handle in axis.get_legend_handles_labels()[0]]
        whole.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.4)
    return whole


def _stack(axis: Any, findings: Findings, storage: StorageFindings, outcomes: tuple[str, ...]) -> None:
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    base = np.zeros(findings.axis.count)
    for outcome in outcomes:
        rate = storage.ended_per_s[outcome]
        style = OUTCOME_STYLES[outcome]
        axis.stairs(base + rate, edges, baseline=base, fill=True, color=style.light, linewidth=0, label=outcome)
        base = base + rate


def _finding(findings: Findings) -> list[str]:
    return each(findings, _finding_of)


def _finding_of(storage: StorageFindings) -> str:
    rate = storage.requests_done / storage.judged_s if storage.judged_s else 0.0
    wrong = sum(m.outcomes["fail"] + m.outcomes["unknown"] for m in storage.requests)
    return f"{digits(rate)} requests a second answered in the judged stages, {wrong:,} failed or unknown"


def _table(findings: Findings) -> PageTable:
    whats = ("ok", "refused", "fail", "unknown")
    rows = [
        [s.storage, f"{i * findings.axis.width_s:g}", digits(float(s.planned_per_s[i]))]
        + [digits(float(s.ended_per_s[what][i])) for what in whats]
        for s in findings.storages
        for i in range(findings.axis.count)
    ]
    caption = "Requests a second: planned in the bin, and ended in it by outcome; mean of the rounds."
    return PageTable(caption, ["storage", "from, s", "planned", *whats], rows)


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    found = handshakes(storage.pooled)
    return {
        "handshakes": {
            "http_statuses": dict(found.judged),
            "http_statuses_whole_run": dict(found.whole),
            "details": [{"error": e, "detail": d, "count": n} for (e, d), n in found.details.items()],
            "known": "workers" if found.exact else "unknown",
        }
    }


SECTION = Section(
    name="throughput",
    question="cost",
    title="Throughput and outcomes",
    applies=lambda _: True,
    finding=_finding,
    how=lambda _: (
        "Upper: requests that ended each second; the dashed line is what was planned, so a gap is a backlog. Lower, with "
        "a scale of its own: failed, and unknown (timed out or cut off)."
    ),
    plot=draw,
    table=_table,
    timed=True,
    summary=_summary,
)
