"""What a section of the page is: when it applies, its sentence, its plot, its tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import SeriesStyle
from reports.page.table import PageTable

QUESTIONS = {
    "happened": "What happened?",
    "time": "Where did the time go?",
    "blocked": "Who blocked whom?",
    "cost": "What did it cost?",
    "trust": "Is it trustworthy?",
    "settings": "Runs and settings",
}
"""The headings of the page, in order; each section answers one of them."""

Plot = Callable[[Findings, dict[str, SeriesStyle]], Figure]
MakeTable = Callable[[Findings], PageTable]
Summarise = Callable[[Findings, StorageFindings], Mapping[str, Any]]


@dataclass(frozen=True)
class Section:
    """`name` is its anchor and the name of its plot's files. `finding` has a sentence for each storage, `how` explains
    the plot.

    `beside` are tables that are always open; `folded` those that open at a click on their title; `table` has the
    plot's data, and is at the end of the page unless it is one of `beside`. `others` is a second plot that opens at a
    click, with its title. `timed`: the plots have actions and faults on their time axis.
    """

    name: str
    question: str
    title: str
    applies: Callable[[Findings], bool] = lambda _: True
    finding: Callable[[Findings], list[str]] = lambda _: []
    how: Callable[[Findings], str] = lambda _: ""
    plot: Plot | None = None
    table: MakeTable | None = None
    timed: bool = False
    beside: Sequence[MakeTable] = ()
    folded: Sequence[MakeTable] = ()
    others: tuple[str, Plot] | None = None
    summary: Summarise = lambda _findings, _storage: {}
    """Its part of a storage in `summary.json`, also of a study that the section does not apply to."""

    @property
    def plots(self) -> dict[str, Plot]:
        """Its plots by the name of their files."""
        first = {} if self.plot is None else {self.name: self.plot}
        return first if self.others is None else {**first, f"{self.name}-others": self.others[1]}


def each(findings: Findings, describe: Callable[[StorageFindings], str]) -> list[str]:
    return [f"{s.label}: {describe(s)}." for s in findings.storages]


def by_bin(findings: Findings, cells: Callable[[StorageFindings, int], list[str]]) -> list[list[str]]:
    """A row for each storage and bin of the time axis: both, and then the cells."""
    width_s = findings.axis.width_s
    return [[s.label, f"{i * width_s:g}", *cells(s, i)] for s in findings.storages for i in range(findings.axis.count)]
