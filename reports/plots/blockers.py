"""Who waited for whom."""

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from reports.findings import Findings, StorageFindings
from reports.plots.style import INK, MUTED, PAPER, Look, figure, short

HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf0dd", "#f6b26b", "#c0562f", "#6b1d12"])


def blockers(findings: Findings, looks: dict[str, Look]) -> Figure:
    """A heat map for each storage: rows waited, columns held the lock; seconds of the judged stages."""
    pairs = [pair for s in findings.storages for pair, seconds in s.waits.seconds.items() if seconds >= 0.0005]
    waiters, holders = (list(dict.fromkeys(sorted(p[i] for p in pairs))) for i in (0, 1))
    most = max((v for s in findings.storages for v in s.waits.seconds.values()), default=0.0)
    width = min(max(3.0 + (0.75 * len(holders) + 0.5) * len(findings.storages), 7), 12.5)
    whole = figure(width, 1.9 + 0.42 * max(len(waiters), 1))
    axes = whole.subplots(1, len(findings.storages), sharey=True, squeeze=False)[0]
    for axis, storage in zip(axes, findings.storages, strict=True):
        axis.set_title(short(storage.storage), color=looks[storage.storage].light)
        axis.grid(False)
        if not pairs or storage.waits.known is None:
            _nothing(axis, "no lock waits seen" if storage.waits.known else "nothing could see lock waits")
        else:
            _heat(axis, storage, waiters, holders, most)
            axis.set_xlabel(f"held the lock (known: {storage.waits.known})")
    axes[0].set_ylabel("waited")
    return whole


def _heat(axis: Any, storage: StorageFindings, waiters: list[str], holders: list[str], most: float) -> None:
    cells = np.array([[storage.waits.seconds.get((w, h), 0.0) for h in holders] for w in waiters])
    for (row, column), seconds in np.ndenumerate(cells):
        share = (seconds / most) ** 0.5 if most else 0.0
        if seconds >= 0.0005:
            fill = HEAT(share)
            axis.add_patch(_cell(column, row, fill))
            axis.text(
                column,
                row,
                _short(seconds),
                ha="center",
                va="center",
                fontsize=8.5 if len(holders) < 6 else 7,
                color=_on(share),
            )
        else:
            axis.text(column, row, "·", ha="center", va="center", color=MUTED)
    axis.set_xlim(-0.5, len(holders) - 0.5)
    axis.set_ylim(len(waiters) - 0.5, -0.5)
    axis.set_xticks(range(len(holders)), [short(h) for h in holders], rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(waiters)), [short(w) for w in waiters])
    axis.tick_params(length=0, colors=INK)


def _cell(column: int, row: int, fill: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, facecolor=fill, linewidth=0)


def _short(seconds: float) -> str:
    if seconds >= 99.5:
        return f"{seconds:,.0f} s"
    return f"{seconds:.2g} s" if seconds >= 0.095 else f"{seconds * 1000:.0f} ms"


def _on(share: float) -> str:
    """Dark cells carry white text in either theme, light ones black: fixed, because the cells are."""
    return "#fffffe" if share > 0.55 else "#1b1f23"


def _nothing(axis: Any, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=MUTED)
    axis.set_xticks([])
    axis.set_facecolor(PAPER)
