# ruff: noqa: E501  sentences of the page are kept whole
"""Section: outcomes of transactions, and the servers' own totals."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from loadtests.records.vocabulary import TRANSACTION_OPERATIONS
from reports.findings.redis_thread import threads
from reports.findings.study import Findings, StorageFindings
from reports.findings.transactions import LOST, Ended, endings_by_operation
from reports.page.plots.style import INK, LOSS_STYLES, MUTED, PAGE_IN, SeriesStyle, beside, figure, note, short
from reports.page.plots.time_axis import beside_point, name_rows
from reports.page.table import PageTable
from reports.sections.blocked.counted import commands_table, counted_summary, slow_table, totals_table
from reports.sections.contract import Section
from reports.text.phrases import busy_words
from reports.text.wording import NONE, digits

_ROW_IN, _HEAD_IN, _LEGEND_IN = 0.27, 0.62, 0.3


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A panel for each storage, a bar for each operation; only operations that any storage lost."""
    storages, operations = findings.storages, lost_operations(findings)
    across = beside(len(storages))
    down = -(-len(storages) // across)
    whole = figure(PAGE_IN, (_ROW_IN * max(len(operations), 1) + _HEAD_IN) * down + _LEGEND_IN)
    axes = whole.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    for axis, storage in zip(axes, storages, strict=False):
        axis.set_title(short(storage.label), color=styles[storage.storage].text)
        _panel(axis, storage, operations)
    for axis in axes[len(storages) :]:
        axis.set_visible(False)
    axes[0].set_xlim(0, max(_most(findings) * 130, 1))
    if operations:
        handles = [Patch(facecolor=style.light, label=name.replace("_", " ")) for name, style in LOSS_STYLES.items()]
        whole.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=1.2)
    return whole


def lost_operations(findings: Findings) -> list[str]:
    """Operations of which any storage lost an attempt, in the order of the vocabulary."""
    lost = {o for s in findings.storages for o, entry in endings_by_operation(s.endings).items() if entry.lost}
    return [operation for operation in TRANSACTION_OPERATIONS if operation in lost]


def _most(findings: Findings) -> float:
    ended = [entry for s in findings.storages for entry in endings_by_operation(s.endings).values()]
    return max((entry.lost / entry.attempts for entry in ended), default=0.0)


def _panel(axis: Any, storage: StorageFindings, operations: Sequence[str]) -> None:
    name_rows(axis, operations)
    axis.xaxis.set_major_formatter(lambda share, _: f"{share:g} %")
    ended = endings_by_operation(storage.endings)
    if not ended or not operations:
        note(axis, "none was lost" if ended else "outcomes of transactions unknown")
        return
    for place, operation in enumerate(operations):
        _bar(axis, place, ended.get(operation))


def _bar(axis: Any, place: int, ended: Ended | None) -> None:
    """A bar stacked by cause of the loss, with a number at its end, also for zero."""
    begin = 0.0
    for outcome in LOST if ended else ():
        share = ended.outcomes.get(outcome, 0) / ended.attempts * 100 if ended else 0.0
        axis.barh(place, share, left=begin, height=0.62, color=LOSS_STYLES[outcome].light, linewidth=0)
        begin += share
    text = "no attempt" if ended is None else f"{digits(begin)} %" if begin else "0"
    beside_point(axis, begin, place, text, INK if begin else MUTED)


_OUTCOMES = ("committed", "rolled_back", *LOST, "unknown")


def _finding(findings: Findings) -> list[str]:
    return [f"{s.label}: {'; '.join((_lost_of(s), *_threads_of(s)))}." for s in findings.storages]


def _lost_of(storage: StorageFindings) -> str:
    by = endings_by_operation(storage.endings)
    attempts, lost = (sum(getattr(entry, name) for entry in by.values()) for name in ("attempts", "lost"))
    if not by:
        return "outcomes of transactions unknown: no pod wrote its transactions"
    if not lost:
        return f"none of {attempts:,} transactions was lost to another one"
    operation, worst = max(by.items(), key=lambda one: one[1].lost / one[1].attempts)
    again = sum(entry.retries or 0 for entry in by.values())
    most = f"most of {operation} ({_percent(worst.lost / worst.attempts)})"
    return f"{lost:,} of {attempts:,} transactions were lost to others ({_percent(lost / attempts)}), {most}; {again:,} retried"


def _threads_of(storage: StorageFindings) -> Iterator[str]:
    for name, thread in threads(storage.counted).items():
        kept = sum(command.calls for command in thread.slow) + thread.unread
        blocked = f", {kept:,} single commands blocked it" if kept else ""
        yield f"the one thread of {name} was {busy_words(thread)}{blocked}"


def _percent(share: float) -> str:
    return f"{digits(share * 100)} %"


def _table(findings: Findings) -> PageTable:
    """One row per operation and storage."""
    several = any(len({database for database, _ in s.endings}) > 1 for s in findings.storages)
    kinds = sorted(
        {kind for s in findings.storages for kind in s.endings}, key=lambda kind: (_order(findings, kind[1]), kind[0])
    )
    rows = [
        [operation, s.label, *([database] if several else []), *_ended(s, operation, s.endings[database, operation])]
        for operation in dict.fromkeys(operation for _, operation in kinds)
        for s in findings.storages
        for database in dict.fromkeys(database for database, _ in kinds)
        if (database, operation) in s.endings
    ]
    caption = (
        "Transactions that began in the judged stages, rounds pooled; each attempt of an operation is one. Lost: to another transaction, by conflict, "
        "stale snapshot, deadlock or lock timeout. Retries: attempts after a lost one, for each 1,000 operations; unknown where requests have no key."
    )
    columns = ["operation", "system", *(["database"] if several else []), "attempts",
               *(name.replace("_", " ") for name in _OUTCOMES), "lost", "retries per 1,000"]  # fmt: skip
    empty = "Unknown: no pod wrote a table of its transactions."
    return PageTable(caption, columns, rows, 3 if several else 2, empty=empty, absent="unknown")


def _order(findings: Findings, operation: str) -> int:
    found = [name for s in findings.storages for _, name in s.endings]
    return found.index(operation)


def _ended(storage: StorageFindings, operation: str, entry: Ended) -> list[str]:
    measure = storage.measures.get(operation)
    asked = sum(measure.outcomes.values()) if measure else 0
    retries = (
        NONE if entry.retries is None or not asked else digits(entry.retries / asked * 1000) if entry.retries else "0"
    )
    counts = (f"{entry.outcomes.get(name, 0):,}" for name in _OUTCOMES)
    return [f"{entry.attempts:,}", *counts, _percent(entry.lost / entry.attempts) if entry.lost else "0", retries]


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    transactions = [
        {"database": database, "operation": operation, **_plain_ended(entry)}
        for (database, operation), entry in storage.endings.items()
    ]
    return {**counted_summary(storage), "transactions": transactions or None}


def _plain_ended(entry: Ended) -> dict[str, Any]:
    return {"attempts": entry.attempts, "lost": entry.lost, "retries": entry.retries, "outcomes": dict(entry.outcomes)}


SECTION = Section(
    name="endings",
    question="blocked",
    title="How transactions ended, and what the servers counted",
    applies=lambda findings: any(s.endings or s.counted for s in findings.storages),
    finding=_finding,
    how=lambda _: (
        "Share of an operation's attempts that were lost to another transaction, of those that began in the judged stages, by cause: conflict, SQLite's stale snapshot, "
        "deadlock, or lock timeout. This work is wasted and usually repeated. Operations without losses on any system are left out. Rounds pooled."
    ),
    plot=draw,
    table=_table,
    beside=(totals_table, commands_table, slow_table),
    summary=_summary,
)
