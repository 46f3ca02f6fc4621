"""The table of figures: by operation and storage."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.records.vocabulary import OPERATIONS
from reports.findings import Findings, Measure, StorageFindings
from reports.gather import FROM_CAUSE, FROM_STAMP, MEASURES
from reports.headline import ACCEPT
from reports.wording import NONE, digits, interval, value

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
class Group:
    name: str
    rows: tuple[Row, ...]


def groups(findings: Findings, swatches: Mapping[str, str]) -> list[Group]:
    """Accept first, then in the order of the vocabulary; an operation that nobody did is left out."""
    ordered = [ACCEPT, *(m for m in MEASURES if m != ACCEPT)]
    made = [(name, findings.of(name)) for name in ordered]
    return [
        Group(title(name), tuple(_row(s, m, swatches[s.storage]) for s, m in pairs)) for name, pairs in made if pairs
    ]


def title(measure: str) -> str:
    return _NAMES.get(measure, measure)


def _row(storage: StorageFindings, measure: Measure, swatch: str) -> Row:
    cells = tuple(Cell(value(measure.response[p]), interval(measure.response[p])) for p in SHOWN)
    failed, unknown, refused = (measure.outcomes[o] for o in ("fail", "unknown", "refused"))
    counts = (Count(f"{failed:,}", failed > 0), Count(f"{unknown:,}", unknown > 0), Count(f"{refused:,}"))
    rate = NONE if measure.rate_per_s is None else digits(measure.rate_per_s)
    return Row(storage.storage, swatch, f"{measure.n:,}", rate, cells, counts, _waited(storage, measure.name))


def _waited(storage: StorageFindings, operation: str) -> Cell:
    if operation not in OPERATIONS or operation in (FROM_CAUSE, "chat.answer"):
        return Cell(NONE)
    seconds = storage.lock_wait_per_1000_s(operation)
    if seconds is None:
        return Cell("unknown")
    bounds = storage.lock_wait_interval_s(operation)
    between = f"\n{digits(bounds[0])} … {digits(bounds[1])}" if bounds else ""
    return Cell(digits(seconds) if seconds else "0", f"{storage.waits.known}{between}")
