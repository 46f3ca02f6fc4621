# ruff: noqa: E501  sentences of the page are kept whole
"""Section: every operation over time."""

from typing import Any

from matplotlib.figure import Figure

from loadtests.records.vocabulary import OPERATIONS, PUSHES
from reports.findings.operations import FROM_STAMP, MEASURES
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import bands, p99_line, response_axis, storage_legend
from reports.page.plots.style import INK, PAGE_IN, SeriesStyle, beside, figure, note
from reports.page.plots.time_axis import SECONDS, TITLE_PT, mark, on_time_axis, storage_grid, whole_time
from reports.page.table import PageTable
from reports.sections.contract import Section, each
from reports.text.plain_names import ACCEPT, title
from reports.text.wording import duration, value

_SMALL_IN, _ACROSS, _ROW_IN, _NAMES_IN = 1.85, 3, 1.15, 2.0


def shown(findings: Findings) -> list[str]:
    """The hero first: Accept chat, otherwise the first operation of the vocabulary that has rows."""
    found = [m for m in MEASURES if m != FROM_STAMP and findings.of(m)] or [ACCEPT]
    return sorted(found, key=lambda measure: measure != ACCEPT)


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """The p99 of the hero operation large, the others small beneath it; a line for each storage."""
    hero, *others = shown(findings)
    rows = -(-len(others) // _ACROSS)
    whole = figure(PAGE_IN, 3.4 + _SMALL_IN * rows + 0.3)
    grid = whole.add_gridspec(rows + 1, _ACROSS, height_ratios=(3.4, *[_SMALL_IN] * rows))
    large = whole.add_subplot(grid[0, :])
    _panel(large, findings, hero, styles)
    large.set_title(_title(hero), fontsize=13, pad=TITLE_PT)
    large.set_xlabel(SECONDS)
    for place, measure in enumerate(others):
        axis = whole.add_subplot(grid[1 + place // _ACROSS, place % _ACROSS])
        _panel(axis, findings, measure, styles, most=4)
        axis.set_title(_title(measure), fontsize=9)
        if place >= len(others) - _ACROSS:
            axis.set_xlabel(SECONDS)
    if len(findings.storages) > 1:
        storage_legend(whole, findings.storages, styles, loc="outside lower center", ncols=5)
    return whole


def _title(measure: str) -> str:
    return f"{measure}{', from cause' if measure == 'event.deliver' else ''}, p99"


def _panel(axis: Any, findings: Findings, measure: str, styles: dict[str, SeriesStyle], most: int = 8) -> None:
    found = findings.of(measure)
    response_axis(axis, [m for _, m in found], most=most)
    whole_time(axis, findings)
    if findings.storages:
        mark(axis, findings.storages[0], names=most > 4)
    for storage, m in found:
        p99_line(axis, findings, m, styles[storage.storage], linewidth=1.7 if most > 4 else 1.2)
    if not any(any(m.over_time) for _, m in found):
        note(axis, "no rows")


def draw_bands(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Bands of p50, p95, p99: a column for each storage, a row with one scale for each operation."""
    measures = shown(findings)
    whole, grid = storage_grid(findings, styles, [_ROW_IN] * len(measures), left_in=_NAMES_IN)
    on_time_axis(findings, grid, [""] * len(measures))
    for place, (axes, storage) in enumerate(zip(grid, findings.storages, strict=True)):
        for axis, measure in zip(axes, measures, strict=True):
            response_axis(axis, [m for _, m in findings.of(measure)], most=4)
            bands(axis, findings, storage.measures.get(measure), styles[storage.storage])
            if place % beside(len(grid)) == 0:
                name = measure + (",\nfrom cause" if measure == "event.deliver" else "")
                axis.set_ylabel(name, rotation=0, ha="right", va="center", color=INK, labelpad=8)
    return whole


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
        [title(m.name), s.label, f"{place * findings.axis.width_s:g}", f"{found.n:,}", *map(value, found.percentiles)]
        for name in MEASURES
        for s, m in findings.of(name)
        if name != FROM_STAMP
        for place, found in enumerate(m.over_time)
        if found
    ]
    caption = f"Response in bins of {duration(findings.axis.width_s)}, by planned start."
    return PageTable(caption, ["operation", "system", "from, s", "n", "p50", "p95", "p99"], rows, 2)


SECTION = Section(
    name="operations-over-time",
    question="time",
    title="Every operation over time",
    finding=lambda findings: each(findings, _finding_of),
    how=lambda _: (
        "The p99 of each operation by planned start, logarithmic, a line for each system (in a bin of fewer than 100 that is the slowest; ▲ where it is at least "
        "that). Shaded: the judged stages. Rounds pooled. Behind the fold p50, p95 and p99 of each system: thick line p50, dark band to p95, light band to p99."
    ),
    plot=draw,
    others=("p50, p95 and p99 of every operation on each system", draw_bands),
    table=_table,
    timed=True,
)
