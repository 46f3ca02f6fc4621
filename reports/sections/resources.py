"""Section: processor and memory by role."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.arrays import Floats
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.panels import panel_pairs
from reports.page.plots.style import MUTED, ROLE_STYLES, SeriesStyle
from reports.page.table import PageTable, number
from reports.sections.contract import Section, each
from reports.text.wording import digits


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Cores used and memory resident, one line per role."""
    whole, pairs = panel_pairs(findings, styles, (1.5, 1.0), ("processor cores used", "memory resident, MiB"))
    for row, scale in ((0, 1.0), (1, 2.0**20)):
        series = [(s.usage.cores, s.usage.rss)[row] for s in findings.storages]
        top = max(
            (float(np.nanmax(v)) / scale for by in series for v in by.values() if not np.isnan(v).all()), default=1
        )
        for axes, by in zip(pairs, series, strict=True):
            axes[row].set_ylim(0, top * 1.15)
            _lines(axes[row], findings.axis.centres_s, {role: v / scale for role, v in by.items()})
    return whole


def _lines(axis: Any, x: Floats, by: dict[str, Floats]) -> None:
    if not by:
        axis.text(0.5, 0.5, "not observed", transform=axis.transAxes, ha="center", color=MUTED)
    lowest, highest = axis.get_ylim()
    previous = np.inf
    for role in sorted(by, key=lambda r: -_last(by[r])):
        style = ROLE_STYLES.get(role, ROLE_STYLES["observer"])
        axis.plot(x, by[role], color=style.light, linestyle=style.dash, linewidth=1.5)
        y = min(_last(by[role]), previous - (highest - lowest) * 0.075)
        axis.annotate(
            role,
            (x[-1], y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=style.text,
            annotation_clip=False,
        )
        previous = y


def _last(values: Floats) -> float:
    seen = values[~np.isnan(values)]
    return float(seen[-1]) if len(seen) else 0.0


def _finding(findings: Findings) -> list[str]:
    return each(findings, _finding_of)


def _finding_of(storage: StorageFindings) -> str:
    spent = storage.usage.judged_cpu_s
    text = [f"{role} {digits(seconds / storage.judged_s)}" for role, seconds in spent.items() if storage.judged_s]
    return f"cores used in the judged stages: {', '.join(text)}" if text else "not observed"


def _table(findings: Findings) -> PageTable:
    roles = list(dict.fromkeys(role for s in findings.storages for role in s.usage.cores))
    rows = [
        [s.storage, f"{i * findings.axis.width_s:g}"]
        + [
            number(float(series[role][i]) / scale if role in series else None)
            for role in roles
            for series, scale in ((s.usage.cores, 1), (s.usage.rss, 2**20))
        ]
        for s in findings.storages
        for i in range(findings.axis.count)
    ]
    columns = ["storage", "from, s", *(f"{role} {unit}" for role in roles for unit in ("cores", "MiB"))]
    return PageTable("Cores used and memory resident by role, mean of the rounds.", columns, rows)


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"cpu_ms_per_operation": {role: storage.cpu_ms(role) for role in ("pod", "database")}}


SECTION = Section(
    name="resources",
    question="cost",
    title="Processor and memory",
    applies=lambda _: True,
    finding=_finding,
    how=lambda _: (
        "Processor cores in use and resident memory of pod, database, load generator and observer; mean of the rounds."
    ),
    plot=draw,
    table=_table,
    timed=True,
    summary=_summary,
)
