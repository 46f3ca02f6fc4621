# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the cost of a storage with its locks, and without them."""

from matplotlib.figure import Figure

from reports.findings.costs import COSTS, LockCost, differing, lock_costs
from reports.findings.study import Findings
from reports.page.plots.style import INK, MUTED, SeriesStyle, figure
from reports.page.plots.time_axis import beside_point, name_rows
from reports.page.table import PageTable
from reports.sections.contract import Section
from reports.text.wording import digits


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Three panels with the storages in the same order: waiting, processor time, orphans, each per 1,000 accepts."""
    rows = lock_costs(findings)
    whole = figure(12.5, 1.1 + 0.36 * len(rows))
    axes = whole.subplots(1, len(COSTS), sharey=True)
    for axis, (field, title) in zip(axes, COSTS.items(), strict=True):
        values = [getattr(row, field) for row in rows]
        axis.set_title(title)
        name_rows(axis, [_label(findings, row) for row in rows])
        axis.set_xlim(0, max((v for v in values if v is not None), default=0.0) * 1.3 or 1)
        for place, (row, found) in enumerate(zip(rows, values, strict=True)):
            axis.barh(place, found or 0.0, height=0.6, color=styles[row.storage].light, linewidth=0)
            beside_point(axis, found or 0.0, place, _or_unknown(found), MUTED if found is None else INK)
    return whole


def _label(findings: Findings, cost: LockCost) -> str:
    return next(s.label for s in findings.storages if s.storage == cost.storage)


def _finding(findings: Findings) -> list[str]:
    return [f"{_label(findings, cost)}: for each 1,000 accepts {_costs(cost)}." for cost in lock_costs(findings)]


def _costs(cost: LockCost) -> str:
    waited, cpu, orphans = (_or_unknown(c) for c in (cost.waited_s, cost.cpu_s, cost.orphans))
    return f"{waited} s of waiting for locks, {cpu} CPU-seconds and {orphans} orphans"


def _table(findings: Findings) -> PageTable:
    rows = [
        [
            _label(findings, cost),
            f"{cost.accepted:,}",
            *(_or_unknown(c) for c in (cost.waited_s, cost.cpu_s, cost.orphans)),
        ]
        for cost in lock_costs(findings)
    ]
    columns = ["system", "accepted chats", "lock-wait seconds", "CPU-seconds, pod and database", "orphans"]
    caption = (
        "For each 1,000 accepted chats. Waiting and processor time: judged stages; orphans: those found by the ledger at the "
        "end and those swept before, over the whole run."
    )
    return PageTable(caption, columns, rows)


def _or_unknown(cost: float | None) -> str:
    return "unknown" if cost is None else digits(cost) if cost else "0"


SECTION = Section(
    name="lock-for-cpu",
    question="cost",
    title="Locks for processors",
    applies=lambda findings: bool(differing(findings)),
    finding=_finding,
    how=lambda _: (
        "Storage systems of one engine that differ only in their locking, for each 1,000 accepted chats: time waiting for locks, "
        "processor time, and orphans. Less is better in all three."
    ),
    plot=draw,
    table=_table,
    beside=(_table,),
)
