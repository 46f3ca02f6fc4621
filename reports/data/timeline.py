"""The timeline of a run: its stages as they happened, and actions and faults in the order in which they began."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from loadtests.records.files import UnreadableError
from loadtests.records.strictjson import parse_json
from reports.data.contract import RunStage, TimelineEvent


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


MOST_STAGES: Final = 127


def stages(
    rows: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any], end: Mapping[str, Any]
) -> tuple[RunStage, ...]:
    """`rows` are those of the timeline. A stage without a recorded end ended when the next began, when the load
    ended or, in a run that was cut off, as planned. Raises UnreadableError for inconsistent rows."""
    planned = {stage["name"]: stage for stage in manifest.get("stages") or ()}
    seen = [row for row in rows if row["kind"] == "stage"]
    if max(len(seen), len(planned)) > MOST_STAGES:
        raise UnreadableError(f"the run has more than {MOST_STAGES} stages, which is the most that are distinguished")
    if not seen:
        return tuple(_planned(stage) for stage in planned.values())
    nexts = [*(row["started_ns"] for row in seen[1:]), end.get("ended_ns")]
    return tuple(_happened(row, planned, following) for row, following in zip(seen, nexts, strict=True))


def _planned(stage: Mapping[str, Any]) -> RunStage:
    started = round(stage["starts_s"] * 1e9)
    return RunStage(stage["name"], started, started + round(stage["duration_s"] * 1e9), bool(stage["judge"]))


def _happened(row: Mapping[str, Any], planned: Mapping[str, Mapping[str, Any]], following: int | None) -> RunStage:
    plan = planned.get(row["subject"], {})
    expected = row["started_ns"] + round(plan.get("duration_s", 0) * 1e9)
    ended = next(ns for ns in (row["ended_ns"], following, expected) if ns is not None)
    return RunStage(row["subject"], row["started_ns"], ended, _is_judged(row, plan))


def _is_judged(row: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """As recorded in the timeline, else as planned."""
    detail = parse_json(row["detail"] or "{}", "the detail of a stage in timeline.arrows")
    marked = detail.get("judge", plan.get("judge", False)) if isinstance(detail, dict) else None
    if not isinstance(marked, bool):
        raise UnreadableError("the detail of a stage in timeline.arrows has no `judge` that is true or false")
    return marked
