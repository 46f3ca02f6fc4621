"""Actions and faults during a run, in the order in which they began."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtests.records.files import UnreadableError
from loadtests.records.strictjson import parse_json


@dataclass(frozen=True)
class TimelineEvent:
    """An action, or a fault. `number` is its position in its run, from 1: plots show it, and the table below
    explains it. Times in ns since the origin; `ended_ns` None: it still lasted when the run ended."""

    number: int
    kind: str
    subject: str
    words: str
    started_ns: int
    ended_ns: int | None
    result: str
    error: str = ""
    do: str = ""
    stage: str = ""
    pods: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.kind == "action" and self.result == "ok"

    def counted(self, name: str) -> int:
        """A number that the action returned; 0 when it returned none of that name."""
        count = self.found.get(name)
        return count if isinstance(count, int) and not isinstance(count, bool) else 0


def events(rows: Iterable[Mapping[str, Any]]) -> tuple[TimelineEvent, ...]:
    """The rows of a timeline except stages. Unreadable details are left out."""
    seen = sorted((row for row in rows if row["kind"] != "stage"), key=lambda row: int(row["started_ns"]))
    return tuple(_event(number, row) for number, row in enumerate(seen, 1))


def _event(number: int, row: Mapping[str, Any]) -> TimelineEvent:
    detail = detail_of(row["detail"])
    found = detail.get("found")
    return TimelineEvent(
        number,
        row["kind"],
        row["subject"],
        str(detail.get("words") or detail.get("detail") or detail.get("do") or row["subject"]),
        row["started_ns"],
        row["ended_ns"],
        row["result"],
        str(detail.get("error") or ""),
        str(detail.get("do") or ""),
        str(detail.get("stage") or ""),
        _names(detail.get("pods")),
        _names(detail.get("databases")),
        found if isinstance(found, Mapping) else {},
    )


def detail_of(text: str | None) -> Mapping[str, Any]:
    """A row's detail; empty when it is not a JSON object."""
    try:
        detail = parse_json(text or "{}", "detail")
    except UnreadableError:
        return {}
    return detail if isinstance(detail, dict) else {}


def _names(found: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in found) if isinstance(found, list) else ()
