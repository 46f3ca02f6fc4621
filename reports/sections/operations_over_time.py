# ruff: noqa: E501  sentences of the page are kept whole
"""Section: every operation over time."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from loadtests.records.vocabulary import OPERATIONS, PUSHES
from reports.findings.operations import FROM_STAMP, MEASURES
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import bands
from reports.page.plots.style import MUTED, PAGE_IN, SeriesStyle, figure, latency_axis, short
from reports.page.plots.time_axis import mark
from reports.page.table import PageTable
from reports.sections.contract import Section, each
from reports.sections.figures import title
from reports.text.wording import duration, value

_ROW_IN, _COLUMN_IN, _HEAD_IN, _FOOT_IN, _LEFT_IN, _RIGHT_IN = 1.15, 3.9, 0.5, 0.5, 2.35, 0.15

_COLUMNS = 4


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Bands of p50, p95, p99. One time axis for all; one scale per row, so that storages compare along it.
    Further storages after four are in a block beneath."""
    shown = [m for m in MEASURES if m != FROM_STAMP and findings.of(m)] or ["chat.accept"]
    columns = min(max(len(findings.storages), 1), _COLUMNS)
    blocks = -(-max(len(findings.storages), 1) // columns)
    block_in = _HEAD_IN + _ROW_IN * len(shown) + _FOOT_IN
    whole = figure(max(_LEFT_IN + _COLUMN_IN * columns + _RIGHT_IN, PAGE_IN), block_in * blocks)
    whole.set_layout_engine(None)  # a plain grid: fitting thirty panels would take seconds
    for block in range(blocks):
        storages = findings.storages[block * columns : (block + 1) * columns]
        grid = _block(whole, len(shown), columns, block_in * block)
        for row, measure in enumerate(shown):
            _row(grid[row], findings, storages, measure, styles)
        _edges(grid, findings, storages, styles)
    return whole


def _block(whole: Figure, rows: int, columns: int, top_in: float) -> list[list[Any]]:
    """Axes [row, column] of a block that begins `top_in` below the figure's upper edge."""
    width, height = whole.get_size_inches()
    top = height - top_in - _HEAD_IN
    edges = {"left": _LEFT_IN / width, "right": 1 - _RIGHT_IN / width}
    edges |= {"top": top / height, "bottom": (top - _ROW_IN * rows) / height}
    places = whole.add_gridspec(rows, columns, wspace=0.04, hspace=0.16, **edges)
    return [[whole.add_subplot(places[row, column]) for column in range(columns)] for row in range(rows)]


def _edges(
    grid: list[list[Any]], findings: Findings, storages: Sequence[StorageFindings], styles: dict[str, SeriesStyle]
) -> None:
    """Titles above, times beneath, latencies to the left."""
    for row, axes in enumerate(grid):
        for column, axis in enumerate(axes):
            axis.set_visible(column < len(storages))
            axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
            axis.tick_params(labelleft=column == 0, labelbottom=row == len(grid) - 1)
            axis.xaxis.set_major_formatter("{x:g}")
    for column, storage in enumerate(storages):
        grid[0][column].set_title(short(storage.storage), color=styles[storage.storage].text, pad=14)
        grid[-1][column].set_xlabel("seconds since the load began")
        for row, axes in enumerate(grid):
            mark(axes[column], storage, names=row == 0)


def _row(
    axes: list[Any],
    findings: Findings,
    storages: Sequence[StorageFindings],
    measure: str,
    styles: dict[str, SeriesStyle],
) -> None:
    seen = [b for _, m in findings.of(measure) for b in m.over_time if b]
    lowest, highest = min((b.p50 for b in seen), default=10**6), max((b.p99 for b in seen), default=10**9)
    for axis, storage in zip(axes, storages, strict=False):
        latency_axis(axis, lowest / 1e9, highest / 1e9, most=4)
        found = storage.measures.get(measure)
        if found is None or not any(found.over_time):
            axis.text(0.5, 0.5, "no rows", transform=axis.transAxes, ha="center", va="center", color=MUTED)
        else:
            bands(axis, findings.axis.centres_s, found, styles[storage.storage])
    name = measure + (",\nfrom cause" if measure == "event.deliver" else "")
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold", labelpad=8)


def _finding(findings: Findings) -> list[str]:
    return each(findings, _finding_of)


def _finding_of(storage: StorageFindings) -> str:
    asked = [m for name, m in storage.measures.items() if name in OPERATIONS and name not in PUSHES]
    known = [(e.value, e, m.name) for m in asked if (e := m.response["p99"])]
    if not known:
        return "too few rows for a p99"
    _, estimate, name = max(known, key=lambda found: found[0])
    return f"the slowest request is {name}, p99 {value(estimate)}"


def _table(findings: Findings) -> PageTable:
    """Latency of every operation, a row for each operation, storage and bin that has any."""
    rows = [
        [title(m.name), s.storage, f"{place * findings.axis.width_s:g}", f"{found[0]:,}"]
        + [value(percentile) for percentile in found.percentiles]
        for name in MEASURES
        for s, m in findings.of(name)
        if name != FROM_STAMP
        for place, found in enumerate(m.over_time)
        if found
    ]
    caption = f"Response in bins of {duration(findings.axis.width_s)}, by planned start."
    return PageTable(caption, ["operation", "storage", "from, s", "n", "p50", "p95", "p99"], rows, 2)


SECTION = Section(
    name="operations-over-time",
    question="time",
    title="Every operation over time",
    applies=lambda _: True,
    finding=_finding,
    how=lambda _: (
        "A row for each operation, with one scale for all storages; a column for each storage. Logarithmic; thick line "
        "p50, dark band to p95, light band to p99 (in a bin of fewer than 100 that is the slowest; ▲ where it is at least "
        "that), by planned start. "
        "Shaded: the judged stages. Rounds pooled."
    ),
    plot=draw,
    table=_table,
    timed=True,
)
