"""Attempts lost to another transaction: their share by operation, storages side by side."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from loadtests.records.vocabulary import TRANSACTION_OPERATIONS
from reports.analysis.endings import LOST, Ended, endings_by_operation
from reports.analysis.findings import Findings, StorageFindings
from reports.plots.style import INK, LOSS_STYLES, MUTED, SeriesStyle, beside, figure, short
from reports.text.wording import digits

_ROW_IN, _HEAD_IN, _LEGEND_IN = 0.27, 0.62, 0.3


def lost_attempts(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A panel for each storage, a bar for each operation; only operations that any storage lost."""
    storages, operations = findings.storages, lost_operations(findings)
    across = beside(len(storages))
    down = -(-len(storages) // across)
    panel_in = _ROW_IN * max(len(operations), 1) + _HEAD_IN
    whole = figure(12.5, panel_in * down + _LEGEND_IN)
    axes = whole.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    for axis, storage in zip(axes, storages, strict=False):
        axis.set_title(short(storage.storage), color=styles[storage.storage].text)
        _panel(axis, storage, operations)
    for axis in axes[len(storages) :]:
        axis.set_visible(False)
    axes[0].set_ylim(max(len(operations), 1) - 0.4, -0.6)
    axes[0].set_xlim(0, max(_most(findings) * 130, 1))
    if operations:
        handles = [Patch(facecolor=style.light, label=name.replace("_", " ")) for name, style in LOSS_STYLES.items()]
        whole.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=1.2)
    return whole


def lost_operations(findings: Findings) -> list[str]:
    """Operations of which any storage lost an attempt, in the order of the vocabulary."""
    lost = {o for s in findings.storages for o, entry in endings_by_operation(s.endings).items() if entry.lost}
    return [operation for operation in TRANSACTION_OPERATIONS if operation in lost]


def _most(findings: Findings) -> float:
    ended = [entry for s in findings.storages for entry in endings_by_operation(s.endings).values()]
    return max((entry.lost / entry.attempts for entry in ended), default=0.0)


def _panel(axis: Any, storage: StorageFindings, operations: Sequence[str]) -> None:
    axis.grid(axis="y", visible=False)
    axis.xaxis.set_major_formatter(lambda share, _: f"{share:g} %")
    axis.set_yticks(range(len(operations)), [short(operation) for operation in operations])
    axis.tick_params(axis="y", length=0, labelcolor=INK)
    ended = endings_by_operation(storage.endings)
    if not ended or not operations:
        text = "none was lost" if ended else "outcomes of transactions unknown"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color=MUTED)
        return
    for place, operation in enumerate(operations):
        _bar(axis, place, ended.get(operation))


def _bar(axis: Any, place: int, ended: Ended | None) -> None:
    """A bar stacked by cause of the loss, with a number at its end, also for zero."""
    begin = 0.0
    for outcome in LOST if ended else ():
        share = ended.outcomes.get(outcome, 0) / ended.attempts * 100 if ended else 0.0
        axis.barh(place, share, left=begin, height=0.62, color=LOSS_STYLES[outcome].light, linewidth=0)
        begin += share
    text = "no attempt" if ended is None else f"{digits(begin)} %" if begin else "0"
    style = {"va": "center", "fontsize": 8, "color": INK if begin else MUTED}
    axis.annotate(text, (begin, place), xytext=(4, 0), textcoords="offset points", **style)
