"""How a sentence tells that the one thread of a Redis was busy."""

from collections.abc import Mapping

from reports.counters import Counted
from reports.redisthread import Thread, threads
from reports.wording import digits, duration, times

_BUSY = 0.5
"""Share of the time from which on who comes mostly finds the thread busy with another."""
_BLOCKS = 0.5
"""Share of a figure's database work from which on a single slow command explains it."""


def busy_words(thread: Thread) -> str:
    """`90 % busy (most with evalsha)`; by whom, where single slow commands of one are most of it."""
    low, high = (digits(share * 100) for share in (thread.low, thread.high))
    busy = f"{low if low == high else f'{low} … {high}'} % busy"
    if not thread.commands:
        return busy
    who = f" by {thread.slow[0].operation}" if thread.slow and thread.slow[0].share > thread.low / 2 else ""
    return f"{busy} (most with {thread.commands[0].name}{who})"


def database_words(counted: Mapping[str, Counted], part_ns: float) -> str:
    """What a sentence says of so much database work where one thread did it all: that it was busy, or kept by single
    commands. Empty where there is nothing of that to say."""
    found = threads(counted)
    if not found:
        return ""
    name, thread = max(found.items(), key=lambda one: one[1].low)
    whose = (
        "work of the database, whose one thread" if len(counted) == 1 else f"database work; the one thread of {name}"
    )
    if thread.low >= _BUSY:
        return f"was {whose} was {busy_words(thread)}"
    blocking = [slow for slow in thread.slow if slow.mean_s * 1e9 >= _BLOCKS * part_ns]
    if not blocking:
        return ""
    worst = max(blocking, key=lambda slow: slow.seconds)
    each = " each" if worst.calls > 1 else ""
    return f"was {whose} {worst.operation} kept {times(worst.calls)} for {duration(worst.mean_s)}{each}"
