"""The plot of the first screen: the slowest one in a hundred over time, system by system or pod by pod."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.data.arrays import Floats
from reports.findings.operations import Measure
from reports.findings.study import Findings
from reports.page.parts import Drawn, Hero
from reports.page.plots.bands import p99_line, seconds
from reports.page.plots.style import (
    ACTED,
    INK,
    MUTED,
    PAPER,
    WRONG,
    SeriesStyle,
    figure,
    latency_axis,
    series_styles,
    short,
    storage_styles,
)
from reports.page.plots.time_axis import label, mark
from reports.sections.contract import Plot
from reports.text.blast_radius import decisive_events
from reports.text.outage_course import event_words
from reports.text.plain_names import operation_words, pod_label
from reports.text.ranking import hero_operation
from reports.text.wording import digits, value

WIDE, NARROW = "hero-wide", "hero-narrow"

_OFTEN, _MORE = 0.05, 5.0
"""Share of attempts without success, and its ratio to that of the hero operation, above which an operation is shown in
its place."""
_LATE, _EVENT_LINES = 0.6, 3
"""Share of the time after which the name of an action is left of its line; lines of such names."""
_NAMED = "; the decisive ones are named"
_FULL_SIZE = 16
"""Letters of a name from which on it is a little smaller."""
_TWO_LINES = 6
"""Lines above this number have names only, on one line each."""


@dataclass(frozen=True)
class HeroSeries:
    """One line: of a system, or of a pod of the only system, which has the colour of no system."""

    place: int
    words: str
    measure: Measure
    style: SeriesStyle
    failed_per_s: Floats
    """Failed or unknown attempts in each bin."""
    system: str = ""

    @property
    def gid(self) -> str:
        """The name by which the page hides it."""
        return f"series-{self.place}"

    @property
    def share_failed(self) -> float:
        wrong = self.measure.outcomes["fail"] + self.measure.outcomes["unknown"]
        return wrong / self.measure.n if self.measure.n else 0.0


@dataclass(frozen=True)
class _Form:
    """Size in inches, letters of a name, and the width of the names as a share."""

    size: tuple[float, float]
    letters: int
    names: float
    ticks: int


_WIDE_FORM, _NARROW_FORM = _Form((7.2, 4.2), 24, 0.28, 8), _Form((4.5, 2.85), 20, 0.38, 5)


def hero_plots() -> dict[str, Plot]:
    return {
        WIDE: lambda findings, _: _draw(findings, _WIDE_FORM),
        NARROW: lambda findings, _: _draw(findings, _NARROW_FORM),
    }


def operation_shown(findings: Findings) -> str:
    """The hero operation, unless another request failed so much more often that it is the story."""
    hero, shares = hero_operation(findings), dict[str, float]()
    for measure in (m for s in findings.storages for m in s.requests if m.n):
        wrong = measure.outcomes["fail"] + measure.outcomes["unknown"]
        shares[measure.name] = max(shares.get(measure.name, 0.0), wrong / measure.n)
    worst = max(shares, key=lambda name: shares[name], default=hero)
    return worst if shares.get(worst, 0.0) > max(_OFTEN, _MORE * shares.get(hero, 0.0)) else hero


def hero_series(findings: Findings) -> list[HeroSeries]:
    operation = operation_shown(findings)
    found = findings.of(operation)
    if not found:
        return []
    storage, _ = found[0]
    by_pod = [(pod, by[operation]) for pod, by in storage.pods.items() if operation in by] if len(found) == 1 else []
    if len(by_pod) > 1:
        styles = series_styles([pod for pod, _ in by_pod])
        return [
            HeroSeries(n, pod_label(pod), m, styles[pod], storage.per_s(m.failed)) for n, (pod, m) in enumerate(by_pod)
        ]
    of_system = storage_styles([s.storage for s in findings.storages])
    return [
        HeroSeries(n, s.label, m, of_system[s.storage], s.per_s(m.failed), s.storage) for n, (s, m) in enumerate(found)
    ]


def hero_of(findings: Findings, section: str, drawn: Mapping[str, Drawn]) -> Hero | None:
    """The drawn plot for the first screen, with the section that has more; None where it was not drawn."""
    if WIDE not in drawn or NARROW not in drawn:
        return None
    series = [(one.words, one.system) for one in hero_series(findings)]
    return Hero(drawn[WIDE], drawn[NARROW], hero_words(findings), section, series)


def hero_words(findings: Findings) -> str:
    """The caption: what the lines are."""
    operation = operation_shown(findings) or "any operation"
    figure = _figure(hero_series(findings))
    span = figure if figure == "p50" else f"p50 to {figure}"
    by = "by pod" if any(not one.system for one in hero_series(findings)) else "by system"
    lines = "p50 (solid) and p99 over time" if len(hero_series(findings)) == 1 else "p99 over time"
    named = any(decisive_events(s) for s in findings.storages[:1])
    marks = f" Numbered: actions and faults, tinted while they lasted{_NAMED if named else ''}."
    marks = marks if any(s.acted for s in findings.storages) else ""
    return (
        f"Response of {operation_words(operation)} {by}, {lines}, logarithmic (▲: at least that); gaps: none ended. "
        f"Shaded: the judged stages.{marks} To the right: {span} of the judged stages together."
    )


def _draw(findings: Findings, form: _Form) -> Figure:
    series = hero_series(findings)
    failing = any(one.measure.failed.any() for one in series)
    whole = figure(*form.size)
    whole.set_layout_engine(None)
    left, right, top = 0.62 / form.size[0], 1 - form.names, 1 - 0.36 / form.size[1]
    heights = (3.4, 1.0) if failing else (1.0,)
    grid = whole.add_gridspec(
        len(heights), 2, left=left, right=right, top=top, bottom=0.42 / form.size[1],
        width_ratios=(1, 0.1), height_ratios=heights, wspace=0.03, hspace=0.12,
    )  # fmt: skip
    over_time = whole.add_subplot(grid[0, 0])
    together = whole.add_subplot(grid[0, 1], sharey=over_time)
    panels = [over_time, *([whole.add_subplot(grid[1, 0], sharex=over_time)] if failing else [])]
    for axis in panels:
        if findings.storages:
            mark(axis, findings.storages[0], names=axis is over_time)
        axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
        axis.tick_params(labelbottom=axis is panels[-1])
    panels[-1].set_xlabel("seconds since the load began", fontsize=8)
    _latencies(over_time, findings, series, form)
    _name_events(over_time, findings)
    _together(together, series, form)
    if failing:
        _failures(panels[1], findings, series)
    return whole


def _latencies(axis: Any, findings: Findings, series: Sequence[HeroSeries], form: _Form) -> None:
    x, seen, figure = findings.axis.centres_s, list[float](), _figure(series)
    for one in series:
        p99 = p99_line(axis, findings, one.measure, one.style, gid=one.gid)
        seen += [*p99[~np.isnan(p99)].tolist(), *_range_s(one.measure, figure)]
        if len(series) == 1:
            p50, style = seconds(one.measure, 0), {"color": one.style.light, "gid": one.gid}
            axis.fill_between(x, p50, p99, alpha=0.25, linewidth=0, **style)
            axis.plot(x, p50, linewidth=1.0, **style)
    latency_axis(axis, min(seen, default=0.001), max(seen, default=1.0) * 1.2, most=form.ticks)
    if not seen:
        axis.text(0.5, 0.5, "nothing was recorded", transform=axis.transAxes, ha="center", color=MUTED)


def _name_events(axis: Any, findings: Findings) -> None:
    """The decisive actions in words at the foot, each beside its line, in turn on lines of text."""
    end_s = findings.axis.count * findings.axis.width_s
    for storage in findings.storages[:1]:  # those that are marked
        for line, event in enumerate(decisive_events(storage)):
            at_s = (event.started_ns - storage.pooled[0].started_ns) / 1e9
            left = at_s < _LATE * end_s
            words = f"{label(event)} {event_words(event).removeprefix('the ')}"
            axis.annotate(
                words, (at_s, 0), xycoords=("data", "axes fraction"),
                xytext=(2 if left else -2, 3 + line % _EVENT_LINES * 9), textcoords="offset points", fontsize=6.5,
                ha="left" if left else "right", va="bottom", color=ACTED if event.ok else WRONG, zorder=7,
                bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )  # fmt: skip


def _figure(series: Sequence[HeroSeries]) -> str:
    """The highest percentile that all of them have."""
    recorded = [one.measure for one in series if one.measure.response["max"]]
    return next((p for p in ("p99", "p95", "p50") if all(m.response[p] for m in recorded)), "max")


def _range_s(measure: Measure, figure: str) -> list[float]:
    """From p50 to the figure; empty for one that nothing is known of."""
    found = (measure.response["p50"] or measure.response[figure], measure.response[figure])
    return [estimate.value / 1e9 for estimate in found if estimate]


def _together(axis: Any, series: Sequence[HeroSeries], form: _Form) -> None:
    """A line from p50 to p99, and the name at that height."""
    figure = _figure(series)
    axis.axis("off")
    axis.set_xlim(-0.8, max(len(series), 3) - 0.2)
    low, high = (np.log(bound) for bound in axis.get_ylim())
    known = [one for one in series if _range_s(one.measure, figure)]
    heights = [(float(np.log(_range_s(one.measure, figure)[-1])) - low) / (high - low) for one in known]
    two = len(known) <= _TWO_LINES
    height_pt = axis.get_position().height * form.size[1] * 72
    spread = spread_out(heights, (24 if two else 11) / height_pt, 12 / height_pt)
    for one, at in zip(known, spread, strict=True):
        style = {"color": one.style.light, "gid": one.gid}
        bounds = _range_s(one.measure, figure)
        axis.plot([one.place] * 2, bounds, linewidth=1.2, **style)
        axis.plot([one.place], bounds[-1:], marker="o", markersize=4.5, **style)
        _name(axis, one, at, form.letters, figure if two else "")


def _name(axis: Any, one: HeroSeries, at: float, letters: int, figure: str) -> None:
    """The name beside the line, beneath it the figure unless that is empty."""
    common = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center", "gid": one.gid}
    above = 5 if figure else 0
    name = short(one.words, letters)
    style = {"fontsize": 8.5 if len(name) <= _FULL_SIZE else 7.8, "fontweight": "bold", "color": one.style.text}
    axis.annotate(name, (1, at), xytext=(5, above), annotation_clip=False, **style, **common)
    if figure:
        text = f"{figure} {value(one.measure.response[figure])}"
        text = f"{digits(one.share_failed * 100)} % failed, else {text}" if one.share_failed else text
        axis.annotate(text, (1, at), xytext=(5, -6), annotation_clip=False, fontsize=8, color=INK, **common)


def spread_out(heights: Sequence[float], gap: float, margin: float = 0.0) -> list[float]:
    """Heights of names in the same order, moved apart by `gap`, inside of 0 and 1 with a margin where that fits."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    found = list(heights)
    below = margin - gap
    for place in order:
        below = found[place] = max(found[place], below + gap)
    above = 1 - margin + gap
    for place in reversed(order):
        above = found[place] = min(found[place], above - gap)
    return found


def _failures(axis: Any, findings: Findings, series: Sequence[HeroSeries]) -> None:
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    for one in series:
        style = {"color": one.style.light, "linestyle": one.style.dash, "gid": one.gid}
        axis.stairs(one.failed_per_s, edges, baseline=None, linewidth=1.2, **style)
    axis.set_ylim(0, max(float(one.failed_per_s.max(initial=0.0)) for one in series) * 1.6)
    axis.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axis.annotate("failed or unknown, a second", (0, 1), xycoords="axes fraction", xytext=(3, -1),
                  textcoords="offset points", va="top", fontsize=7.5, color=MUTED)  # fmt: skip
