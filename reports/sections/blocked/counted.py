# ruff: noqa: E501  sentences of the page are kept whole
"""What the servers counted: tables of the section about transactions, and their part of `summary.json`."""

from collections.abc import Iterator
from typing import Any

from loadtests.engines import is_single_threaded
from reports.data.contract import CounterGrowth
from reports.findings.locks import SampledRows, counted_wait_s
from reports.findings.redis_thread import Thread, thread_of, threads
from reports.findings.study import Findings, StorageFindings
from reports.page.table import PageTable
from reports.text.wording import NONE, digits, duration, times

_LITTLE = 0.0005
"""Commands with a smaller share of the thread's time are left out of the table."""


def totals_table(findings: Findings) -> PageTable:
    """Of servers that count transactions and waits."""
    rows = [
        [s.label, name, *_totals(entry, s.sampled.get(name))]
        for s in findings.storages
        for name, entry in s.counted.items()
        if not is_single_threaded(entry.engine)
    ]
    caption = (
        "Growth of the servers' own totals in the judged stages, rounds pooled. Seen: the share of that time that the totals cover; after a reset or a restart of "
        "the server the rest is unknown (≥). Waits for rows: as counted by the server, each truncated to whole milliseconds, and the sampled time of the same waits with its 95 % interval. "
    )
    columns = ["system", "database", "seen", "waits for rows", "counted, s", "sampled, s", "deadlocks", "commits",
               "rollbacks"]  # fmt: skip
    return PageTable(caption, columns, rows, 2, "What the servers counted" if rows else "",
                     absent={**dict.fromkeys(columns, "not counted"), "sampled, s": "not sampled"})  # fmt: skip


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


def commands_table(findings: Findings) -> PageTable:
    rows = [
        [s.label, name, *row]
        for s in findings.storages
        for name, thread in threads(s.counted).items()
        for row in _commands(thread, s.counted[name])
    ]
    caption = (
        "Share of the observed time for which each command used Redis's one thread, as counted by the server. Commands called by a script count separately as well, so "
        "that the sum of all commands lies between two bounds. Socket and disk I/O, which the thread does too, are not included."
    )
    columns = ["system", "database", "command", "of the time, %", "calls a second", "mean", "rejected or failed",
               "seen"]  # fmt: skip
    return PageTable(caption, columns, rows, 3, "How Redis used its one thread" if rows else "", absent="not summed")


def _commands(thread: Thread, counted: CounterGrowth) -> Iterator[list[str]]:
    """All commands together, then each."""
    yield ["all commands", _between(thread.low * 100, thread.high * 100), NONE, NONE, NONE, _seen(counted)]
    for command in thread.commands:
        if command.share >= _LITTLE or command.wrong:
            rate, mean = digits(command.calls / counted.seen_s), duration(command.mean_s)
            yield [command.name, digits(command.share * 100), rate, mean, f"{command.wrong:,}", _seen(counted)]


def slow_table(findings: Findings) -> PageTable:
    watched = [(s, name, thread) for s in findings.storages for name, thread in threads(s.counted).items()]
    rows = [row for s, name, thread in watched for row in _slow(s.label, name, thread)]
    caption = "Single commands and scripts that took longer than the server's slowlog-log-slower-than, by client. All other clients waited meanwhile. Unknown: SLOWLOG dropped them before they were read."
    columns = ["system", "database", "sent by", "times", "together", "each", "of the time, %"]
    empty = "None in SLOWLOG. Where it could not be read, a doubt states it."
    return PageTable(
        caption, columns, rows, 3, "Commands that blocked Redis" if watched else "", empty, absent="unknown"
    )


def _slow(label: str, database: str, thread: Thread) -> Iterator[list[str]]:
    for one in thread.slow:
        lasted = (duration(one.seconds), duration(one.mean_s), digits(one.share * 100))
        yield [label, database, one.operation, f"{one.calls:,}", *lasted]
    if thread.unread:
        yield [label, database, "unknown", f"{thread.unread:,}", NONE, NONE, NONE]


def counted_summary(storage: StorageFindings) -> dict[str, Any]:
    return {
        "counted": {name: _plain_counted(entry, storage.sampled.get(name)) for name, entry in storage.counted.items()}
    }


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
