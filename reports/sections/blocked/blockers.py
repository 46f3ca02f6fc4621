# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the blame matrix, worst waits and convoys."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.data.contract import NO_HOLDER
from reports.exports.plain import Pairs, waits_s
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import INK, MUTED, PAGE_IN, SeriesStyle, contrast, figure, holder_name, short
from reports.page.plots.time_axis import add_axes, beside_point, name_rows
from reports.sections.blocked.wait_tables import (
    convoys_table,
    databases_table,
    depths_table,
    pairs_table,
    worst_by_system_table,
    worst_table,
)
from reports.sections.contract import Section, each
from reports.text.phrases import behind
from reports.text.wording import digits, duration, reported

_SHOWN = 6

_MANY, _MATRICES = 6, 4
"""Of more rows than the first number, so many have a matrix."""

_OTHERS = "others"

_DEEPEST = 5

_LEFT_IN, _BETWEEN_IN, _DEPTH_IN, _RIGHT_IN = 1.75, 0.25, 2.0, 0.55

_CELL_IN, _HEAD_IN, _NAMES_IN, _EMPTY_IN = 0.29, 0.62, 1.0, 0.3

_LEAST_S = 0.005
"""Less is drawn as zero."""

_NEARLY_ALL = 0.95

HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf0dd", "#f6b26b", "#c0562f", "#6b1d12"])


@dataclass(frozen=True)
class _Row:
    """The waits of a storage or of one of its databases; the latter by root blocker only."""

    storage: StorageFindings
    database: str
    known: str | None
    judged_s: float
    root: Pairs
    direct: Pairs | None = None
    depth_s: Mapping[int, float] = field(default_factory=dict)
    drawn: bool = True
    """False for one of many with less waiting than others."""

    @property
    def waited_s(self) -> float:
        return sum(self.root.values())

    @property
    def title(self) -> str:
        """The storage, its total lock wait, and how that is known."""
        name = f"{self.storage.label}{f', {short(self.database, 20)}' if self.database else ''}"
        if self.known is None:
            return f"{name}: blame matrix unknown"
        if self.waited_s < _LEAST_S:
            return f"{name}: no lock waits"
        waited = f"{duration(self.waited_s)} of waiting"
        if self.repeats:
            return f"{name}: {waited}, nearly all of {self.storage.label}"
        if not self.drawn:
            return f"{name}: {waited} in {digits(self.judged_s)} s; its matrix is in the table"
        return f"{name}: {waited} in {digits(self.judged_s)} s (known: {self.known})"

    @property
    def repeats(self) -> bool:
        """Whether the matrix of a database would be that of its storage once more."""
        return bool(self.database) and self.waited_s >= _NEARLY_ALL * sum(self.storage.blame.root.values())


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """For each storage two heat maps, rows waited and columns held the lock: by direct and by root blocker; beside them
    the seconds by length of the queue. One scale of seconds per judged second for all."""
    rows = _most_waiting([row for storage in findings.storages for row in _rows(storage)])
    names = _names(rows)
    most = max(
        (s / r.judged_s for r in rows for p in (r.direct, r.root) for s in _folded(p, names).values()), default=0
    )
    heights = [_row_in(row, names) for row in rows]
    height = sum(heights) + 0.1
    whole = figure(PAGE_IN, max(height, 0.6))
    whole.set_layout_engine(None)
    top = height
    for row, row_in in zip(rows, heights, strict=True):
        colour = styles[row.storage.storage].text
        whole.text(0.15 / PAGE_IN, (top - 0.2) / height, row.title, color=colour, fontweight="bold", va="center")
        if _has_matrix(row):
            _draw(whole, top - _HEAD_IN, row, names, most)
        top -= row_in
    return whole


def _rows(storage: StorageFindings) -> Iterator[_Row]:
    blame, judged_s = storage.blame, storage.judged_s or 1.0
    yield _Row(storage, "", blame.known, judged_s, blame.root, blame.direct, blame.depth_s)
    if len(storage.waits.databases) > 1 and blame.known is not None:
        for database, waits in storage.waits.databases.items():
            yield _Row(storage, database, waits.known, judged_s, waits.seconds)


def _most_waiting(rows: list[_Row]) -> list[_Row]:
    """The same rows, of which no more than `_MATRICES` are drawn, where storages are many."""
    if len(rows) <= _MANY:
        return rows
    ranked = sorted((row for row in rows if _has_matrix(row)), key=lambda row: -row.waited_s / row.judged_s)
    most = {id(row) for row in ranked[:_MATRICES]}
    return [replace(row, drawn=id(row) in most) for row in rows]


def _has_matrix(row: _Row) -> bool:
    return row.drawn and row.known is not None and row.waited_s >= _LEAST_S and not row.repeats


def _row_in(row: _Row, names: tuple[list[str], list[str]]) -> float:
    return _HEAD_IN + _CELL_IN * len(names[0]) + _NAMES_IN if _has_matrix(row) else _EMPTY_IN


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


def _draw(whole: Figure, top: float, row: _Row, names: tuple[list[str], list[str]], most: float) -> None:
    table_in = _CELL_IN * len(names[0])
    panel_in = min((PAGE_IN - _LEFT_IN - _DEPTH_IN - _RIGHT_IN - 3 * _BETWEEN_IN) / 2, 0.8 * len(names[1]))
    left = _LEFT_IN
    for title, pairs in _tables(row).items():
        axis = add_axes(whole, left, top, panel_in, table_in)
        per_s = {pair: seconds / row.judged_s for pair, seconds in _folded(pairs, names).items()}
        _heat(axis, per_s, names, (most, row.judged_s), named=left == _LEFT_IN)
        axis.set_title(title, **_SMALL_TITLE)
        left += panel_in + _BETWEEN_IN
    if row.depth_s and len(row.depth_s) > 1:
        depth_in = min(table_in, 0.26 * (_DEEPEST + 1))
        _depth(add_axes(whole, left + 0.3, top, _DEPTH_IN - 0.3, depth_in), row.depth_s)


def _tables(row: _Row) -> dict[str, Pairs]:
    """One table where every holder was a root blocker."""
    if row.direct is None or {p: round(s, 3) for p, s in row.direct.items()} == {
        p: round(s, 3) for p, s in row.root.items()
    }:
        return {"blocked by (each a root blocker, which waits for no lock)" if row.direct else _ROOT: row.root}
    return {"blocked directly by": row.direct, _ROOT: row.root}


_ROOT = "root blocker, which waits for no lock"

_SMALL_TITLE = {"fontsize": 8.5, "fontweight": "normal", "color": MUTED}


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
    axis.set_yticks(range(len(waiters)), [short(reported(w), 24) for w in waiters] if named else [])
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
    name_rows(axis, list(deep))
    for place, seconds in enumerate(deep.values()):
        axis.barh(place, seconds, height=0.7, color=to_hex(HEAT(0.62)), linewidth=0)
        beside_point(axis, seconds, place, duration(seconds))
    axis.set_title("by sessions ahead", **_SMALL_TITLE)
    axis.grid(False)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.set_xlim(0, max(deep.values(), default=0.0) * 1.5 or 1)
    axis.set_ylim(_DEEPEST + 0.5, -0.5)


def _on(fill: str) -> str:
    """The text colour with more contrast on a cell: the same in both themes, like the cells."""
    return max("#fffffe", "#000001", key=lambda ink: contrast(ink, fill))


def _finding_of(storage: StorageFindings) -> str:
    blame = storage.blame
    if blame.known is None:
        return "blame matrix unknown"
    whole = sum(blame.root.values())
    if whole <= 0:
        return "no lock waits"
    roots = _summed(blame.root, 1)
    holder = max(roots, key=lambda name: roots[name])
    waiter = max((pair for pair in blame.root if pair[1] == holder), key=lambda pair: blame.root[pair])[0]
    root = "" if holder == NO_HOLDER else " at the root"
    convoys = f"; {len(blame.convoys):,} convoys" if len(blame.convoys) > 1 else "; 1 convoy" if blame.convoys else ""
    return (
        f"{duration(whole)} of lock waits, {roots[holder] / whole:.0%} of it {behind(holder)}{root}, "
        f"mostly {reported(waiter)} ({duration(blame.root[waiter, holder])}){convoys}"
    )


def _summed(pairs: Mapping[tuple[str, str], float], side: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    for pair, seconds in pairs.items():
        totals[pair[side]] = totals.get(pair[side], 0.0) + seconds
    return totals


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
    finding=lambda findings: each(findings, _finding_of),
    how=lambda _: (
        "Each row waited for a lock that the column held: seconds, rounds pooled. Left: by the holder of the lock at that moment; middle: by the root "
        "blocker, which waited for no lock and is the one to speed up. Right: the number of sessions ahead. Darkness is seconds per judged second, on one scale "
        "for all systems; each of several databases has a row of its own."
    ),
    plot=draw,
    table=pairs_table,
    beside=(worst_table, convoys_table),
    folded=(worst_by_system_table, depths_table, databases_table),
    summary=_summary,
)
