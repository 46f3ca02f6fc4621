# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the cost of a storage with its locks, and without them."""

from typing import Any

from matplotlib.figure import Figure

from reports.findings.costs import COSTS, LockCost, differing, lock_costs
from reports.findings.study import Findings
from reports.page.plots.style import INK, MUTED, SeriesStyle, figure, short
from reports.page.table import PageTable, number
from reports.sections.contract import Section
from reports.text.wording import digits


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Three panels with the storages in the same order: waiting, processor time, orphans, each per 1,000 accepts."""
    rows = lock_costs(findings)
    whole = figure(12.5, 1.1 + 0.36 * len(rows))
    axes = whole.subplots(1, len(COSTS), sharey=True)
    for axis, (field, title) in zip(axes, COSTS.items(), strict=True):
        values = [getattr(row, field) for row in rows]
        most = max((v for v in values if v is not None), default=0.0)
        axis.set_title(title)
        axis.grid(axis="y", visible=False)
        axis.set_xlim(0, most * 1.3 or 1)
        for place, (row, found) in enumerate(zip(rows, values, strict=True)):
            _bar(axis, place, found, styles[row.storage])
    axes[0].set_yticks(range(len(rows)), [short(row.storage) for row in rows])
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    for axis in axes:
        axis.tick_params(axis="y", length=0, labelcolor=INK)
    return whole


def _bar(axis: Any, place: int, found: float | None, style: SeriesStyle) -> None:
    axis.barh(place, found or 0.0, height=0.6, color=style.light, linewidth=0)
    text = "unknown" if found is None else digits(found) if found else "0"
    colour = MUTED if found is None else INK
    axis.annotate(
        text, (found or 0.0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8, color=colour
    )


def _finding(findings: Findings) -> list[str]:
    costs = lock_costs(findings)
    return [
        f"{engine}, for each 1,000 accepts: {'; '.join(_lock_cost(c) for c in costs if c.storage.partition(':')[0] == engine)}."
        for engine in dict.fromkeys(c.storage.partition(":")[0] for c in costs)
    ]


def _lock_cost(cost: LockCost) -> str:
    waited, cpu, orphans = number(cost.waited_s), number(cost.cpu_s), number(cost.orphans)
    return f"{cost.storage} {waited} s of waiting, {cpu} CPU-seconds, {orphans} orphans"


def _table(findings: Findings) -> PageTable:
    rows = [
        [cost.storage, f"{cost.accepted:,}", *(_or_unknown(c) for c in (cost.waited_s, cost.cpu_s, cost.orphans))]
        for cost in lock_costs(findings)
    ]
    columns = ["storage", "accepted chats", "lock-wait seconds", "CPU-seconds, pod and database", "orphans"]
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
        "Storages of one engine that differ only in their locking, for each 1,000 accepted chats: time waiting for locks, "
        "processor time, and orphans. Less is better in all three."
    ),
    plot=draw,
    table=_table,
    beside=(_table,),
)
