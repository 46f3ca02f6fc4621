"""A table of the page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reports.text.wording import NONE, digits


@dataclass(frozen=True)
class Cell:
    """Text with a note in small letters beneath it, keys behind a fold, or a mark of its own.

    `system` is the storage system whose colour stands before the text; `bad` text stands out.
    """

    text: str
    note: str = ""
    bad: bool = False
    keys: Sequence[str] = ()
    system: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class PageTable:
    """The first `texts` columns are words, aligned left; the first of a row is its header.

    One with a `title` has a heading, and is shown without rows too, with the text `empty`. `codes` are the
    columns that hold statements, `alarms` words that stand out where they are all of a cell. A `packed` one has narrow
    columns. `grouped`: consecutive rows with the same first cell are a group under it, and the second cell of a row is
    its header. `absent` stands where there is no value: why there is none, in all columns or by column.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    texts: int = 1
    title: str = ""
    empty: str = ""
    codes: Collection[int] = ()
    alarms: Collection[str] = ()
    packed: bool = False
    grouped: bool = False
    absent: str | Mapping[str, str] = "no value"

    @property
    def shown(self) -> bool:
        return bool(self.rows or self.title)

    @property
    def groups(self) -> list[list[list[Cell]]]:
        """The rows in groups, one group without `grouped`; every cell as a `Cell`."""
        groups: list[list[list[Cell]]] = []
        for row in self.rows:
            cells = [self._cell(cell, column) for cell, column in zip(row, self.columns, strict=True)]
            if groups and (not self.grouped or groups[-1][0][0] == cells[0]):
                groups[-1].append(cells)
            else:
                groups.append([cells])
        return groups

    def _cell(self, cell: str | Cell, column: str) -> Cell:
        if isinstance(cell, Cell):
            return cell
        if cell == NONE:
            return Cell(self.absent if isinstance(self.absent, str) else self.absent[column])
        text = cell.replace(f"… {NONE}", "… unknown").replace(f"{NONE} …", "unknown …")
        return Cell(text, bad=cell in self.alarms)


def number(figure: float | None) -> str:
    """The figure, or a dash where there is none."""
    return NONE if figure is None or figure != figure else digits(figure)  # noqa: PLR0124  a NaN is not itself
