# ruff: noqa: E501  sentences of the page are kept whole
"""What each plot shows, in words: the line above it, and what a screen reader says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from loadtests.records.vocabulary import OPERATIONS, PUSHES
from reports.findings import Findings, StorageFindings
from reports.headline import ACCEPT
from reports.page import tables
from reports.wording import NONE, digits, duration, value


@dataclass(frozen=True)
class Section:
    title: str
    finding: Callable[[Findings], list[str]]
    how: str
    table: Callable[[Findings], tables.Table]


def _over_time(findings: Findings) -> list[str]:
    return _each(findings, _over_time_of)


def _over_time_of(storage: StorageFindings) -> str:
    accept = storage.measures.get(ACCEPT)
    p50, p99 = (value(accept.response[p]) if accept else NONE for p in ("p50", "p99"))
    if storage.waits.known is None:
        return f"p50 {p50}, p99 {p99}; what it waited for could not be seen"
    peak = float(sum(storage.waits.sessions.values(), np.zeros(1)).max())
    return f"p50 {p50}, p99 {p99}; at most {digits(peak)} sessions waiting for a lock"


def _slowest(findings: Findings) -> list[str]:
    return _each(findings, _slowest_of)


def _slowest_of(storage: StorageFindings) -> str:
    asked = [m for name, m in storage.measures.items() if name in OPERATIONS and name not in PUSHES]
    known = [(e.value, e, m.name) for m in asked if (e := m.response["p99"])]
    if not known:
        return "too few rows for a p99"
    _, estimate, name = max(known, key=lambda found: found[0])
    return f"the slowest request is {name}, p99 {value(estimate)}"


def _distribution(findings: Findings) -> list[str]:
    return _each(findings, _distribution_of)


def _distribution_of(storage: StorageFindings) -> str:
    accept = storage.measures.get(ACCEPT)
    if accept is None:
        return "no Accept chat"
    half, rare, worst = (value(accept.response[p]) for p in ("p50", "p99", "max"))
    return f"half of all Accept chats take {half} or less, one in a hundred {rare} or more, the slowest {worst}"


def _blockers(findings: Findings) -> list[str]:
    return _each(findings, _blockers_of)


def _blockers_of(storage: StorageFindings) -> str:
    if storage.waits.known is None:
        return "unknown"
    ranked = sorted(storage.waits.seconds.items(), key=lambda pair: -pair[1])
    if not ranked or ranked[0][1] <= 0:
        return "no lock waits"
    (waiter, holder), seconds = ranked[0]
    whole = sum(storage.waits.seconds.values())
    return f"{duration(whole)} of lock waits, most of all {waiter} behind {holder}, {duration(seconds)}"


def _throughput(findings: Findings) -> list[str]:
    return _each(findings, _throughput_of)


def _throughput_of(storage: StorageFindings) -> str:
    rate = storage.requests_done / storage.judged_s if storage.judged_s else 0.0
    wrong = sum(m.outcomes["fail"] + m.outcomes["unknown"] for m in storage.requests)
    return f"{digits(rate)} requests a second answered in the judged stages, {wrong:,} failed or unknown"


def _resources(findings: Findings) -> list[str]:
    return _each(findings, _resources_of)


def _resources_of(storage: StorageFindings) -> str:
    spent = storage.usage.judged_cpu_s
    told = [f"{role} {digits(seconds / storage.judged_s)}" for role, seconds in spent.items() if storage.judged_s]
    return f"cores used in the judged stages: {', '.join(told)}" if told else "nobody looked"


def _each(findings: Findings, say: Callable[[StorageFindings], str]) -> list[str]:
    return [f"{s.storage}: {say(s)}." for s in findings.storages]


SECTIONS: Mapping[str, Section] = {
    "accept-over-time": Section(
        "Accept chat over time, and who was waiting for a lock",
        _over_time,
        "Upper: response of Accept chat by planned start, logarithmic; thick line p50, dark band to p95, light band to "
        "p99 (in a bin of fewer than 100 that is the slowest). Middle, same time axis: mean number of sessions "
        "waiting for a lock, stacked by what they were doing. Lower: mean number of database sessions at work, by what they "
        "were at; many of them far above the dashed line (the processors of the host) wait for one another. Shaded: the judged stages. Rounds pooled. Scales are shared.",
        tables.over_time,
    ),
    "operations-over-time": Section(
        "Every operation over time",
        _slowest,
        "A row for each operation, with one scale for all storages; a column for each storage. Logarithmic; thick line "
        "p50, dark band to p95, light band to p99 (in a bin of fewer than 100 that is the slowest), by planned start. "
        "Shaded: the judged stages. Rounds pooled.",
        tables.operations_over_time,
    ),
    "distribution": Section(
        "How long each operation takes",
        _distribution,
        "Response of the judged stages. To the right the axis stretches: each step from 90 to 99 to 99.9 is ten times "
        "rarer. Lower is better; a line that turns up early makes many people wait. Waits whose end nobody saw are drawn "
        "at what was seen of them.",
        tables.curves,
    ),
    "who-waited-for-whom": Section(
        "Who waited for whom",
        _blockers,
        "Each row waited for a lock that the column held, at the head of the queue; seconds over the judged stages of all "
        "rounds. The darker, the longer, on one scale for all storages.",
        tables.blockers,
    ),
    "throughput": Section(
        "Throughput and outcomes",
        _throughput,
        "Upper: requests that ended each second; the dashed line is what was planned, so a gap is a backlog. Lower, with "
        "a scale of its own: failed, and unknown (timed out or cut off).",
        tables.throughput,
    ),
    "resources": Section(
        "Processor and memory",
        _resources,
        "Processor cores in use and resident memory of pod, database, load generator and observer; mean of the rounds.",
        tables.resources,
    ),
}

WORDS: tuple[tuple[str, str], ...] = (
    ("response", "from the moment when an operation should have begun to its end: what a person waits. Judged stages only, by planned start."),
    ("service", "from the moment when it really began."),
    ("n", "attempts that were ok, failed or unknown. Percentiles are of the ok and the unknown; failures are counted beside."),
    ("unknown", "timed out or cut off: it may have happened. It counts as at least the wait that was seen; a percentile among such waits shows ≥."),
    ("refused", "a correct, definite no, such as losing the race for a chat. Counted apart."),
    ("10 … 14 ms", "a 95 % interval by the order of the rows, for independent rows; — is a bound, or a percentile, that so few rows cannot give."),
    ("lock wait", "seconds that sessions waited for a lock, for each 1,000 operations of that kind. Known by event (logged by the server), pod (timed where it happened), counter, or sampled (ticks times period, with an interval)."),
    ("event.deliver", "from its cause: since the operation that made the event began, on the harness's clock. From the stamp: since the server published it."),
    ("orphan", "a subscription whose connection is closed, or silent for longer than it may resume."),
)  # fmt: skip
