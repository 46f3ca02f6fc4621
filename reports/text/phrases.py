"""Phrases about locks, Redis's one thread, clocks and errors, for sentences. Tables have the short names."""

from collections.abc import Mapping

from loadtests.records.vocabulary import LOCAL_ERRORS
from reports.data.arrays import OTHERS
from reports.data.contract import NO_HOLDER, UNNAMED, CounterGrowth
from reports.findings.operations import Measure, StampClock
from reports.findings.redis_thread import Thread, threads
from reports.text.wording import digits, duration, listed, times

_ARTICLES = {"row": "a", "key": "a", "page": "a", "transaction": "a", "object": "an"}
"""By the first word of kinds with many objects. A lock is on one of them, which is not known."""
_BUSY = 0.5
"""Share of the time from which on most commands find the thread busy with another one."""
_BLOCKS = 0.5
"""Share of a figure's database work from which on a single slow command explains it."""

_ERRORS = {
    "connect_refused": "connection refused",
    "storage_unavailable": "storage unavailable",
    "storage_conflict": "lost to concurrent transactions",
    "timeout": "no answer in time",
    "cut_off": "connection cut",
    "run_ended": "still open at the end of the run",
    "internal": "internal error",
    "dns": "name not resolved",
}

_NAMED = 2
"""Errors that are named with their numbers."""


def lock_of(name: str) -> str:
    """`row of accounts` → `a row of accounts`."""
    kind = name.partition(" ")[0]
    if name == OTHERS:
        return "other locks"
    if kind == "advisory":
        return "an advisory lock"
    return "an unknown lock" if name == UNNAMED else f"{_ARTICLES.get(kind, 'the')} {name}"


def behind(holder: str) -> str:
    if holder == NO_HOLDER:
        return "between retries, while the lock was free"
    return "behind an unknown holder" if holder == UNNAMED else f"behind {holder}"


def queue(holder: str, name: str) -> str:
    if holder == NO_HOLDER:
        return f"a pause between retries of {lock_of(name)}, while it was free"
    return f"a queue {behind(holder)} on {lock_of(name)}"


def busy_words(thread: Thread) -> str:
    """`90 % busy (most with evalsha)`; with the client, where its single slow commands are most of it."""
    low, high = (digits(share * 100) for share in (thread.low, thread.high))
    busy = f"{low if low == high else f'{low} … {high}'} % busy"
    if not thread.commands:
        return busy
    client = f" by {thread.slow[0].operation}" if thread.slow and thread.slow[0].share > thread.low / 2 else ""
    return f"{busy} (most with {thread.commands[0].name}{client})"


def database_words(counted: Mapping[str, CounterGrowth], part_ns: float) -> str:
    """Database work on one thread: that it was busy, or blocked by single commands. Empty if neither was the case."""
    found = threads(counted)
    if not found:
        return ""
    name, thread = max(found.items(), key=lambda one: one[1].low)
    subject = (
        "work of the database, whose one thread" if len(counted) == 1 else f"database work; the one thread of {name}"
    )
    if thread.low >= _BUSY:
        return f"was {subject} was {busy_words(thread)}"
    blocking = [slow for slow in thread.slow if slow.mean_s * 1e9 >= _BLOCKS * part_ns]
    if not blocking:
        return ""
    worst = max(blocking, key=lambda slow: slow.seconds)
    each = " each" if worst.calls > 1 else ""
    return f"was {subject} {worst.operation} blocked {times(worst.calls)} for {duration(worst.mean_s)}{each}"


def clock_fault(clock: StampClock) -> str:
    """What is wrong with the clock of stamps, as the end of a sentence; empty without a fault."""
    if clock.usable or clock.low is None:
        return ""
    if clock.moved and clock.high is not None:
        return f"was set or drifted by {_length(clock.low - clock.high)} while the run went on, or this host's was"
    if clock.low > clock.tolerance_ns:
        return f"is {_between(clock.low, clock.high)} ahead of this host's"
    if clock.high is None:
        return f"may be behind this host's: no push came within {_length(-clock.low)} of its stamp"
    return f"is {_between(-clock.high, -clock.low)} behind this host's"


def _length(ns: int) -> str:
    return duration(ns / 1e9)


def _between(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {_length(least)}"
    low, high = _length(least), _length(most)
    return low if low == high else f"{low} to {high}"


def errors_of(measure: Measure) -> str:
    """`connection refused 3,106, no answer in time 51`: the most frequent errors of attempts without success."""
    refusals = {"already_accepted", "chat_closed", "not_subscribed", "draining"}
    found = {error: n for error, n in measure.errors.items() if error not in refusals}
    ranked = sorted(found, key=lambda error: -found[error])
    words = [f"{_error_words(error)} {found[error]:,}" for error in ranked[:_NAMED]]
    rest = sum(found[error] for error in ranked[_NAMED:])
    return listed([*words, f"other errors {rest:,}"] if rest else words)


def _error_words(error: str) -> str:
    if error in LOCAL_ERRORS:
        return "a resource of the load generator's host exhausted"
    return _ERRORS.get(error, error.replace("_", " "))
