# ruff: noqa: E501  sentences of the page are kept whole
"""Tables of locks: blame matrix, worst waits, convoys, durations, and calibration."""

from reports.analysis.findings import Findings
from reports.analysis.locks.blame import Worst
from reports.analysis.locks.durations import WaitDurations
from reports.analysis.locks.sampled import Sampled
from reports.data.arrays import Floats
from reports.data.calibration import Calibrated
from reports.data.lock_rows import UNNAMED
from reports.page.table import PageTable, number
from reports.text.wording import NONE, digits, duration

_WORST = 10
_LEAST_S = 0.001
_STATEMENT = 600
"""Characters of a statement that are shown."""


def blame(findings: Findings) -> PageTable:
    rows = [
        [s.storage, waiter, holder, *(_seconds(table.get((waiter, holder))) for table in tables), str(s.blame.known)]
        for s in findings.storages
        for tables in [(s.blame.direct, s.blame.root)]
        for waiter, holder in sorted({*s.blame.direct, *s.blame.root}, key=lambda pair: -s.blame.root.get(pair, 0.0))
        if any(table.get((waiter, holder), 0.0) >= _LEAST_S for table in tables)
    ]
    caption = (
        "Seconds that sessions waited for a lock, judged stages, rounds pooled: by the holder at that moment, and by the root "
        "blocker. Less than a millisecond is left out."
    )
    return PageTable(
        caption, ["storage", "waited", "behind", "directly, s", "as the root, s", "known"], rows, 3, packed=True
    )


def _seconds(waited: float | None) -> str:
    return NONE if not waited else f"{waited:,.3f}"


def depths(findings: Findings) -> PageTable:
    rows = [
        [s.storage, f"{d}", f"{seconds:,.3f}"]
        for s in findings.storages
        for d, seconds in sorted(s.blame.depth_s.items())
    ]
    caption = "Seconds waited by the number of sessions ahead, the root included; judged stages."
    return PageTable(caption, ["storage", "sessions ahead", "seconds"], rows, title="Length of the queues")


def by_database(findings: Findings) -> PageTable:
    """Empty where no storage has several databases."""
    rows = [
        [s.storage, database, waiter, holder, f"{seconds:,.3f}", number(seconds / (s.judged_s or 1)), str(waits.known)]
        for s in findings.storages
        if len(s.waits.databases) > 1
        for database, waits in s.waits.databases.items()
        for (waiter, holder), seconds in sorted(waits.seconds.items(), key=lambda pair: -pair[1])
    ]
    caption = "Seconds waited, and in each judged second, which is the mean number of sessions waiting; judged stages."
    columns = ["storage", "database", "waited", "behind", "seconds", "s per s", "known"]
    return PageTable(caption, columns, rows, 4, title="Waits by database" if rows else "", packed=True)


def worst(findings: Findings) -> PageTable:
    """The worst waits of the whole study."""
    found = sorted((w for s in findings.storages for w in s.blame.worst), key=lambda w: -w.waited_ns)[:_WORST]
    caption = (
        "Longest first. Behind: the holder of the lock, then the chain of blockers up to the root. Statements without their values. "
        "≥: the end was not observed."
    )
    return _waits(findings, found, "The ten worst waits", caption)


def worst_by_storage(findings: Findings) -> PageTable:
    found = [w for s in findings.storages for w in s.blame.worst[:_WORST]]
    caption = "Longest first in each storage; rounds pooled, judged stages."
    return _waits(findings, found, "The ten worst waits of each storage", caption)


def _waits(findings: Findings, found: list[Worst], heading: str, caption: str) -> PageTable:
    several = any(len(s.waits.databases) > 1 for s in findings.storages)
    rows = [[w.run, *([w.database] if several else []), *_wait(w)] for w in found]
    columns = [
        "run",
        *(["database"] if several else []),
        "lasted",
        "waited",
        "behind",
        "on",
        "ended",
        "at",
        "known",
        "statement",
    ]
    texts = len(columns)
    return PageTable(caption, columns, rows, texts, heading, nothing_seen(findings), {texts - 1}, packed=True)


def _wait(w: Worst) -> list[str]:
    lasted = ("≥ " if w.at_least else "") + duration(w.waited_ns / 1e9)
    chain = " ← ".join(w.chain) or UNNAMED
    statement = w.statement if len(w.statement) <= _STATEMENT else f"{w.statement[:_STATEMENT]}…"
    ended, at = w.outcome.replace("_", " "), f"{digits(w.started_s)} s"
    return [lasted, w.waiter, chain, w.object or NONE, ended, at, w.known, statement or NONE]


def nothing_seen(findings: Findings) -> str:
    unknown = [s.storage for s in findings.storages if s.blame.known is None]
    return f"None was observed; unknown on {', '.join(unknown)}." if unknown else "None: no lock wait was observed."


def convoys(findings: Findings) -> PageTable:
    found = sorted((c for s in findings.storages for c in s.blame.convoys), key=lambda c: -(c.over_s - c.cause_over_s))
    rows = [
        [c.run, c.database, c.object, c.cause, *(f"{digits(at)} s" for at in (c.began_s, c.cause_over_s, c.over_s)),
         duration(max(c.over_s - c.cause_over_s, 0.0)), f"{c.sessions:,}", duration(c.waited_s)]
        for c in found
    ]  # fmt: skip
    columns = ["run", "database", "on", "cause", "queue began at", "cause released at", "queue over at",
               "outlived it by", "sessions", "waited together"]  # fmt: skip
    caption = "Lock queues that lasted longer than their cause held the lock, the longest after its release first."
    empty = "None: no queue outlived its cause." if _blame_known(findings) else nothing_seen(findings)
    return PageTable(caption, columns, rows, 4, "Convoys", empty, packed=True)


def _blame_known(findings: Findings) -> bool:
    return all(s.blame.known is not None for s in findings.storages)


def durations(findings: Findings) -> PageTable:
    """Timed waits by minimum duration, and the sampled time of the others."""
    rows = []
    for s in findings.storages:
        d = s.durations
        longer = [_longer(d.edges_s, d.counts, edge) for edge in _EDGES_S]
        below = NONE if d.threshold_s is None else duration(d.threshold_s)
        sums = _sampled(d, d.below, shown=d.threshold_s is not None), _sampled(d, d.sampled, shown=d.sampled.ns > 0)
        rows.append([s.storage, d.known or "unknown", f"{int(d.counts.sum()):,}", *longer, f"{d.open:,}", below, *sums])
    caption = "Waits that began in the judged stages, rounds pooled: how many were timed, and how many of those lasted at least that long."
    columns = [
        "storage",
        "known",
        "timed",
        *(duration(edge).replace(".0 ", " ") for edge in _EDGES_S),
        "end not observed",
        "not timed below",
        "those sampled, s",
        "others sampled, s",
    ]
    return PageTable(caption, columns, rows, 2)


_EDGES_S = (0.001, 0.01, 0.1, 1.0, 10.0)


def _longer(edges: Floats, counts: Floats, edge_s: float) -> str:
    """Waits of at least that duration; a dash where waits this short were not timed."""
    if not len(edges) or edge_s < edges[0] * 0.999:
        return NONE
    return f"{int(counts[edges[:-1] >= edge_s * 0.999].sum()):,}"


def _sampled(d: WaitDurations, part: Sampled, *, shown: bool) -> str:
    if not shown:
        return NONE
    bounds, text = d.interval_s(part), digits(part.seconds)
    return text if bounds is None else f"{text} ({digits(bounds[0])} … {digits(bounds[1])})"


def calibration(findings: Findings) -> PageTable:
    """Every figure; those that did not pass come first."""
    found = sorted((row for s in findings.storages for row in s.calibration), key=lambda row: row.verdict == "pass")
    rows = [
        [c.verdict, c.run, c.engine, c.database, c.source, c.figure, _measured(c, c.value), _measured(c, c.bar), f"{c.n:,}",
         c.reason or NONE]
        for c in found
    ]  # fmt: skip
    caption = "Locks held for known times before the load began, compared with the probes' rows. Tolerance: the least share, or the largest error, that passes."
    columns = ["verdict", "run", "engine", "database", "source", "figure", "found", "tolerance", "n", "why"]
    return PageTable(caption, columns, rows, len(columns), alarms=("fail", "unknown"), packed=True)


def _measured(row: Calibrated, figure: float | None) -> str:
    if figure is None:
        return "unknown"
    return f"{figure * 100:.4g} %" if row.unit in ("", "ratio") else f"{figure:.3g} {row.unit}"
