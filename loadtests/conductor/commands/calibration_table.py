"""The figures of calibrations as a table for people, on standard output."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES = {"pass": "green", "fail": "bold red", "unknown": "yellow"}
_WIDTH = 150
"""The width where standard output is not a terminal."""


def show(documents: Sequence[Mapping[str, Any]]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    table = Table(box=None, pad_edge=False)
    for column in ("database", "source", "figure"):
        table.add_column(column)
    for column in ("value", "bar", "n"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    table.add_column("why", overflow="fold")
    for figure in (figure for document in documents for figure in document.get("figures", ())):
        table.add_row(*_cells(figure))
    if table.row_count:
        console.print(table)


def _cells(figure: Mapping[str, Any]) -> list[Text]:
    names = [figure["database"], figure["source"], figure["figure"]]
    numbers = [_value(figure), _bar(figure), str(figure["n"])]
    verdict = Text(figure["verdict"], style=_STYLES.get(figure["verdict"], ""))
    return [*map(Text, (*names, *numbers)), verdict, Text(figure["reason"])]


def _value(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.1f} ms" if figure["unit"] == "ms" else f"{figure['value']:.2%}"


def _bar(figure: Mapping[str, Any]) -> str:
    if figure["unit"] == "ms":
        return f"≤ {figure['bar']:g} ms"
    if figure["figure"] in ("total recovered", "counter agrees"):
        return f"± {figure['bar']:.2%}"
    return f"≥ {figure['bar']:.2%}"
