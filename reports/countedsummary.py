"""What servers counted and how transactions ended, as JSON."""

from collections.abc import Mapping
from typing import Any

from reports.countedwaits import SampledRows, counted_wait_s
from reports.counters import Counted
from reports.endings import Ended, Endings
from reports.redisthread import Thread, thread_of


def counted_summary(
    counted: Mapping[str, Counted], sampled: Mapping[str, SampledRows], ended: Endings
) -> dict[str, Any]:
    return {
        "counted": {name: _counted(its, sampled.get(name)) for name, its in counted.items()},
        "transactions": [
            {"database": database, "operation": operation, **_ended(its)}
            for (database, operation), its in ended.items()
        ]
        or None,
    }


def _counted(its: Counted, sampled: SampledRows | None) -> dict[str, Any]:
    thread = thread_of(its)
    return {
        "engine": its.engine or None,
        "known": "counter" if its.seen_s else "unknown",
        "seen": its.seen,
        "resets": its.resets,
        "growth": dict(its.grown) if its.seen_s else None,
        "row_waits_s": counted_wait_s(its) if its.seen_s else None,
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


def _ended(its: Ended) -> dict[str, Any]:
    return {"attempts": its.attempts, "lost": its.lost, "retries": its.retries, "outcomes": dict(its.outcomes)}
