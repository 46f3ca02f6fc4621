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
from reports.page.plots.style import GRID, PAGE_IN, PAPER, SeriesStyle, wrapped
from reports.page.plots.time_axis import storage_grid
from reports.page.table import PageTable
from reports.sections.contract import Section, each
from reports.text.wording import NONE, digits, duration

_NARROW_S = (1e-3, 1.0)
"""Ends of the axis without timed waits."""


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A panel for each storage with one pair of axes: the number of waits that lasted longer; those of the others thin
    behind it. Hatched: shorter than what was timed, where only the sum is known."""
    storages = findings.storages
    whole, grid = storage_grid(findings, styles, (2.6,))
    ends, most = _reach(storages), max((float(s.durations.counts.sum()) for s in storages), default=0.0)
    for (axis,), storage in zip(grid, storages, strict=True):
        _axes(axis, ends, most)
        for other in storages:
            if other is not storage:
                _curve(axis, other.durations, GRID, 1.0)
        _panel(axis, storage.durations, styles[storage.storage], ends)
    if grid:
        grid[0][0].set_ylabel("number of waits")
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


def _axes(axis: Any, ends: tuple[float, float], most: float) -> None:
    axis.set_xscale("log")
    axis.set_xlim(*ends)
    width_in = axis.get_position().width * PAGE_IN
    steps = (1, 3) if ends[1] / ends[0] < 10 ** (1.1 * width_in) else (1,)
    ticks = [m * 10.0**e for e in range(-6, 5) for m in steps if ends[0] <= m * 10.0**e <= ends[1]]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda s, _: duration(s).replace(".0 ", " ")))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("a wait for a lock lasted longer than")
    axis.set_yscale("log")
    axis.set_ylim(0.8, max(most, 10.0) * 30)  # room for lines of text
    axis.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axis.yaxis.set_minor_locator(NullLocator())


def _panel(axis: Any, durations: WaitDurations, style: SeriesStyle, ends: tuple[float, float]) -> None:
    _curve(axis, durations, style.light, 2.0, fill=True)
    if durations.threshold_s:
        _censored(axis, ends[0], durations.threshold_s, style)
    elif durations.sampled.ns and not durations.counts.any():
        _censored(axis, *ends, style)
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right", "va": "top"}
    text = wrapped(axis, "\n".join(annotation(durations)))
    axis.annotate(text, (1, 1), xytext=(-3, -3), fontsize=7.5, bbox={"facecolor": PAPER, "edgecolor": "none"}, **place)


def annotation(durations: WaitDurations) -> list[str]:
    """What the curve does not show, in at most four lines."""
    if durations.known is None:
        return ["unknown: lock waits were not observed"]
    some, sampled = durations.counts.any(), bool(durations.sampled.ns)
    lines = [f"{int(durations.counts.sum()):,} timed" if some else "none timed" if sampled else "no lock waits"]
    if durations.threshold_s:
        below = sampled_s(durations, durations.below)
        lines[0] = lines[0].replace("no lock waits", "none was longer")
        lines.append(f"below {duration(durations.threshold_s)}, not timed: {below} by sampling")
    if sampled:
        others = "others, not timed" if some or durations.threshold_s else "all together"
        lines.append(f"{others}: {sampled_s(durations, durations.sampled)} by sampling")
    if len(lines) == 1 and some:
        lines[0] += ", every one"
    return [*lines, f"▸ end of {durations.open:,} not observed"] if durations.open else lines


def sampled_s(durations: WaitDurations, part: Sampled) -> str:
    """A sum by sampling with its 95 % interval: `1.5 s (1.0 … 2.1 s)`."""
    bounds, text = durations.interval_s(part), f"{digits(part.seconds)} s"
    return text if bounds is None else f"{text} ({digits(bounds[0])} … {digits(bounds[1])} s)"


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


def _finding_of(storage: StorageFindings) -> str:
    d = storage.durations
    if d.known is None:
        return "unknown, because lock waits were not observed"
    open_ends = f"; the end of {d.open:,} was not observed" if d.open else ""
    untimed = d.below + d.sampled
    summed = f"{sampled_s(d, untimed)} in total, by sampling"
    if d.counts.any():
        timed = f"{int(d.counts.sum()):,} wait{'s' if d.counts.sum() > 1 else ''} timed"
        longest = duration(float(d.edges_s[int(np.flatnonzero(d.counts)[-1]) + 1]))
        return f"{timed}, none longer than {longest}{f'; the others: {summed}' if untimed.ns else ''}{open_ends}"
    return f"no wait was timed; {summed}{open_ends}" if untimed.ns else "no lock waits"


def _table(findings: Findings) -> PageTable:
    """Timed waits by minimum duration, and the sampled time of the others."""
    columns = ["system", "known", "timed", *(f"≥ {duration(edge).replace('.0 ', ' ')}" for edge in _EDGES_S),
               "end not observed", "not timed below", "those, by sampling", "others, by sampling"]  # fmt: skip
    caption = "Waits that began in the judged stages, rounds pooled: how many were timed, and how many of those lasted at least that long."
    rows = [_row(s.label, s.durations) for s in findings.storages]
    return PageTable(
        caption, columns, rows, 2, absent={**dict.fromkeys(columns, "not timed"), "others, by sampling": "none"}
    )


def _row(label: str, d: WaitDurations) -> list[str]:
    longer = [_longer(d.edges_s, d.counts, edge) for edge in _EDGES_S]
    below = (
        ("no threshold", "no threshold") if d.threshold_s is None else (duration(d.threshold_s), sampled_s(d, d.below))
    )
    others = sampled_s(d, d.sampled) if d.sampled.ns else NONE
    return [label, d.known or "unknown", f"{int(d.counts.sum()):,}", *longer, f"{d.open:,}", *below, others]


_EDGES_S = (0.001, 0.01, 0.1, 1.0, 10.0)


def _longer(edges: Floats, counts: Floats, edge_s: float) -> str:
    """Waits of at least that duration; a dash where waits this short were not timed."""
    if not len(edges) or edge_s < edges[0] * 0.999:
        return NONE
    return f"{int(counts[edges[:-1] >= edge_s * 0.999].sum()):,}"


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
    finding=lambda findings: each(findings, _finding_of),
    how=lambda _: (
        "Both axes logarithmic: how many waits lasted longer than that; thin lines are the other storage systems. Hatched: too short to be timed by that source (or not timed at "
        "all), known only as a sum, by sampling, with its 95 % interval. ▸ the end of the longest was not observed."
    ),
    plot=draw,
    table=_table,
    summary=_summary,
)
