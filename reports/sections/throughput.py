# ruff: noqa: E501  sentences of the page are kept whole
"""Section: throughput and outcomes over time."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.arrays import Floats
from reports.data.handshakes import handshakes
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import INK, OUTCOME_STYLES, SeriesStyle, note
from reports.page.plots.time_axis import edges_s, on_time_axis, stack, storage_grid
from reports.page.table import PageTable
from reports.sections.contract import Section, by_bin, each
from reports.text.wording import digits


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Requests ended each second by outcome, against those planned; failures have a scale of their own."""
    whole, grid = storage_grid(findings, styles, (2.1, 1.1), legend_in=0.25)
    on_time_axis(findings, grid, ("requests a second", "failed or unknown\na second"))
    for axes, storage in zip(grid, findings.storages, strict=True):
        for axis, outcomes in zip(axes, (_DONE, _WRONG), strict=True):
            stack(axis, findings, {o: storage.ended_per_s[o] for o in outcomes}, OUTCOME_STYLES)
        axes[0].stairs(storage.planned_per_s, edges_s(findings), label="planned", **_PLANNED)
        axes[0].set_ylim(0, max(_most(findings, _DONE), *(s.planned_per_s.max() for s in findings.storages)) * 1.3 or 1)
        axes[1].set_ylim(0, _most(findings, _WRONG) * 1.35 or 1)
        if not _most(findings, _WRONG):
            axes[1].set_yticks([0])
            note(axes[1], "none")
    if grid:
        handles = [handle for axis in grid[0] for handle in axis.get_legend_handles_labels()[0]]
        whole.legend(handles=handles, loc="lower center", ncols=len(handles), handlelength=1.4)
    return whole


_DONE, _WRONG = ("ok", "refused"), ("fail", "unknown")

_PLANNED = {"color": INK, "linewidth": 1.0, "linestyle": (0, (3, 1.5))}


def _most(findings: Findings, outcomes: tuple[str, ...]) -> float:
    return max(
        (float(np.sum([s.ended_per_s[o] for o in outcomes], axis=0).max()) for s in findings.storages), default=0.0
    )


def _finding_of(storage: StorageFindings) -> str:
    rate = storage.requests_done / storage.judged_s if storage.judged_s else 0.0
    wrong = sum(m.outcomes["fail"] + m.outcomes["unknown"] for m in storage.requests)
    return f"{digits(rate)} requests a second answered, {f'{wrong:,}' if wrong else 'none'} failed or unknown"


def _table(findings: Findings) -> PageTable:
    rows = by_bin(findings, lambda s, i: [digits(float(rate[i])) for rate in (s.planned_per_s, *_ended(s))])
    caption = "Requests a second: planned in the bin, and ended in it by outcome; mean of the rounds."
    return PageTable(caption, ["system", "from, s", "planned", *_DONE, *_WRONG], rows)


def _ended(storage: StorageFindings) -> list[Floats]:
    return [storage.ended_per_s[outcome] for outcome in (*_DONE, *_WRONG)]


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
    question="happened",
    title="Throughput and outcomes",
    finding=lambda findings: each(findings, _finding_of),
    how=lambda _: (
        "Upper: requests that ended each second; the dashed line is what was planned, so a gap is a backlog. Lower, with "
        "a scale of its own: failed, and unknown (timed out or cut off)."
    ),
    plot=draw,
    table=_table,
    timed=True,
    summary=_summary,
)
