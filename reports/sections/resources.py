"""Section: processor and memory by role."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.arrays import Floats
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import ROLE_STYLES, SeriesStyle, note
from reports.page.plots.time_axis import name_lines, on_time_axis, storage_grid
from reports.page.table import PageTable, number
from reports.sections.contract import Section, by_bin, each
from reports.text.wording import digits, listed


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Cores used and memory resident, one line per role."""
    whole, grid = storage_grid(findings, styles, (1.7, 1.2))
    on_time_axis(findings, grid, ("processor\ncores used", "memory resident,\nMiB"))
    for row, series in enumerate(zip(*map(_series, findings.storages), strict=True)):
        top = max((float(np.nanmax(v)) for by in series for v in by.values() if not np.isnan(v).all()), default=1)
        for axes, by in zip(grid, series, strict=True):
            axes[row].set_ylim(0, top * 1.15)
            _lines(axes[row], findings.axis.centres_s, by)
    return whole


def _series(storage: StorageFindings) -> tuple[Mapping[str, Floats], Mapping[str, Floats]]:
    """Cores, and MiB, by role."""
    return storage.usage.cores, {role: resident / 2**20 for role, resident in storage.usage.rss.items()}


def _lines(axis: Any, x: Floats, by: Mapping[str, Floats]) -> None:
    styles = {role: ROLE_STYLES.get(role, ROLE_STYLES["observer"]) for role in by}
    for role, values in by.items():
        axis.plot(x, values, color=styles[role].light, linestyle=styles[role].dash, linewidth=1.5)
    name_lines(axis, x, by, {role: style.text for role, style in styles.items()})
    if not by:
        note(axis, "not observed")


def _finding_of(storage: StorageFindings) -> str:
    spent = storage.usage.judged_cpu_s
    used = [f"{role} {digits(seconds / storage.judged_s)}" for role, seconds in spent.items() if storage.judged_s]
    return f"{listed(used)} cores used" if used else "processors were not observed"


def _table(findings: Findings) -> PageTable:
    roles = list(dict.fromkeys(role for s in findings.storages for role in s.usage.cores))
    rows = by_bin(findings, lambda s, i: [_at(by, role, i) for role in roles for by in _series(s)])
    columns = ["system", "from, s", *(f"{role} {unit}" for role in roles for unit in ("cores", "MiB"))]
    return PageTable(
        "Cores used and memory resident by role, mean of the rounds.", columns, rows, absent="not observed"
    )


def _at(by: Mapping[str, Floats], role: str, place: int) -> str:
    return number(float(by[role][place]) if role in by else None)


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"cpu_ms_per_operation": {role: storage.cpu_ms(role) for role in ("pod", "database")}}


SECTION = Section(
    name="resources",
    question="cost",
    title="Processor and memory",
    finding=lambda findings: each(findings, _finding_of),
    how=lambda _: (
        "Processor cores in use and resident memory of pod, database, load generator and observer; mean of the rounds."
    ),
    plot=draw,
    table=_table,
    timed=True,
    summary=_summary,
)
