"""What servers counted and how transactions ended, as JSON."""

from collections.abc import Mapping
from typing import Any

from reports.data.contract import CounterGrowth
from reports.findings.locks import SampledRows, counted_wait_s
from reports.findings.redis_thread import Thread, thread_of
from reports.findings.transactions import Ended, Endings


def counted_summary(
    counted: Mapping[str, CounterGrowth], sampled: Mapping[str, SampledRows], ended: Endings
) -> dict[str, Any]:
    return {
        "counted": {name: _counted(entry, sampled.get(name)) for name, entry in counted.items()},
        "transactions": [
            {"database": database, "operation": operation, **_ended(entry)}
            for (database, operation), entry in ended.items()
        ]
        or None,
    }


def _counted(entry: CounterGrowth, sampled: SampledRows | None) -> dict[str, Any]:
    thread = thread_of(entry)
    return {
        "engine": entry.engine or None,
        "known": "counter" if entry.seen_s else "unknown",
        "seen": entry.seen,
        "resets": entry.resets,
        "growth": dict(entry.grown) if entry.seen_s else None,
        "row_waits_s": counted_wait_s(entry) if entry.seen_s else None,
        "row_waits_sampled": None if sampled is None else _sampled(sampled),
        "thread": None if thread is None else _thread(thread),
    }


def _sampled(sampled: SampledRows) -> dict[str, Any]:
    return {"seconds": sampled.seconds, "interval_s": sampled.interval_s}


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "busy": [thread.low, thread.high],
        "commands": [vars(command) for command in thread.commands],
        "slow": [vars(slow) for slow in thread.slow],
        "slow_unread": thread.unread,
    }


def _ended(entry: Ended) -> dict[str, Any]:
    return {"attempts": entry.attempts, "lost": entry.lost, "retries": entry.retries, "outcomes": dict(entry.outcomes)}
