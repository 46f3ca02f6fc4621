"""A plain table of the page."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reports.text.wording import NONE, digits


@dataclass(frozen=True)
class PageTable:
    """The first `texts` columns are words, aligned left; the first of a row is its header.

    One with a `title` has a heading, and is shown without rows too, with the text `empty`. `codes` are the
    columns that hold statements, `alarms` words that stand out where they are all of a cell. A `packed` one has narrow
    columns.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    title: str = ""
    empty: str = ""
    codes: Collection[int] = ()
    alarms: Collection[str] = ()
    packed: bool = False

    @property
    def shown(self) -> bool:
        return bool(self.rows or self.title)


def number(figure: float | None) -> str:
    """The figure, or a dash where there is none."""
    return NONE if figure is None or figure != figure else digits(figure)  # noqa: PLR0124  a NaN is not itself
