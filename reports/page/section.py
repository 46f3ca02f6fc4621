"""What a section of the page is made of, beside its plot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.findings import Findings, StorageFindings
from reports.page.table import Table


@dataclass(frozen=True)
class Section:
    """`timed`: its plot has the actions and faults on its time axis. `beside` are tables that are always open, `folded`
    those that open at a click, after `table`, which tells the same as the plot."""

    title: str
    finding: Callable[[Findings], list[str]]
    how: Callable[[Findings], str]
    table: Callable[[Findings], Table]
    timed: bool = False
    beside: Sequence[Callable[[Findings], Table]] = ()
    folded: Sequence[Callable[[Findings], Table]] = ()


def each(findings: Findings, say: Callable[[StorageFindings], str]) -> list[str]:
    return [f"{s.storage}: {say(s)}." for s in findings.storages]
