"""Who waited for whom."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.findings import Findings
from reports.plots.style import INK, MUTED, PAPER, Look, figure, short

Pairs = Mapping[tuple[str, str], float]
_SHOWN = 6
_LEAST = 0.0005
"""Seconds: less is drawn as nothing."""
_OTHERS = "others"
HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf0dd", "#f6b26b", "#c0562f", "#6b1d12"])


def blockers(findings: Findings, looks: dict[str, Look]) -> Figure:
    """A heat map for each storage: rows waited, columns held the lock; seconds of the judged stages."""
    tables = [_folded(s.waits.seconds, findings) for s in findings.storages]
    pairs = [pair for table in tables for pair, seconds in table.items() if seconds >= _LEAST]
    waiters, holders = (sorted({p[i] for p in pairs}, key=lambda name: (name == _OTHERS, name)) for i in (0, 1))
    most = max((v for table in tables for v in table.values()), default=0.0)
    width = min(max(3.0 + (0.75 * len(holders) + 0.5) * len(tables), 7), 12.5)
    whole = figure(width, 2.1 + 0.4 * max(len(waiters), 1))
    axes = whole.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axis, storage, seconds in zip(axes, findings.storages, tables, strict=True):
        axis.set_title(short(storage.storage), color=looks[storage.storage].light)
        axis.grid(False)
        if not pairs or storage.waits.known is None:
            _nothing(axis, "no lock waits seen" if storage.waits.known else "nothing could see lock waits")
        else:
            _heat(axis, seconds, (waiters, holders), most)
            axis.set_xlabel(f"held the lock; seconds, known: {storage.waits.known}")
    axes[0].set_ylabel("waited")
    return whole


def _folded(seconds: Pairs, findings: Findings) -> Pairs:
    """The same table with all but the busiest operations of the study, as waiters and as holders, put together."""
    kept = [_busiest(findings, side) for side in (0, 1)]
    folded: dict[tuple[str, str], float] = defaultdict(float)
    for (waiter, holder), waited in seconds.items():
        folded[waiter if waiter in kept[0] else _OTHERS, holder if holder in kept[1] else _OTHERS] += waited
    return folded


def _busiest(findings: Findings, side: int) -> set[str]:
    totals: dict[str, float] = defaultdict(float)
    for storage in findings.storages:
        for pair, seconds in storage.waits.seconds.items():
            totals[pair[side]] += seconds
    return set(sorted(totals, key=lambda name: -totals[name])[:_SHOWN])


def _heat(axis: Any, table: Pairs, names: tuple[list[str], list[str]], most: float) -> None:
    waiters, holders = names
    for row, waiter in enumerate(waiters):
        for column, holder in enumerate(holders):
            seconds = table.get((waiter, holder), 0.0)
            share = (seconds / most) ** 0.5 if most else 0.0
            if seconds >= _LEAST:
                axis.add_patch(_cell(column, row, HEAT(share)))
                axis.text(column, row, _number(seconds), ha="center", va="center", fontsize=8.5, color=_on(share))
            else:
                axis.text(column, row, "·", ha="center", va="center", color=MUTED)
    axis.set_xlim(-0.5, len(holders) - 0.5)
    axis.set_ylim(len(waiters) - 0.5, -0.5)
    axis.set_xticks(range(len(holders)), [short(h) for h in holders], rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(waiters)), [short(w) for w in waiters])
    axis.tick_params(length=0, colors=INK)


def _cell(column: int, row: int, fill: Any) -> Rectangle:
    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, facecolor=fill, linewidth=0)


def _number(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 9.95 else f"{seconds:.1f}" if seconds >= 0.995 else f"{seconds:.2g}"


def _on(share: float) -> str:
    """Dark cells carry white text in either theme, light ones black: fixed, because the cells are."""
    return "#fffffe" if share > 0.55 else "#1b1f23"


def _nothing(axis: Any, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=MUTED)
    axis.set_xticks([])
    axis.set_facecolor(PAPER)
