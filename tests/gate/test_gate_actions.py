"""A run whose timeline actions were not carried out does not pass."""

import json
from typing import Any

import pytest
from studies import NS, SCENARIO, Op, healthy_timeline, write_run

from reports.gate.inputs.actions import undone_actions
from reports.gate.inputs.reading import read_evidence, study_storages
from reports.gate.slo.objectives import Objective

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.99)
VACUUM = {"words": "maintain: vacuum on chats"}


def action(result: str, started_s: int = 6, ended_s: int = 7, **detail: Any) -> dict[str, Any]:
    names = ("started_ns", "ended_ns", "kind", "subject", "result", "detail")
    values = (started_s * NS, ended_s * NS, "action", "chats", result, json.dumps({**VACUUM, **detail}))
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (action("ok"), ()),
        (action("failed", error="no such table"), ("maintain: vacuum on chats: no such table",)),
        (action("unfinished", error="the run ended before it"), ()),
        (
            action("unfinished", 9, 9, error="the run ended while it was queued"),
            ("maintain: vacuum on chats: the run ended while it was queued",),
        ),
    ],
)
def test_actions_that_failed_or_never_began_are_named(row, found):
    assert undone_actions([row], 1) == found


def test_actions_without_a_row_are_counted():
    assert undone_actions([action("ok")], 3) == ("2 of 3 actions have no row",)
    assert undone_actions([action("ok")], None) == ()


def test_actions_of_a_run_are_read_from_its_timeline(tmp_path):
    scenario = f"{SCENARIO}timeline:\n  - {{stage: steady, do: kill, pods: [pod-1], for: 1s}}\n"
    failed = action("failed", error="pod-1 does not start")
    rows = [*healthy_timeline(), tuple(failed.values())]
    write_run(tmp_path / "study", operations=[Op("chat.accept")], scenario=scenario, timeline=rows)
    (run,) = read_evidence(study_storages(tmp_path / "study"), (ACCEPT,)).runs
    assert run.undone_actions == ("maintain: vacuum on chats: pod-1 does not start",)
