"""What a page consists of: values without content of their own, which `reports/sections` fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.page.table import PageTable
from reports.text.contract import Bullet, Doubt


@dataclass(frozen=True)
class Drawn:
    """A plot's name, and the inside of its SVG for a page: no ids of others, no fixed inks, styles as classes."""

    name: str
    view_box: str
    body: str

    @property
    def wide(self) -> bool:
        """Too wide to be read when squeezed into a page: it scrolls."""
        return float(self.view_box.split()[2]) > 1100


@dataclass(frozen=True)
class Fold:
    """Tables, or a plot, that open at a click."""

    title: str
    tables: Sequence[PageTable] = ()
    plot: Drawn | None = None
    open: bool = False
    name: str = ""
    """Its anchor; empty without one."""


@dataclass(frozen=True)
class PageSection:
    """`lines` are its findings, `how` explains the plot; `links` are anchors of tables elsewhere, with words. `name` is
    its own anchor."""

    name: str
    title: str
    lines: Sequence[str] = ()
    plot: Drawn | None = None
    how: str = ""
    tables: Sequence[PageTable] = ()
    folds: Sequence[Fold] = ()
    links: Sequence[tuple[str, str]] = ()

    @property
    def words(self) -> str:
        """The beginning of its title, for the table of contents."""
        return self.title.partition(":")[0].partition(",")[0]


@dataclass(frozen=True)
class SectionGroup:
    """Sections that answer one question."""

    name: str
    title: str
    sections: Sequence[PageSection]


@dataclass(frozen=True)
class Mark:
    """One thing that was judged: `verdict` is pass, fail or unknown; `figure` stands against `limit`."""

    verdict: str
    name: str
    figure: str = ""
    limit: str = ""
    why: str = ""


@dataclass(frozen=True)
class SystemVerdict:
    """The verdict of a system: all together, then mark by mark, the same in every system. `label` is its short name."""

    system: str
    label: str
    whole: Mark
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Hero:
    """The plot of the first screen, for wide and for narrow screens. `series` are the words of the lines that can be
    hidden, in the order of their classes, each with the system whose colour it has, or with none."""

    wide: Drawn
    narrow: Drawn
    caption: str
    section: str
    series: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class FirstScreen:
    """What a reader sees first. `judged` says by what, or why not."""

    kicker: str
    headline: str
    judged: str
    verdicts: Sequence[SystemVerdict] = ()
    hero: Hero | None = None
    points: Sequence[Bullet] = ()
    promise: str = ""
    doubts: Sequence[Doubt] = ()

    @property
    def severities(self) -> Mapping[str, int]:
        """Number of doubts by severity, in the order of the doubts."""
        found: dict[str, int] = {}
        for doubt in self.doubts:
            found[doubt.severity] = found.get(doubt.severity, 0) + 1
        return found


@dataclass(frozen=True)
class Term:
    """`phrases` are the regular expressions of the words that link to it on the page."""

    word: str
    meaning: str
    phrases: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """`style` is the CSS of the plots; `colours` has each system's colour as CSS."""

    title: str
    first: FirstScreen
    groups: Sequence[SectionGroup]
    terms: Sequence[Term]
    style: str
    colours: Mapping[str, str]
