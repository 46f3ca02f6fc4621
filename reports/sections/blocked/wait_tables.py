# ruff: noqa: E501  sentences of the page are kept whole
"""Tables of the section about blockers: waits by pair, queue and database, the worst ones, convoys."""

from collections.abc import Iterator

from reports.data.contract import UNNAMED
from reports.findings.locks import Blame, Worst
from reports.findings.study import Findings
from reports.page.table import PageTable, number
from reports.text.wording import NONE, digits, duration, reported

_WORST = 10

_STATEMENT = 600
"""Characters of a statement that are shown."""


_LEAST_LISTED_S = 0.001


def pairs_table(findings: Findings) -> PageTable:
    rows = [row for s in findings.storages for row in _pair_rows(s.label, s.blame)]
    caption = (
        "Seconds that sessions waited for a lock, judged stages, rounds pooled: by the holder at that moment, and by the root "
        "blocker. Less than a millisecond is left out."
    )
    return PageTable(
        caption,
        ["system", "waited", "behind", "directly, s", "as the root, s", "known"],
        rows,
        3,
        packed=True,
        absent="none",
    )


def _pair_rows(label: str, blame: Blame) -> Iterator[list[str]]:
    for pair in sorted({*blame.direct, *blame.root}, key=lambda pair: (-blame.root.get(pair, 0.0), pair)):
        seconds = [table.get(pair, 0.0) for table in (blame.direct, blame.root)]
        if max(seconds) >= _LEAST_LISTED_S:
            yield [label, *map(reported, pair), *(f"{s:,.3f}" if s else NONE for s in seconds), str(blame.known)]


def depths_table(findings: Findings) -> PageTable:
    rows = [
        [s.label, f"{d}", f"{seconds:,.3f}"]
        for s in findings.storages
        for d, seconds in sorted(s.blame.depth_s.items())
    ]
    caption = "Seconds waited by the number of sessions ahead, the root included; judged stages."
    return PageTable(caption, ["system", "sessions ahead", "seconds"], rows, title="Length of the queues")


def databases_table(findings: Findings) -> PageTable:
    """Empty where no storage has several databases."""
    rows = [
        [
            s.label,
            database,
            reported(waiter),
            reported(holder),
            f"{seconds:,.3f}",
            number(seconds / (s.judged_s or 1)),
            str(waits.known),
        ]
        for s in findings.storages
        if len(s.waits.databases) > 1
        for database, waits in s.waits.databases.items()
        for (waiter, holder), seconds in sorted(waits.seconds.items(), key=lambda pair: -pair[1])
    ]
    caption = "Seconds waited, and in each judged second, which is the mean number of sessions waiting; judged stages."
    columns = ["system", "database", "waited", "behind", "seconds", "s per s", "known"]
    return PageTable(caption, columns, rows, 4, title="Waits by database" if rows else "", packed=True)


def worst_table(findings: Findings) -> PageTable:
    """The worst waits of the whole study."""
    found = sorted((w for s in findings.storages for w in s.blame.worst), key=lambda w: -w.waited_ns)[:_WORST]
    caption = (
        "Longest first. Behind: the holder of the lock, then the chain of blockers up to the root. Statements without their values. "
        "≥: the end was not observed."
    )
    return _waits(findings, found, "The ten worst waits", caption)


def worst_by_system_table(findings: Findings) -> PageTable:
    found = [w for s in findings.storages for w in s.blame.worst[:_WORST]]
    caption = "Longest first in each system; rounds pooled, judged stages."
    return _waits(findings, found, "The ten worst waits of each system", caption)


def _waits(findings: Findings, found: list[Worst], heading: str, caption: str) -> PageTable:
    several = any(len(s.waits.databases) > 1 for s in findings.storages)
    database = ["database"] if several else []
    rows = [[w.run, *([w.database] if several else []), *_wait(w)] for w in found]
    columns = ["run", *database, "lasted", "waited", "behind", "on", "ended", "at", "known", "statement"]
    texts = len(columns)
    return PageTable(
        caption, columns, rows, texts, heading, nothing_seen(findings), {texts - 1}, packed=True, absent="not recorded"
    )


def _wait(w: Worst) -> list[str]:
    lasted = ("≥ " if w.at_least else "") + duration(w.waited_ns / 1e9)
    chain = " ← ".join(map(reported, w.chain)) or reported(UNNAMED)
    statement = w.statement if len(w.statement) <= _STATEMENT else f"{w.statement[:_STATEMENT]}…"
    ended, at = w.outcome.replace("_", " "), f"{digits(w.started_s)} s"
    return [lasted, reported(w.waiter), chain, reported(w.object or UNNAMED), ended, at, w.known, statement or NONE]


def nothing_seen(findings: Findings) -> str:
    unknown = [s.label for s in findings.storages if s.blame.known is None]
    return f"None was observed; unknown on {', '.join(unknown)}." if unknown else "None: no lock wait was observed."


def convoys_table(findings: Findings) -> PageTable:
    found = sorted((c for s in findings.storages for c in s.blame.convoys), key=lambda c: -(c.over_s - c.cause_over_s))
    rows = [
        [c.run, c.database, reported(c.object), reported(c.cause), *(f"{digits(at)} s" for at in (c.began_s, c.cause_over_s, c.over_s)),
         duration(max(c.over_s - c.cause_over_s, 0.0)), f"{c.sessions:,}", duration(c.waited_s)]
        for c in found
    ]  # fmt: skip
    columns = ["run", "database", "on", "cause", "queue began at", "cause released at", "queue over at",
               "outlived it by", "sessions", "waited together"]  # fmt: skip
    caption = "Lock queues that lasted longer than their cause held the lock, the longest after its release first."
    known = all(s.blame.known is not None for s in findings.storages)
    empty = "None: no queue outlived its cause." if known else nothing_seen(findings)
    return PageTable(caption, columns, rows, 4, "Convoys", empty, packed=True)
