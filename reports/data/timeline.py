"""Actions and faults during a run, in the order in which they began."""

from collections.abc import Iterable, Mapping
from typing import Any

from loadtests.records.files import UnreadableError
from loadtests.records.strictjson import parse_json
from reports.data.contract import TimelineEvent


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
