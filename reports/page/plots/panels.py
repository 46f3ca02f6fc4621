"""What panels share: a grid with a column for each storage, axes, notes, stacks, and names of lines."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.arrays import Floats
from reports.findings.study import Findings
from reports.page.plots.style import INK, MUTED, PAGE_IN, PAPER, SeriesStyle, beside, figure, short
from reports.page.plots.time_axis import mark

SECONDS = "seconds since the load began"

LEFT_IN = 0.85

_RIGHT_IN, _BETWEEN_IN, _HEAD_IN, _FOOT_IN, GAP_IN = 0.5, 0.4, 0.5, 0.5, 0.1


def storage_grid(
    findings: Findings,
    styles: Mapping[str, SeriesStyle],
    heights_in: Sequence[float],
    *,
    left_in: float = LEFT_IN,
    legend_in: float = 0.0,
) -> tuple[Figure, list[list[Any]]]:
    """A column of panels for each storage, block beneath block; room for a legend at the foot. Numbers are on the left
    and at the foot only, because scales are shared. A plain grid: fitting takes seconds."""
    storages = findings.storages
    across = beside(len(storages))
    block_in = _HEAD_IN + sum(heights_in) + GAP_IN * (len(heights_in) - 1) + _FOOT_IN
    height = block_in * -(-max(len(storages), 1) // across) + legend_in
    whole = figure(PAGE_IN, height)
    whole.set_layout_engine(None)
    column_in = (PAGE_IN - left_in - _RIGHT_IN - _BETWEEN_IN * (across - 1)) / across
    grid: list[list[Any]] = []
    for place, storage in enumerate(storages):
        block, column = divmod(place, across)
        top = height - block * block_in - _HEAD_IN
        axes: list[Any] = []
        for panel_in in heights_in:
            axes.append(add_axes(whole, left_in + column * (column_in + _BETWEEN_IN), top, column_in, panel_in))
            axes[-1].tick_params(labelleft=column == 0, labelbottom=len(axes) == len(heights_in))
            top -= panel_in + GAP_IN
        axes[0].set_title(short(storage.label), color=styles[storage.storage].text, pad=14)
        grid.append(axes)
    return whole, grid


def add_axes(whole: Figure, left_in: float, top_in: float, width_in: float, height_in: float) -> Any:
    """Axes at a place in inches from the figure's left and lower edge."""
    width, height = whole.get_size_inches()
    return whole.add_axes((left_in / width, (top_in - height_in) / height, width_in / width, height_in / height))


def on_time_axis(findings: Findings, grid: Sequence[Sequence[Any]], labels: Sequence[str]) -> None:
    """Stages, actions and faults, the same time axis for all panels, and a label of each row at the left edge."""
    across = beside(len(grid))
    for place, (axes, storage) in enumerate(zip(grid, findings.storages, strict=True)):
        for axis, label in zip(axes, labels, strict=True):
            mark(axis, storage, names=axis is axes[0])
            whole_time(axis, findings)
            if place % across == 0:
                _label(axis, label)
        axes[-1].set_xlabel(SECONDS)


def whole_time(axis: Any, findings: Findings) -> None:
    axis.set_xlim(0, edges_s(findings)[-1])
    axis.xaxis.set_major_formatter("{x:g}")


def _label(axis: Any, text: str) -> None:
    """Along the left edge of the figure, aligned for all panels."""
    box = axis.get_position()
    place = {"rotation": 90, "va": "center", "ha": "left", "ma": "center"}
    axis.figure.text(0.15 / PAGE_IN, (box.y0 + box.y1) / 2, text, color=MUTED, **place)


def edges_s(findings: Findings) -> Floats:
    """Where the bins of the time axis begin and end."""
    return np.arange(findings.axis.count + 1, dtype=np.float64) * np.float64(findings.axis.width_s)


def note(axis: Any, text: str, y: float = 0.5) -> None:
    """Why a panel has nothing, or less than expected."""
    axis.text(0.5, y, text, transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=8)


def stack(axis: Any, findings: Findings, series: Mapping[Any, Floats], styles: Mapping[Any, SeriesStyle]) -> Floats:
    """Stacked steps with a thin gap between them, named by their keys; returns their upper edge."""
    top = np.zeros(findings.axis.count)
    for key, values in series.items():
        fill, label = styles[key].light, short(str(key), 34)
        axis.stairs(top + values, edges_s(findings), baseline=top, fill=True, facecolor=fill, edgecolor=PAPER,
                    linewidth=0.3, label=label)  # fmt: skip
        top = top + values
    return top


def beside_point(axis: Any, x: float, y: float, text: str, colour: str = INK) -> None:
    """Text to the right of a bar's end."""
    place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
    axis.annotate(text, (x, y), fontsize=8, color=colour, **place)


def rows_of_bars(axis: Any, names: Sequence[str]) -> None:
    """A row for each name, the first on top."""
    axis.grid(axis="y", visible=False)
    axis.set_yticks(range(len(names)), [short(name) for name in names])
    axis.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0, labelcolor=INK)


def name_lines(axis: Any, x: Floats, lines: Mapping[str, Floats], colours: Mapping[str, str]) -> None:
    """The name of each line at its last value, moved apart where they meet. Set the limits of the axis before."""
    to_height = axis.transAxes.inverted()
    ends = {name: int(np.flatnonzero(~np.isnan(line))[-1]) for name, line in lines.items() if not np.isnan(line).all()}
    at = {n: float(to_height.transform(axis.transData.transform((x[i], lines[n][i])))[1]) for n, i in ends.items()}
    gap = 9 / (axis.get_position().height * axis.figure.get_size_inches()[1] * 72)
    previous = np.inf
    for rank, name in enumerate(sorted(at, key=lambda name: -at[name])):
        lowest = (len(at) - rank - 1) * gap
        previous = max(min(at[name], previous - gap), lowest)
        axis.annotate(
            name,
            (x[max(ends.values())], previous),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=colours.get(name, INK),
            annotation_clip=False,
        )
