"""Plots over time: panels with one time axis; stages along the top, judged ones shaded, events by number."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.arrays import Floats
from reports.data.contract import RunStage, StudyRun, TimelineEvent
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import ACTED, INK, MUTED, PAGE_IN, PAPER, SHADE, WRONG, SeriesStyle, beside, figure, short
from reports.text.wording import FAILED

_NEAR_PT = 14
"""Numbers nearer to each other are placed below each other."""
_LETTER = 0.62
"""How wide a letter is, as a share of its size."""
_LEVELS, _LEVEL_PT, _NAME_PT = 3, 10.5, 6.5
TITLE_PT = 22
"""Distance of a title from the axis that leaves room for two lines of names of stages."""


def mark(axis: Any, storage: StorageFindings, *, names: bool) -> None:
    """Stages and events as they were in the first round. `names` writes the names of the stages above, and the numbers
    of the events inside."""
    mark_stages(axis, storage.pooled[0], names=names)
    mark_events(axis, storage.pooled[0], numbers=names)


def mark_stages(axis: Any, run: StudyRun, *, names: bool) -> None:
    """Shades the judged stages and draws a line where each stage begins. Names that would be cut on one line are on two
    in turn."""
    fit = (_letters(axis, run, place, 1) >= len(short(stage.name)) for place, stage in enumerate(run.stages))
    lines = 1 if all(fit) else 2
    for place, stage in enumerate(run.stages):
        start, end = span_s(run, stage)
        if stage.judge:
            axis.axvspan(start, end, color=SHADE, zorder=0, linewidth=0)
        axis.axvline(start, color=MUTED, linewidth=0.5, alpha=0.6, zorder=1)
        if names:
            up_pt = 2 + place % lines * (_NAME_PT + 1.5)
            name_stage(axis, run, stage, up_pt, _letters(axis, run, place, lines), fontsize=_NAME_PT)


def _letters(axis: Any, run: StudyRun, place: int, lines: int) -> int:
    """Number of letters of a stage's name that fit beside the names next to it on the same one of the lines."""
    per_s = _pt_per_s(axis, run) / (_NAME_PT * _LETTER)
    own, room = run.stages[place], [30]
    for near in (place - lines, place + lines):
        if not 0 <= near < len(run.stages):
            continue
        other = run.stages[near]
        apart = abs(sum(span_s(run, other)) - sum(span_s(run, own))) / 2 * per_s
        if apart < (len(short(other.name)) + len(short(own.name))) / 2:
            room.append(int(apart))
    return min(room)


def _pt_per_s(axis: Any, run: StudyRun) -> float:
    width_pt = axis.get_position().width * axis.figure.get_size_inches()[0] * 72
    return float(width_pt / (max(run.ended_ns - run.started_ns, 1) / 1e9))


def span_s(run: StudyRun, stage: RunStage) -> tuple[float, float]:
    return (stage.started_ns - run.started_ns) / 1e9, (stage.ended_ns - run.started_ns) / 1e9


def name_stage(axis: Any, run: StudyRun, stage: RunStage, up_pt: float = 2, most: int = 30, **style: Any) -> None:
    """Write the stage's name `up_pt` points above the axis, cut to `most` letters."""
    start, end = span_s(run, stage)
    axis.annotate(
        short(stage.name, most) if most > 2 else "",
        ((start + end) / 2, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, up_pt),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=INK if stage.judge else MUTED,
        **style,
    )


def mark_events(axis: Any, run: StudyRun, *, numbers: bool) -> None:
    """A line where each action and fault began, a tint for as long as it lasted; its number, where that is wanted."""
    near_s = _NEAR_PT / _pt_per_s(axis, run)
    last_s, level = -near_s, 0
    for event in run.drawn:
        start_s = (event.started_ns - run.started_ns) / 1e9
        colour = ACTED if event.ok else WRONG
        axis.axvline(start_s, color=colour, linewidth=0.9, alpha=0.85, zorder=1.5)
        if event.ended_ns is not None and event.ended_ns > event.started_ns:
            end_s = (event.ended_ns - run.started_ns) / 1e9
            axis.axvspan(start_s, end_s, color=colour, alpha=0.13, linewidth=0, zorder=0.5)
        if numbers:
            level = (level + 1) % _LEVELS if start_s - last_s < near_s else 0
            last_s = start_s
            number(axis, event, start_s, -2 - level * _LEVEL_PT)


def number(axis: Any, event: TimelineEvent, at_s: float, down_pt: float, y: float = 1.0) -> None:
    """The event's number in a small box at a moment; `y` is a share of the axis' height. A failed one has a
    cross, to be visible without colour."""
    colour = ACTED if event.ok else WRONG
    axis.annotate(
        label(event),
        (at_s, y),
        xycoords=("data", "axes fraction"),
        xytext=(0, down_pt),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=6.5,
        fontweight="bold",
        color=colour,
        zorder=6,
        annotation_clip=True,
        bbox={"boxstyle": "round,pad=0.18", "facecolor": PAPER, "edgecolor": colour, "linewidth": 0.7},
    )


def label(event: TimelineEvent) -> str:
    return f"{event.number}" if event.ok else f"{event.number} {FAILED}"


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
        axes[0].set_title(short(storage.label), color=styles[storage.storage].text, pad=TITLE_PT)
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


def name_rows(axis: Any, names: Sequence[str]) -> None:
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
