"""A run's stages as they happened, with complete and with missing rows."""

import json

import pytest

from reports.data.contract import RunStage, judged
from reports.data.timeline import stages

S = 1_000_000_000


def stage_row(name, started_ns, ended_ns, judge=True):
    return {"kind": "stage", "subject": name, "started_ns": started_ns, "ended_ns": ended_ns,
            "detail": json.dumps({"judge": judge})}  # fmt: skip


PLAN = {
    "stages": [
        {"name": "warm-up", "starts_s": 0, "duration_s": 2, "judge": False},
        {"name": "steady", "starts_s": 2, "duration_s": 5, "judge": True},
    ]
}


def test_without_a_timeline_the_plan_is_what_happened():
    assert stages([], PLAN, {}) == (RunStage("warm-up", 0, 2 * S, False), RunStage("steady", 2 * S, 7 * S, True))
    assert judged(stages([], PLAN, {})) == ((2 * S, 7 * S),)


@pytest.mark.parametrize(
    ("seen_ns", "load_ended_ns", "ended_ns"), [(6 * S, 9 * S, 6 * S), (None, 4 * S, 4 * S), (None, None, 8 * S)]
)
def test_stage_ends_as_recorded_with_the_load_or_as_planned(seen_ns, load_ended_ns, ended_ns):
    end = {} if load_ended_ns is None else {"ended_ns": load_ended_ns}
    (only,) = stages([stage_row("steady", 3 * S, seen_ns)], PLAN, end)
    assert only == RunStage("steady", 3 * S, ended_ns, True)


def test_unrecorded_stage_end_is_the_next_stage_start():
    rows = [stage_row("warm-up", 0, None, judge=False), {"kind": "fault"}, stage_row("steady", 3 * S, 5 * S)]
    first, second = stages(rows, PLAN, {"ended_ns": 9 * S})
    assert (first.ended_ns, second.started_ns) == (3 * S, 3 * S)
    assert judged((first, second)) == ((3 * S, 5 * S),)
