# ruff: noqa: E501  sentences of the page are kept whole
"""Section: outcomes of transactions, and the servers' own totals."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from loadtests.engines import is_single_threaded
from loadtests.records.vocabulary import TRANSACTION_OPERATIONS
from reports.data.contract import CounterGrowth
from reports.findings.locks import SampledRows, counted_wait_s
from reports.findings.redis_thread import Thread, thread_of, threads
from reports.findings.study import Findings, StorageFindings
from reports.findings.transactions import LOST, Ended, endings_by_operation
from reports.page.plots.style import INK, LOSS_STYLES, MUTED, SeriesStyle, beside, figure, short
from reports.page.table import PageTable
from reports.sections.contract import Section
from reports.text.phrases import busy_words
from reports.text.wording import NONE, digits, duration, times

_ROW_IN, _HEAD_IN, _LEGEND_IN = 0.27, 0.62, 0.3


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A panel for each storage, a bar for each operation; only operations that any storage lost."""
    storages, operations = findings.storages, lost_operations(findings)
    across = beside(len(storages))
    down = -(-len(storages) // across)
    panel_in = _ROW_IN * max(len(operations), 1) + _HEAD_IN
    whole = figure(12.5, panel_in * down + _LEGEND_IN)
    axes = whole.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    for axis, storage in zip(axes, storages, strict=False):
        axis.set_title(short(storage.storage), color=styles[storage.storage].text)
        _panel(axis, storage, operations)
    for axis in axes[len(storages) :]:
        axis.set_visible(False)
    axes[0].set_ylim(max(len(operations), 1) - 0.4, -0.6)
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
    axis.grid(axis="y", visible=False)
    axis.xaxis.set_major_formatter(lambda share, _: f"{share:g} %")
    axis.set_yticks(range(len(operations)), [short(operation) for operation in operations])
    axis.tick_params(axis="y", length=0, labelcolor=INK)
    ended = endings_by_operation(storage.endings)
    if not ended or not operations:
        text = "none was lost" if ended else "outcomes of transactions unknown"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=MUTED)
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
    style = {"va": "center", "fontsize": 8, "color": INK if begin else MUTED}
    axis.annotate(text, (begin, place), xytext=(4, 0), textcoords="offset points", **style)


_OUTCOMES = ("committed", "rolled_back", *LOST, "unknown")

_LITTLE = 0.0005
"""Commands with a smaller share of the thread's time are left out of the table."""


def _finding(findings: Findings) -> list[str]:
    return [f"{s.storage}: {'; '.join((_lost_of(s), *_threads_of(s)))}." for s in findings.storages]


def _lost_of(storage: StorageFindings) -> str:
    by = endings_by_operation(storage.endings)
    attempts, lost = (sum(getattr(entry, name) for entry in by.values()) for name in ("attempts", "lost"))
    if not by:
        return "outcomes of transactions unknown: no pod wrote its transactions"
    if not lost:
        return f"none of {attempts:,} transactions was lost to another one"
    operation, worst = max(by.items(), key=lambda one: one[1].lost / one[1].attempts)
    again = sum(entry.retries or 0 for entry in by.values())
    return (
        f"{lost:,} of {attempts:,} transactions were lost to others ({_percent(lost / attempts)}), most of all of "
        f"{operation}: {_percent(worst.lost / worst.attempts)}; {again:,} were retried"
    )


def _threads_of(storage: StorageFindings) -> Iterator[str]:
    for name, thread in threads(storage.counted).items():
        kept = sum(_slow_table.calls for _slow_table in thread.slow) + thread.unread
        _slow_table = f", {kept:,} single commands blocked it" if kept else ""
        yield f"the one thread of {name} was {busy_words(thread)}{_slow_table}"


def _percent(share: float) -> str:
    return f"{digits(share * 100)} %"


def _table(findings: Findings) -> PageTable:
    """One row per operation and storage."""
    several = any(len({database for database, _ in s.endings}) > 1 for s in findings.storages)
    kinds = sorted(
        {kind for s in findings.storages for kind in s.endings}, key=lambda kind: (_order(findings, kind[1]), kind[0])
    )
    rows = [
        [operation, s.storage, *([database] if several else []), *_ended(s, operation, s.endings[database, operation])]
        for operation in dict.fromkeys(operation for _, operation in kinds)
        for s in findings.storages
        for database in dict.fromkeys(database for database, _ in kinds)
        if (database, operation) in s.endings
    ]
    caption = (
        "Transactions that began in the judged stages, rounds pooled; each attempt of an operation is one. Lost: to another transaction, by conflict, "
        "stale snapshot, deadlock or lock timeout. Retries: attempts after a lost one, for each 1,000 operations; no value where requests have no key."
    )
    where = ["database"] if several else []
    columns = [
        "operation",
        "storage",
        *where,
        "attempts",
        *(name.replace("_", " ") for name in _OUTCOMES),
        "lost",
        "retries per 1,000",
    ]
    return PageTable(
        caption,
        columns,
        rows,
        3 if several else 2,
        empty="Unknown: no pod wrote a table of its transactions.",
    )


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


def _totals_table(findings: Findings) -> PageTable:
    """Of servers that count transactions and waits."""
    rows = [
        [s.storage, name, *_totals(entry, s.sampled.get(name))]
        for s in findings.storages
        for name, entry in s.counted.items()
        if not is_single_threaded(entry.engine)
    ]
    caption = (
        "Growth of the servers' own totals in the judged stages, rounds pooled. Seen: the share of that time that the totals cover; after a reset or a restart of "
        "the server the rest is unknown (≥). Waits for rows: as counted by the server, each truncated to whole milliseconds, and the sampled time of the same waits with its 95 % interval. "
        "No value: not counted by this server, or not sampled."
    )
    columns = [
        "storage",
        "database",
        "seen",
        "waits for rows",
        "counted, s",
        "sampled, s",
        "deadlocks",
        "commits",
        "rollbacks",
    ]
    return PageTable(caption, columns, rows, 2, "What the servers counted" if rows else "")


def _totals(counted: CounterGrowth, sampled: SampledRows | None) -> list[str]:
    if not counted.seen_s:
        return [_seen(counted), *["unknown"] * 6]

    def grown(name: str) -> str:
        return NONE if name not in counted.grown else f"{_least(counted)}{counted.grown[name]:,}"

    waited = counted_wait_s(counted)
    seconds = NONE if waited is None else f"{_least(counted)}{_between(*waited)}"
    sampled_text = NONE if sampled is None else f"{digits(sampled.seconds)} ({_between(*sampled.interval_s)})"
    return [
        _seen(counted),
        grown("lock_waits"),
        seconds,
        sampled_text,
        *map(grown, ("deadlocks", "commits", "rollbacks")),
    ]


def _seen(counted: CounterGrowth) -> str:
    resets = f", reset {times(counted.resets)}" if counted.resets else ""
    return f"{counted.seen:.0%}{resets}"


def _least(counted: CounterGrowth) -> str:
    return "" if counted.whole else "≥ "


def _between(low: float, high: float) -> str:
    return digits(low) if digits(low) == digits(high) else f"{digits(low)} … {digits(high)}"


def _commands_table(findings: Findings) -> PageTable:
    rows = [
        [s.storage, name, *row]
        for s in findings.storages
        for name, thread in threads(s.counted).items()
        for row in _commands(thread, s.counted[name])
    ]
    caption = (
        "Share of the observed time for which each command used Redis's one thread, as counted by the server. Commands called by a script count separately as well, so "
        "that the sum of all commands lies between two bounds. Socket and disk I/O, which the thread does too, are not included."
    )
    columns = [
        "storage",
        "database",
        "command",
        "of the time, %",
        "calls a second",
        "mean",
        "rejected or failed",
        "seen",
    ]
    return PageTable(caption, columns, rows, 3, "How Redis used its one thread" if rows else "")


def _commands(thread: Thread, counted: CounterGrowth) -> Iterator[list[str]]:
    """All commands together, then each."""
    yield ["all commands", _between(thread.low * 100, thread.high * 100), NONE, NONE, NONE, _seen(counted)]
    for command in thread.commands:
        if command.share >= _LITTLE or command.wrong:
            rate, mean = digits(command.calls / counted.seen_s), duration(command.mean_s)
            yield [command.name, digits(command.share * 100), rate, mean, f"{command.wrong:,}", _seen(counted)]


def _slow_table(findings: Findings) -> PageTable:
    watched = [(s, name, thread) for s in findings.storages for name, thread in threads(s.counted).items()]
    rows = [
        [
            s.storage,
            name,
            entry.operation,
            f"{entry.calls:,}",
            duration(entry.seconds),
            duration(entry.mean_s),
            digits(entry.share * 100),
        ]
        for s, name, thread in watched
        for entry in thread.slow
    ] + [
        [s.storage, name, "unknown", f"{thread.unread:,}", NONE, NONE, NONE]
        for s, name, thread in watched
        if thread.unread
    ]
    caption = "Single commands and scripts that took longer than the server's slowlog-log-slower-than, by client. All other clients waited meanwhile. Unknown: SLOWLOG dropped them before they were read."
    columns = ["storage", "database", "sent by", "times", "together", "each", "of the time, %"]
    empty = "None in SLOWLOG. Where it could not be read, a doubt states it."
    return PageTable(caption, columns, rows, 3, "Commands that blocked Redis" if watched else "", empty)


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    transactions = [
        {"database": database, "operation": operation, **_plain_ended(entry)}
        for (database, operation), entry in storage.endings.items()
    ]
    counted = {name: _plain_counted(entry, storage.sampled.get(name)) for name, entry in storage.counted.items()}
    return {"counted": counted, "transactions": transactions or None}


def _plain_ended(entry: Ended) -> dict[str, Any]:
    return {"attempts": entry.attempts, "lost": entry.lost, "retries": entry.retries, "outcomes": dict(entry.outcomes)}


def _plain_counted(entry: CounterGrowth, sampled: SampledRows | None) -> dict[str, Any]:
    thread = thread_of(entry)
    return {
        "engine": entry.engine or None,
        "known": "counter" if entry.seen_s else "unknown",
        "seen": entry.seen,
        "resets": entry.resets,
        "growth": dict(entry.grown) if entry.seen_s else None,
        "row_waits_s": counted_wait_s(entry) if entry.seen_s else None,
        "row_waits_sampled": sampled and {"seconds": sampled.seconds, "interval_s": sampled.interval_s},
        "thread": thread and _plain_thread(thread),
    }


def _plain_thread(thread: Thread) -> dict[str, Any]:
    return {
        "busy": [thread.low, thread.high],
        "commands": [vars(command) for command in thread.commands],
        "slow": [vars(slow) for slow in thread.slow],
        "slow_unread": thread.unread,
    }


SECTION = Section(
    name="endings",
    question="blocked",
    title="How transactions ended, and what the servers counted",
    applies=lambda findings: any(s.endings or s.counted for s in findings.storages),
    finding=_finding,
    how=lambda _: (
        "Share of an operation's attempts that were lost to another transaction, of those that began in the judged stages, by cause: conflict, SQLite's stale snapshot, "
        "deadlock, or lock timeout. This work is wasted and usually repeated. Operations without losses on any storage are left out. Rounds pooled."
    ),
    plot=draw,
    table=_table,
    beside=(_totals_table, _commands_table, _slow_table),
    summary=_summary,
)
