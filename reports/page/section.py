"""A section of the page, except its plot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.analysis.findings import Findings, StorageFindings
from reports.page.table import PageTable


@dataclass(frozen=True)
class Section:
    """`timed`: its plot has actions and faults on its time axis. `beside` are tables that are always open, `folded`
    those that open at a click, after `table`, which has the data of the plot."""

    title: str
    finding: Callable[[Findings], list[str]]
    how: Callable[[Findings], str]
    table: Callable[[Findings], PageTable]
    timed: bool = False
    beside: Sequence[Callable[[Findings], PageTable]] = ()
    folded: Sequence[Callable[[Findings], PageTable]] = ()


def each(findings: Findings, describe: Callable[[StorageFindings], str]) -> list[str]:
    return [f"{s.storage}: {describe(s)}." for s in findings.storages]
