# ruff: noqa: E501  sentences of the page are kept whole
"""Tables of waiting: accepts and sessions over time, and attribution."""

from collections.abc import Iterator, Mapping

from reports.analysis.causes.splits import CAUSES, FIGURES, Split, cause_label
from reports.analysis.findings import Findings, StorageFindings
from reports.analysis.sessions import CLASSES
from reports.page.figures import title
from reports.page.table import PageTable, number
from reports.text.headline import ACCEPT
from reports.text.wording import NONE, digits, duration, value


def over_time(findings: Findings) -> PageTable:
    """Latency of accepts and sessions waiting, a row for each storage and bin."""
    return PageTable(
        f"Accept chat in bins of {duration(findings.axis.width_s)}, by planned start; waiting: mean number of sessions "
        f"waiting for a lock; then the mean number of active sessions: {', '.join(CLASSES)}.",
        ["storage", "from, s", "n", "p50", "p95", "p99", "waiting", *CLASSES],
        [_bin_row(findings, storage, i) for storage in findings.storages for i in range(findings.axis.count)],
    )


def _bin_row(findings: Findings, storage: StorageFindings, place: int) -> list[str]:
    accept = storage.measures.get(ACCEPT)
    found = accept.over_time[place] if accept else None
    waiting = sum(float(density[place]) for density in storage.waits.sessions.values())
    classes = storage.sessions.by_class
    return [
        storage.storage,
        f"{place * findings.axis.width_s:g}",
        *((f"{found.n:,}", *map(value, found.percentiles)) if found else ("0", NONE, NONE, NONE)),
        "unknown" if storage.waits.known is None else digits(waiting),
        *(number(float(classes[name][place]) if name in classes else None) for name in CLASSES),
    ]


def sessions_by_database(findings: Findings) -> PageTable:
    """Empty where no run has several databases."""
    rows = [
        [s.storage, database, *(number(by.get(name)) for name in CLASSES)]
        for s in findings.storages
        for database, by in s.sessions.databases.items()
    ]
    caption = "Mean number of sessions by database and wait class, judged stages; a dash where not observed."
    return PageTable(caption, ["storage", "database", *CLASSES], rows, 2, packed=True)


def states(findings: Findings) -> PageTable:
    """Sessions by wait class and operation, the most frequent first."""
    rows = [
        [s.storage, wait_class, operation, digits(mean)]
        for s in findings.storages
        for (wait_class, operation), mean in sorted((s.sessions.judged_states or {}).items(), key=lambda pair: -pair[1])
        if mean >= 0.005
    ]
    caption = (
        "Mean number of sessions at work by wait class and operation, judged stages; fewer than 0.005 are left out."
    )
    return PageTable(caption, ["storage", "wait class", "operation", "sessions"], rows, 3, title="Sessions at work")


def causes(findings: Findings) -> PageTable:
    rows = [
        [title(operation), s.storage, figure, held_by(split)]
        + [("≥ " if split.at_least else "") + duration(split.value_ns / 1e9)]
        + [_part(split, cause) for cause in CAUSES]
        + [f"{split.n:,}"]
        for operation in dict.fromkeys(o for s in findings.storages for o in s.causes.splits)
        for s in findings.storages
        for figure, split in _in_order(s.causes.splits.get(operation) or {})
    ]
    caption = (
        "Figures of the response in the judged stages, split by cause: of a percentile, the mean shares of the operations around it. "
        "n: operations around it; behind: holders and objects of the locks, including locks of earlier calls and of the pool."
    )
    return PageTable(
        caption,
        ["operation", "storage", "figure", "behind", "took", *map(cause_label, CAUSES), "n"],
        rows,
        4,
        packed=True,
    )


def _in_order(splits: Mapping[str, Split]) -> Iterator[tuple[str, Split]]:
    yield from ((figure, splits[figure]) for figure in FIGURES if figure in splits)


def _part(split: Split, cause: str) -> str:
    part = split.parts.get(cause, 0.0)
    return f"{duration(part / 1e9)} ({part / split.value_ns:.0%})" if part and split.value_ns else "0"


def held_by(split: Split, most: int = 2) -> str:
    """`chat.accept on accounts 300 ms, message.send on chats 38 ms`."""
    ranked = sorted(split.locked.items(), key=lambda pair: -pair[1])[:most]
    return ", ".join(f"{holder} on {on} {duration(ns / 1e9)}" for (holder, on), ns in ranked if ns >= 1_000) or NONE
