"""The table of figures: by operation and storage."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.exports.figures import LOCK_WAIT, shown, waits_known
from reports.findings.operations import FROM_CAUSE, FROM_STAMP, MEASURES
from reports.findings.study import Findings
from reports.text.headline import ACCEPT
from reports.text.wording import NONE

SHOWN = ("p50", "p95", "p99", "p99.9", "max")
_NAMES = {FROM_CAUSE: "event.deliver from its cause", FROM_STAMP: "event.deliver from the stamp"}


@dataclass(frozen=True)
class Cell:
    """A figure and, small beneath it, its interval or how it is known."""

    value: str
    note: str = ""


@dataclass(frozen=True)
class Count:
    text: str
    bad: bool = False


@dataclass(frozen=True)
class Row:
    storage: str
    swatch: str
    n: str
    rate: str
    cells: tuple[Cell, ...]
    counts: tuple[Count, ...]
    waited: Cell


@dataclass(frozen=True)
class FigureGroup:
    name: str
    rows: tuple[Row, ...]


def groups(findings: Findings, frame: pd.DataFrame, swatches: Mapping[str, str]) -> list[FigureGroup]:
    """Accept first, then in the order of the vocabulary; operations without rows are left out."""
    ordered = [ACCEPT, *(m for m in MEASURES if m != ACCEPT)]
    text, bounds = (shown(frame, column) for column in ("text", "bounds"))
    known = waits_known(frame)
    made = [(name, [s.storage for s, _ in findings.of(name)]) for name in ordered]
    return [
        FigureGroup(
            title(name),
            tuple(_row(s, text[name, s], bounds[name, s], known.get((name, s)), swatches) for s in selected),
        )
        for name, selected in made
        if selected
    ]


def title(measure: str) -> str:
    return _NAMES.get(measure, measure)


def _row(
    storage: str, text: Mapping[str, str], bounds: Mapping[str, str], known: str | None, swatches: Mapping[str, str]
) -> Row:
    cells = tuple(Cell(text[p], bounds[p]) for p in SHOWN)
    wrong = [Count(text[outcome], text[outcome] not in ("0", NONE)) for outcome in ("fail", "unknown")]
    counts = (*wrong, Count(text["refused"]))
    note = "" if known is None or text[LOCK_WAIT] == known else f"{known}\n{bounds[LOCK_WAIT]}".strip()
    return Row(storage, swatches[storage], text["n"], text["rate"], cells, counts, Cell(text[LOCK_WAIT], note))
