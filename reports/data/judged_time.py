"""Stages of a run as they happened, judged time as windows, and how much of it an observer covered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from loadtests.records.files import UnreadableError
from loadtests.records.probe_coverage import Tick, blind_windows
from loadtests.records.strictjson import parse_json
from reports.data.arrays import Ints, Mask
from reports.data.contract import RunStage, Window, merged

MOST_STAGES: Final = 127


def inside(times: Ints, windows: Sequence[Window]) -> Mask:
    """Which of the times lie in any of the windows."""
    hit = np.zeros(len(times), dtype=np.bool_)
    for begin, end in windows:
        hit |= (times >= begin) & (times < end)
    return hit


def touching(starts: Ints, ends: Ints, windows: Sequence[Window]) -> Mask:
    """Which of the spans have any time in any of the windows."""
    hit = np.zeros(len(starts), dtype=np.bool_)
    for begin, end in windows:
        hit |= (starts < end) & (ends > begin)
    return hit


def blind_times(probes: Iterable[Sequence[Tick]], begins_ns: int, ends_ns: int) -> list[tuple[Window, ...]]:
    """For the ticks of each probe: the windows between the two moments that it did not cover."""
    return [merged(blind_windows(ticks, begins_ns, ends_ns)) for ticks in probes]


def overlap_ns(a: Sequence[Window], b: Sequence[Window]) -> int:
    """How long both last at once; each list is merged already."""
    total = x = y = 0
    while x < len(a) and y < len(b):
        total += max(0, min(a[x][1], b[y][1]) - max(a[x][0], b[y][0]))
        if a[x][1] <= b[y][1]:
            x += 1
        else:
            y += 1
    return total


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
