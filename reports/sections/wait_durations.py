# ruff: noqa: E501  sentences of the page are kept whole
"""Section: how long lock waits lasted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.data.arrays import Floats
from reports.findings.locks import Sampled, WaitDurations
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import GRID, MUTED, SeriesStyle, beside, figure, short
from reports.page.table import PageTable
from reports.sections.contract import Section, each
from reports.text.wording import NONE, digits, duration

_WIDTH_IN, _LEFT_IN, _RIGHT_IN, _BETWEEN_IN = 13.0, 0.85, 0.2, 0.3

_PANEL_IN, _HEAD_IN, _FOOT_IN = 2.2, 0.7, 0.55

_NARROW_S = (1e-3, 1.0)
"""Ends of the axis without timed waits."""


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A panel for each storage with one pair of axes: the number of waits that lasted longer; those of the others thin
    behind it. Hatched: shorter than what was timed, where only the sum is known."""
    storages = findings.storages
    columns = beside(len(storages))
    blocks = -(-max(len(storages), 1) // columns)
    block_in = _HEAD_IN + _PANEL_IN + _FOOT_IN
    height = block_in * blocks
    whole = figure(_WIDTH_IN, height)
    whole.set_layout_engine(None)
    width_in = (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _BETWEEN_IN * (columns - 1)) / columns
    ends, most = _reach(storages), max((float(s.durations.counts.sum()) for s in storages), default=0.0)
    for place, storage in enumerate(storages):
        block, column = divmod(place, columns)
        left, top = _LEFT_IN + column * (width_in + _BETWEEN_IN), height - block * block_in - _HEAD_IN
        axis = whole.add_axes((left / _WIDTH_IN, (top - _PANEL_IN) / height, width_in / _WIDTH_IN, _PANEL_IN / height))
        axis.set_title(short(storage.storage), color=styles[storage.storage].text, pad=31)
        _axes(axis, ends, most, first=column == 0)
        for other in storages:
            if other is not storage:
                _curve(axis, other.durations, GRID, 1.0)
        _panel(axis, storage.durations, styles[storage.storage], ends)
    return whole


def _reach(storages: Sequence[StorageFindings]) -> tuple[float, float]:
    """Both ends of the axis of lengths, in s."""
    edges = [float(e) for s in storages for e in _within(s.durations)]
    thresholds = [s.durations.threshold_s for s in storages if s.durations.threshold_s]
    low, high = min([*edges, *thresholds], default=_NARROW_S[0]), max([*edges, *thresholds], default=_NARROW_S[1])
    return low / (4 if thresholds else 1.3), max(high, low * 10) * 1.3


def _within(durations: WaitDurations) -> Floats:
    """The edges between which there are any waits."""
    filled = np.flatnonzero(durations.counts)
    return durations.edges_s[filled[0] : filled[-1] + 2] if len(filled) else np.zeros(0)


def _axes(axis: Any, ends: tuple[float, float], most: float, *, first: bool) -> None:
    axis.set_xscale("log")
    axis.set_xlim(*ends)
    steps = (1, 3) if ends[1] / ends[0] < 3e3 else (1,)
    ticks = [m * 10.0**e for e in range(-6, 5) for m in steps if ends[0] <= m * 10.0**e <= ends[1]]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda s, _: duration(s).replace(".0 ", " ")))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("a wait for a lock lasted longer than")
    axis.set_yscale("log")
    axis.set_ylim(0.8, max(most, 10.0) * 3)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.tick_params(labelleft=first)
    if first:
        axis.set_ylabel("waits")


def _panel(axis: Any, durations: WaitDurations, style: SeriesStyle, ends: tuple[float, float]) -> None:
    _curve(axis, durations, style.light, 2.0, fill=True)
    if durations.known is None:
        axis.text(0.5, 0.5, "unknown", transform=axis.transAxes, ha="center", va="center", color=MUTED)
    elif durations.threshold_s:
        _censored(axis, ends[0], durations.threshold_s, style)
    elif durations.sampled.ns and not durations.counts.any():
        _censored(axis, *ends, style)
    for line, text in enumerate(annotation(durations)):
        axis.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 15.5 - 11.5 * line),
            textcoords="offset points",
            fontsize=8,
        )


def annotation(durations: WaitDurations) -> list[str]:
    """What the curve does not show, in at most two lines."""
    if durations.known is None:
        return ["lock waits were not observed"]
    ended = f"; end of {durations.open:,} not observed (▸: at least that long)" if durations.open else ""
    untimed = _untimed(durations)
    timed = f"{_timed(durations)}{'' if untimed or not durations.counts.any() else ', every one'}{ended}"
    return [timed, untimed] if untimed else [timed]


def _timed(durations: WaitDurations) -> str:
    if durations.counts.any():
        return f"{int(durations.counts.sum()):,} timed"
    if durations.sampled.ns:
        return "none timed"
    return "none was longer" if durations.threshold_s else "no lock waits"


def _untimed(durations: WaitDurations) -> str:
    if durations.threshold_s:
        below, others = _sampled(durations, durations.below), f"{digits(durations.sampled.seconds)} s"
        more = f"; others {others}" if durations.sampled.ns else ""
        return f"below {duration(durations.threshold_s)} not timed, by sampling {below} in total{more}"
    if not durations.sampled.ns:
        return ""
    subject = "others not timed, by sampling" if durations.counts.any() else "by sampling they lasted"
    return f"{subject} {_sampled(durations, durations.sampled)} in total"


def _curve(axis: Any, durations: WaitDurations, colour: str, width: float, *, fill: bool = False) -> None:
    """Steps down: at each length, how many lasted longer."""
    if not durations.counts.any():
        return
    edges = _within(durations)
    counts = durations.counts[durations.counts.nonzero()[0][0] :][: len(edges) - 1]
    longer = counts[::-1].cumsum()[::-1]
    if fill:
        axis.stairs(longer, edges, baseline=0.8, fill=True, color=colour, alpha=0.16, linewidth=0)
    axis.stairs(longer, edges, baseline=None, color=colour, linewidth=width)
    if fill and durations.open:
        axis.plot(edges[-1], max(longer[-1], 1.0), marker=">", color=colour, markersize=7, mew=0)


def _censored(axis: Any, low_s: float, high_s: float, style: SeriesStyle) -> None:
    axis.axvspan(low_s, high_s, facecolor="none", edgecolor=style.light, hatch="////", alpha=0.35, linewidth=0)
    axis.axvline(high_s, color=style.light, linewidth=1.0, linestyle=(0, (2, 1.5)))


def _sampled(durations: WaitDurations, part: Sampled) -> str:
    bounds = durations.interval_s(part)
    text = f"{digits(part.seconds)} s"
    return text if bounds is None else f"{text} ({digits(bounds[0])} … {digits(bounds[1])} s)"


def _finding(findings: Findings) -> list[str]:
    return each(findings, _finding_of)


def _finding_of(storage: StorageFindings) -> str:
    d = storage.durations
    if d.known is None:
        return "unknown: lock waits were not observed"
    timed, ended = int(d.counts.sum()), f"; the end of {d.open:,} was not observed" if d.open else ""
    if not timed:
        untimed = d.below + d.sampled
        seen = (
            f"none was timed; by sampling they lasted {_sampled_waiting(d, untimed)} in total"
            if untimed.ns
            else "no lock waits"
        )
        return f"{seen}{ended}"
    longest = d.edges_s[int(np.flatnonzero(d.counts)[-1]) + 1]
    return f"{timed:,} waits timed, none longer than {duration(float(longest))}{_untimed_waiting(d)}{ended}"


def _untimed_waiting(d: WaitDurations) -> str:
    below = (
        f"; those below {duration(d.threshold_s)} lasted {_sampled_waiting(d, d.below)} in total"
        if d.threshold_s
        else ""
    )
    joined = ", other untimed ones" if below else "; other, untimed ones lasted"
    others = f"{joined} {_sampled_waiting(d, d.sampled)}" if d.sampled.ns else ""
    return f"{below}{others}, by sampling" if below or others else ""


def _sampled_waiting(d: WaitDurations, part: Sampled) -> str:
    bounds = d.interval_s(part)
    if bounds is None:
        return duration(part.seconds)
    return f"{digits(part.seconds)} s ({digits(bounds[0])} … {digits(bounds[1])} s)"


def _table(findings: Findings) -> PageTable:
    """Timed waits by minimum duration, and the sampled time of the others."""
    rows = []
    for s in findings.storages:
        d = s.durations
        longer = [_longer(d.edges_s, d.counts, edge) for edge in _EDGES_S]
        below = NONE if d.threshold_s is None else duration(d.threshold_s)
        sums = (
            _sampled_lock_tables(d, d.below, shown=d.threshold_s is not None),
            _sampled_lock_tables(d, d.sampled, shown=d.sampled.ns > 0),
        )
        rows.append([s.storage, d.known or "unknown", f"{int(d.counts.sum()):,}", *longer, f"{d.open:,}", below, *sums])
    caption = "Waits that began in the judged stages, rounds pooled: how many were timed, and how many of those lasted at least that long."
    columns = [
        "storage",
        "known",
        "timed",
        *(duration(edge).replace(".0 ", " ") for edge in _EDGES_S),
        "end not observed",
        "not timed below",
        "those sampled, s",
        "others sampled, s",
    ]
    return PageTable(caption, columns, rows, 2)


_EDGES_S = (0.001, 0.01, 0.1, 1.0, 10.0)


def _longer(edges: Floats, counts: Floats, edge_s: float) -> str:
    """Waits of at least that duration; a dash where waits this short were not timed."""
    if not len(edges) or edge_s < edges[0] * 0.999:
        return NONE
    return f"{int(counts[edges[:-1] >= edge_s * 0.999].sum()):,}"


def _sampled_lock_tables(d: WaitDurations, part: Sampled, *, shown: bool) -> str:
    if not shown:
        return NONE
    bounds, text = d.interval_s(part), digits(part.seconds)
    return text if bounds is None else f"{text} ({digits(bounds[0])} … {digits(bounds[1])})"


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    d = storage.durations
    bins = zip(d.edges_s[:-1].tolist(), d.edges_s[1:].tolist(), d.counts, strict=True)
    return {
        "wait_durations": {
            "known": d.known or "unknown",
            "threshold_s": d.threshold_s,
            "timed": [{"from_s": low, "to_s": high, "waits": int(n)} for low, high, n in bins if n],
            "threshold_in_part": d.in_part,
            "below_threshold_s": d.below.seconds,
            "below_threshold_interval_s": d.interval_s(d.below),
            "sampled_s": d.sampled.seconds,
            "sampled_interval_s": d.interval_s(d.sampled),
            "open": d.open,
        }
    }


SECTION = Section(
    name="wait-durations",
    question="blocked",
    title="How long waits for locks lasted",
    applies=lambda _: True,
    finding=_finding,
    how=lambda _: (
        "Both axes logarithmic: how many waits lasted longer than that; thin lines are the other storages. Hatched: too short to be timed by that source (or not timed at "
        "all), known only as a sum, by sampling, with its 95 % interval. ▸ the end of the longest was not observed."
    ),
    plot=draw,
    table=_table,
    summary=_summary,
)
