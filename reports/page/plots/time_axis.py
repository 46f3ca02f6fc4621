"""Elements of all plots over time: stages along the top, judged ones shaded, actions and faults by number."""

from typing import Any

from reports.data.contract import RunStage, StudyRun, TimelineEvent
from reports.findings.study import StorageFindings
from reports.page.plots.style import ACTED, INK, MUTED, PAPER, SHADE, WRONG, short
from reports.text.wording import FAILED

_NEAR_PT = 14
"""Numbers nearer to each other are placed below each other."""
_LETTER = 0.62
"""How wide a letter is, as a share of its size."""
_LEVELS, _LEVEL_PT, _NAME_PT = 3, 10.5, 6.5


def mark(axis: Any, storage: StorageFindings, *, names: bool) -> None:
    """Stages and events as they were in the first round. `names` writes the names of the stages above, and the numbers
    of the events inside."""
    mark_stages(axis, storage.pooled[0], names=names)
    mark_events(axis, storage.pooled[0], numbers=names)


def mark_stages(axis: Any, run: StudyRun, *, names: bool) -> None:
    """Shades the judged stages and draws a line where each stage begins."""
    for place, stage in enumerate(run.stages):
        start, end = span_s(run, stage)
        if stage.judge:
            axis.axvspan(start, end, color=SHADE, zorder=0, linewidth=0)
        axis.axvline(start, color=MUTED, linewidth=0.5, alpha=0.6, zorder=1)
        if names:
            name_stage(axis, run, stage, most=_letters(axis, run, place), fontsize=_NAME_PT)


def _letters(axis: Any, run: StudyRun, place: int) -> int:
    """Number of letters of a stage's name that fit: limited to the width of the stage next to another long name."""
    per_s = _pt_per_s(axis, run) / (_NAME_PT * _LETTER)
    start, end = span_s(run, run.stages[place])
    for other in run.stages[max(place - 1, 0) : place] + run.stages[place + 1 : place + 2]:
        apart = abs(sum(span_s(run, other)) - start - end) / 2 * per_s
        if apart < (len(short(other.name)) + len(short(run.stages[place].name))) / 2:
            return int((end - start) * per_s)
    return 30


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
