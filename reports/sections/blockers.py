# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the blame matrix, worst waits and convoys."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.data.contract import NO_HOLDER, UNNAMED
from reports.exports.plain import Pairs, waits_s
from reports.findings.locks import Worst
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import INK, MUTED, SeriesStyle, contrast, figure, holder_name, short
from reports.page.table import PageTable, number
from reports.sections.contract import Section, each
from reports.text.phrases import behind
from reports.text.wording import NONE, digits, duration

_SHOWN = 6

_OTHERS = "others"

_DEEPEST = 5

_WIDTH_IN, _LEFT_IN, _BETWEEN_IN, _DEPTH_IN, _RIGHT_IN = 13.0, 1.75, 0.25, 2.0, 0.55

_CELL_IN, _HEAD_IN, _NAMES_IN, _EMPTY_IN = 0.29, 0.62, 1.0, 0.3

_LEAST_S = 0.005
"""Less is drawn as zero."""

HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf0dd", "#f6b26b", "#c0562f", "#6b1d12"])


@dataclass(frozen=True)
class _Row:
    """The waits of a storage or of one of its databases; the latter by root blocker only."""

    storage: str
    database: str
    known: str | None
    judged_s: float
    root: Pairs
    direct: Pairs | None = None
    depth_s: Mapping[int, float] = field(default_factory=dict)

    @property
    def waited_s(self) -> float:
        return sum(self.root.values())

    @property
    def title(self) -> str:
        """The storage, its total lock wait, and how that is known."""
        name = f"{short(self.storage, 40)}: {short(self.database, 20)}" if self.database else short(self.storage, 60)
        if self.known is None:
            return f"{name}: blame matrix unknown"
        if self.waited_s < _LEAST_S:
            return f"{name}: no lock waits"
        return f"{name}: {duration(self.waited_s)} of waiting in {digits(self.judged_s)} s (known: {self.known})"


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """For each storage two heat maps, rows waited and columns held the lock: by direct and by root blocker; beside them
    the seconds by length of the queue. One scale of seconds per judged second for all."""
    rows = [row for storage in findings.storages for row in _rows(storage)]
    names = _names(rows)
    most = max(
        (s / r.judged_s for r in rows for p in (r.direct, r.root) for s in _folded(p, names).values()), default=0
    )
    heights = [_row_in(row, names) for row in rows]
    height = sum(heights) + 0.1
    whole = figure(_WIDTH_IN, max(height, 0.6))
    whole.set_layout_engine(None)
    top = height
    for row, row_in in zip(rows, heights, strict=True):
        whole.text(
            0.15 / _WIDTH_IN,
            (top - 0.2) / height,
            row.title,
            color=styles[row.storage].text,
            fontweight="bold",
            va="center",
        )
        if _has_waits(row):
            _draw(_Place(whole, height, top - _HEAD_IN), row, names, most)
        top -= row_in
    return whole


def _rows(storage: StorageFindings) -> Iterator[_Row]:
    blame, judged_s = storage.blame, storage.judged_s or 1.0
    yield _Row(storage.storage, "", blame.known, judged_s, blame.root, blame.direct, blame.depth_s)
    if len(storage.waits.databases) > 1 and blame.known is not None:
        for database, waits in storage.waits.databases.items():
            yield _Row(storage.storage, database, waits.known, judged_s, waits.seconds)


def _has_waits(row: _Row) -> bool:
    return row.known is not None and row.waited_s >= _LEAST_S


def _row_in(row: _Row, names: tuple[list[str], list[str]]) -> float:
    return _HEAD_IN + _CELL_IN * len(names[0]) + _NAMES_IN if _has_waits(row) else _EMPTY_IN


def _names(rows: Sequence[_Row]) -> tuple[list[str], list[str]]:
    """Waiters and holders, the same for all rows for comparison: the busiest of the study, and the others."""
    found = []
    for side in (0, 1):
        kept = _busiest(rows, side)
        left = any(
            p[side] not in kept for r in rows for pairs in (r.root, r.direct or {}) for p, s in pairs.items() if s
        )
        found.append([*sorted(kept), *([_OTHERS] if left else [])])
    return found[0], found[1]


def _busiest(rows: Sequence[_Row], side: int) -> list[str]:
    """The first of each row, then those with most time in total."""
    totals: dict[str, float] = {}
    firsts: dict[str, None] = {}
    for row in rows:
        own: dict[str, float] = {}
        for pairs in (row.root, row.direct or {}):
            for pair, seconds in pairs.items():
                own[pair[side]] = own.get(pair[side], 0.0) + seconds / row.judged_s
        totals |= {name: totals.get(name, 0.0) + share for name, share in own.items()}
        firsts |= dict.fromkeys(_largest(own)[:1])
    return list(dict.fromkeys([*firsts, *_largest(totals)]))[: max(_SHOWN, len(firsts))]


def _largest(shares: Mapping[str, float]) -> list[str]:
    return sorted((name for name, share in shares.items() if share > 0), key=lambda name: -shares[name])


def _folded(pairs: Pairs | None, names: tuple[list[str], list[str]]) -> dict[tuple[str, str], float]:
    """The same table with names that have no row or column of their own summed as others."""
    folded: dict[tuple[str, str], float] = {}
    for (waiter, holder), seconds in (pairs or {}).items():
        place = waiter if waiter in names[0] else _OTHERS, holder if holder in names[1] else _OTHERS
        folded[place] = folded.get(place, 0.0) + seconds
    return folded


@dataclass(frozen=True)
class _Place:
    """Where a row of panels goes: inches from the figure's lower edge."""

    whole: Figure
    height: float
    top: float

    def axes(self, left_in: float, width_in: float, height_in: float) -> Any:
        box = (left_in / _WIDTH_IN, (self.top - height_in) / self.height, width_in / _WIDTH_IN, height_in / self.height)
        return self.whole.add_axes(box)


def _draw(place: _Place, row: _Row, names: tuple[list[str], list[str]], most: float) -> None:
    table_in = _CELL_IN * len(names[0])
    panel_in = min((_WIDTH_IN - _LEFT_IN - _DEPTH_IN - _RIGHT_IN - 3 * _BETWEEN_IN) / 2, 0.8 * len(names[1]))
    tables = {"blocked directly by": row.direct, "root blocker, which waits for no lock": row.root}
    left = _LEFT_IN
    for title, pairs in tables.items():
        if pairs is not None:
            axis = place.axes(left, panel_in, table_in)
            per_s = {pair: seconds / row.judged_s for pair, seconds in _folded(pairs, names).items()}
            _heat(axis, per_s, names, (most, row.judged_s), named=left == _LEFT_IN)
            axis.set_title(title, fontsize=8.5, fontweight="normal", color=MUTED)
            left += panel_in + _BETWEEN_IN
    if row.depth_s:
        _depth(place.axes(left + 0.3, _DEPTH_IN - 0.3, min(table_in, 0.26 * (_DEEPEST + 1))), row.depth_s)


def _heat(
    axis: Any, per_s: Pairs, names: tuple[list[str], list[str]], scale: tuple[float, float], *, named: bool
) -> None:
    most, judged_s = scale
    waiters, holders = names
    for row, waiter in enumerate(waiters):
        for column, holder in enumerate(holders):
            share = per_s.get((waiter, holder), 0.0)
            if share * judged_s < _LEAST_S:
                axis.text(column, row, "·", ha="center", va="center", color=MUTED)
                continue
            fill = to_hex(HEAT((share / most) ** 0.5))
            axis.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=fill, linewidth=0))
            style = {"ha": "center", "va": "center", "fontsize": 8, "color": _on(fill)}
            axis.text(column, row, _seconds(share * judged_s), **style)
    axis.grid(False)
    axis.set_xlim(-0.5, len(holders) - 0.5)
    axis.set_ylim(len(waiters) - 0.5, -0.5)
    style = {"rotation": 35, "ha": "right", "rotation_mode": "anchor", "fontsize": 7.5}
    axis.set_xticks(range(len(holders)), [holder_name(h) for h in holders], **style)
    axis.set_yticks(range(len(waiters)), [short(w, 24) for w in waiters] if named else [])
    axis.tick_params(length=0, colors=INK)
    if named:
        axis.set_ylabel("waited, s")


def _seconds(waited: float) -> str:
    return f"{waited:.2f}" if waited < 0.995 else digits(waited)


def _depth(axis: Any, depth_s: Mapping[int, float]) -> None:
    """Seconds by the number of sessions ahead, the root included."""
    deep = {f"{d}": s for d, s in sorted(depth_s.items()) if d < _DEEPEST}
    deeper = sum(s for d, s in depth_s.items() if d >= _DEEPEST)
    deep |= {f"{_DEEPEST}+": deeper} if deeper else {}
    longest = max(deep.values(), default=0.0)
    for place, (_, seconds) in enumerate(deep.items()):
        axis.barh(place, seconds, height=0.7, color=to_hex(HEAT(0.62)), linewidth=0)
        axis.annotate(
            duration(seconds), (seconds, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7.5
        )
    axis.set_title("by sessions ahead", fontsize=8.5, fontweight="normal", color=MUTED)
    axis.grid(False)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.set_xlim(0, longest * 1.5 or 1)
    axis.set_ylim(_DEEPEST + 0.5, -0.5)
    axis.set_yticks(range(len(deep)), list(deep))
    axis.tick_params(length=0, colors=INK)


def _on(fill: str) -> str:
    """The text colour with more contrast on a cell: the same in both themes, like the cells."""
    return max("#fffffe", "#000001", key=lambda ink: contrast(ink, fill))


def _finding(findings: Findings) -> list[str]:
    return each(findings, _finding_of)


def _finding_of(storage: StorageFindings) -> str:
    blame = storage.blame
    if blame.known is None:
        return "blame matrix unknown"
    whole = sum(blame.root.values())
    if whole <= 0:
        return "no lock waits"
    roots = _summed(blame.root, 1)
    holder = max(roots, key=lambda name: roots[name])
    waiter, worst_holder = max(blame.root, key=lambda pair: blame.root[pair])
    deep = sum(seconds for depth, seconds in blame.depth_s.items() if depth > 1)
    queued = f"; {deep / whole:.0%} of it in queues with others ahead" if deep >= 0.01 * whole else ""
    convoys = f"; {len(blame.convoys):,} convoys" if len(blame.convoys) > 1 else "; 1 convoy" if blame.convoys else ""
    return (
        f"{duration(whole)} of lock waits, {roots[holder] / whole:.0%} of it {behind(holder)}{_at_the_root(holder)}; "
        f"most of all {waiter} {behind(worst_holder)}, {duration(blame.root[waiter, worst_holder])}{queued}{convoys}"
    )


def _at_the_root(holder: str) -> str:
    return "" if holder == NO_HOLDER else " at the root"


def _summed(pairs: Mapping[tuple[str, str], float], side: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    for pair, seconds in pairs.items():
        totals[pair[side]] = totals.get(pair[side], 0.0) + seconds
    return totals


_WORST = 10

_LEAST_S_lock_tables = 0.001

_STATEMENT = 600
"""Characters of a statement that are shown."""


def _table(findings: Findings) -> PageTable:
    rows = [
        [
            s.storage,
            waiter,
            holder,
            *(_seconds_lock_tables(table.get((waiter, holder))) for table in tables),
            str(s.blame.known),
        ]
        for s in findings.storages
        for tables in [(s.blame.direct, s.blame.root)]
        for waiter, holder in sorted({*s.blame.direct, *s.blame.root}, key=lambda pair: -s.blame.root.get(pair, 0.0))
        if any(table.get((waiter, holder), 0.0) >= _LEAST_S_lock_tables for table in tables)
    ]
    caption = (
        "Seconds that sessions waited for a lock, judged stages, rounds pooled: by the holder at that moment, and by the root "
        "blocker. Less than a millisecond is left out."
    )
    return PageTable(
        caption, ["storage", "waited", "behind", "directly, s", "as the root, s", "known"], rows, 3, packed=True
    )


def _seconds_lock_tables(waited: float | None) -> str:
    return NONE if not waited else f"{waited:,.3f}"


def _depths_table(findings: Findings) -> PageTable:
    rows = [
        [s.storage, f"{d}", f"{seconds:,.3f}"]
        for s in findings.storages
        for d, seconds in sorted(s.blame.depth_s.items())
    ]
    caption = "Seconds waited by the number of sessions ahead, the root included; judged stages."
    return PageTable(caption, ["storage", "sessions ahead", "seconds"], rows, title="Length of the queues")


def _databases_table(findings: Findings) -> PageTable:
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


def _worst_table(findings: Findings) -> PageTable:
    """The worst waits of the whole study."""
    found = sorted((w for s in findings.storages for w in s.blame.worst), key=lambda w: -w.waited_ns)[:_WORST]
    caption = (
        "Longest first. Behind: the holder of the lock, then the chain of blockers up to the root. Statements without their values. "
        "≥: the end was not observed."
    )
    return _waits(findings, found, "The ten worst waits", caption)


def _worst_by_storage_table(findings: Findings) -> PageTable:
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


def _convoys_table(findings: Findings) -> PageTable:
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


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    blame, waits = storage.blame, storage.waits
    return {
        "lock_waits": {
            "known": waits.known or "unknown",
            "sampling_period_s": waits.period_s if waits.by_sampling else None,
            "seconds": waits_s(waits.seconds),
        },
        "blame": {
            "known": blame.known or "unknown",
            "direct": waits_s(blame.direct),
            "root": waits_s(blame.root),
            "depth_s": {str(depth): round(seconds, 6) for depth, seconds in sorted(blame.depth_s.items())},
            "convoys": [vars(convoy) for convoy in blame.convoys],
            "worst": [{**vars(wait), "chain": list(wait.chain)} for wait in blame.worst],
        },
    }


SECTION = Section(
    name="who-waited-for-whom",
    question="blocked",
    title="Who waited for whom",
    applies=lambda _: True,
    finding=_finding,
    how=lambda _: (
        "Each row waited for a lock that the column held: seconds, rounds pooled. Left: by the holder of the lock at that moment; middle: by the root "
        "blocker, which waited for no lock and is the one to speed up. Right: the number of sessions ahead. Darkness is seconds per judged second, on one scale "
        "for all storages; each of several databases has a row of its own."
    ),
    plot=draw,
    table=_table,
    beside=(_worst_table, _convoys_table),
    folded=(_worst_by_storage_table, _depths_table, _databases_table),
    summary=_summary,
)
