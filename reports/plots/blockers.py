"""Who waited for whom."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.findings import Findings, StorageFindings
from reports.plots.style import INK, MUTED, PAPER, Look, contrast, figure, short

Pairs = Mapping[tuple[str, str], float]
_SHOWN = 6
_LEAST = 0.00005
"""Sessions: fewer are drawn as none."""
_OTHERS = "others"
_WIDTH_IN = 12.5
HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf0dd", "#f6b26b", "#c0562f", "#6b1d12"])


@dataclass(frozen=True)
class _Panel:
    """The waits of a storage or, where it has several databases, of one of them."""

    storage: str
    database: str
    known: str | None
    per_s: Pairs
    """Seconds waited in each judged second: rounds and storages that were judged for longer do not look worse."""

    @property
    def title(self) -> str:
        return f"{short(self.storage, 20)}: {short(self.database, 16)}" if self.database else short(self.storage)


def blockers(findings: Findings, looks: dict[str, Look]) -> Figure:
    """A heat map for each storage and database: rows waited, columns held the lock; as many side by side as fit."""
    panels = [panel for storage in findings.storages for panel in _panels(storage)]
    panels = [replace(p, per_s=_folded(p.per_s, panels)) for p in panels]
    pairs = [pair for panel in panels for pair, waited in panel.per_s.items() if waited >= _LEAST]
    waiters, holders = (sorted({p[i] for p in pairs}, key=lambda name: (name == _OTHERS, name)) for i in (0, 1))
    panel_in = 0.75 * len(holders) + 0.6
    columns = min(max(int((_WIDTH_IN - 2.4) / panel_in), 1), max(len(panels), 1), 6)
    rows = -(-max(len(panels), 1) // columns)
    whole = figure(max(2.4 + panel_in * columns, 7), (2.1 + 0.4 * max(len(waiters), 1)) * rows)
    axes = whole.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, panel in zip_longest(axes.flat, panels):
        if panel is None:
            axis.set_visible(False)
        else:
            _panel(axis, panel, (waiters, holders), max((v for p in panels for v in p.per_s.values()), default=0.0))
            axis.set_title(panel.title, color=looks[panel.storage].text)
    for row in axes:
        row[0].set_ylabel("waited")
    return whole


def _panels(storage: StorageFindings) -> Iterator[_Panel]:
    several = len(storage.waits.databases) > 1
    for database, waits in storage.waits.databases.items() if several else [("", storage.waits)]:
        per_s = {pair: seconds / (storage.judged_s or 1) for pair, seconds in waits.seconds.items()}
        yield _Panel(storage.storage, database, waits.known, per_s)


def _panel(axis: Any, panel: _Panel, names: tuple[list[str], list[str]], most: float) -> None:
    axis.grid(False)
    if not names[0] or panel.known is None:
        _nothing(axis, "no lock waits seen" if panel.known else "nothing could see lock waits")
        return
    _heat(axis, panel.per_s, names, most)
    axis.set_xlabel(f"held the lock; known: {panel.known}")


def _folded(per_s: Pairs, panels: Sequence[_Panel]) -> Pairs:
    """The same table with all but the busiest operations of the study, as waiters and as holders, put together."""
    kept = [_busiest(panels, side) for side in (0, 1)]
    folded: dict[tuple[str, str], float] = defaultdict(float)
    for (waiter, holder), waited in per_s.items():
        folded[waiter if waiter in kept[0] else _OTHERS, holder if holder in kept[1] else _OTHERS] += waited
    return folded


def _busiest(panels: Sequence[_Panel], side: int) -> set[str]:
    """The first of each panel, whatever the others have, and then those with most in all."""
    totals: dict[str, float] = defaultdict(float)
    firsts: dict[str, None] = {}
    for panel in panels:
        own: dict[str, float] = defaultdict(float)
        for pair, waited in panel.per_s.items():
            own[pair[side]] += waited
            totals[pair[side]] += waited
        firsts |= dict.fromkeys(sorted(own, key=lambda name: -own[name])[:1])
    ranked = [*firsts, *sorted(totals.keys() - firsts.keys(), key=lambda name: -totals[name])]
    return set(ranked[: max(_SHOWN, len(firsts))])


def _heat(axis: Any, table: Pairs, names: tuple[list[str], list[str]], most: float) -> None:
    waiters, holders = names
    for row, waiter in enumerate(waiters):
        for column, holder in enumerate(holders):
            seconds = table.get((waiter, holder), 0.0)
            fill = to_hex(HEAT((seconds / most) ** 0.5 if most else 0.0))
            if seconds >= _LEAST:
                axis.add_patch(_cell(column, row, fill))
                axis.text(column, row, _number(seconds), ha="center", va="center", fontsize=8.5, color=_on(fill))
            else:
                axis.text(column, row, "·", ha="center", va="center", color=MUTED)
    axis.set_xlim(-0.5, len(holders) - 0.5)
    axis.set_ylim(len(waiters) - 0.5, -0.5)
    axis.set_xticks(range(len(holders)), [short(h) for h in holders], rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(waiters)), [short(w) for w in waiters])
    axis.tick_params(length=0, colors=INK)


def _cell(column: int, row: int, fill: Any) -> Rectangle:
    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, facecolor=fill, linewidth=0)


def _number(sessions: float) -> str:
    if sessions >= 9.95:
        return f"{sessions:,.0f}"
    return f"{sessions:.1f}" if sessions >= 0.995 else f"{sessions:.2f}" if sessions >= 0.095 else f"{sessions:.1g}"


def _on(fill: str) -> str:
    """Words on a cell, in whichever can be read better: the same in either theme, because the cells are."""
    return max("#fffffe", "#000001", key=lambda ink: contrast(ink, fill))


def _nothing(axis: Any, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=MUTED)
    axis.set_xticks([])
    axis.set_facecolor(PAPER)
