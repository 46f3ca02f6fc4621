"""Following a study: what is reported while it runs, and when it is decided."""

import json
import threading
import time

import pytest
from studies import NS, STAGES, Op, healthy_timeline, write_run

from reports.data.objective import Objective, Objectives
from reports.gate import command, watching
from reports.gate.inputs.reading import study_storages
from reports.gate.inputs.running import read_so_far
from reports.gate.judging.verdicts import Verdict
from reports.gate.watching import Watch

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.9)
OBJECTIVES = Objectives("slo.yaml", "0" * 64, (ACCEPT,))
LONG = [{**stage, "duration_s": 3000.0} if stage["judge"] else stage for stage in STAGES]


@pytest.fixture
def study(tmp_path):
    return tmp_path / "20260101T000000-tiny"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(watching, "INTERVAL_S", 0.05)
    monkeypatch.setattr(watching, "SILENT_S", 5.0)


def accepts(seconds, response_s=0.01, every_s=0.1, from_s=5.0):
    return [Op("chat.accept", from_s + n * every_s, response_s) for n in range(round(seconds / every_s))]


def run(study, *operations, name="01-sqlite", ended=True, planned=1):
    """A stage has a row in the timeline once it is over: while the run lasts, only its first stage has one."""
    manifest = {"planned": {"rounds": planned, "storages": ["sqlite"]}, "stages": LONG}
    timeline = healthy_timeline(LONG)[: None if ended else 1]
    samples = [(t * NS, "generator_runnable_ns", t * NS // 20) for t in range(700)]
    made = write_run(study, name, operations=operations, manifest=manifest, timeline=timeline, tables={"host": samples})
    if not ended:
        (made.path / "end.json").unlink()
    return made


def watched(study, objectives=OBJECTIVES):
    lines = []
    return Watch(study, lambda _: objectives, lines.append).follow(), lines


def test_blocks_of_a_running_run_are_those_whose_attempts_have_all_ended(study):
    """The last row ends at 19.9 s; with five seconds of time-out and one for writing, the block until 10 s is whole."""
    made = run(study, *accepts(15), ended=False)
    (so_far,) = [read_so_far(r, s, [ACCEPT]) for s, runs in study_storages(study).items() for r in runs]
    assert [block.begins_ns for block in so_far.blocks["accept"]] == [5 * NS]
    assert not so_far.ended
    whole = run(made.path.parent, *accepts(15), name="02-sqlite")
    assert len(read_so_far(whole, "sqlite", [ACCEPT]).blocks["accept"]) == 3


def test_run_that_has_not_begun_has_nothing(study):
    made = run(study, *accepts(1))
    (made.path / "manifest.json").unlink()
    assert read_so_far(made, "sqlite", [ACCEPT]) is None


def test_bad_run_fails_while_it_runs(study):
    run(study, *accepts(60, response_s=0.5), ended=False)
    conclusion, lines = watched(study)
    assert conclusion.verdict is Verdict.FAIL
    assert lines == [
        "accept on sqlite: fail after 15 s of judged time, at 0:20 of 01-sqlite: 0 of 150 good, target 90.000%"
    ]
    assert conclusion.sentences == (lines[0],)


def test_good_run_passes_only_when_every_planned_round_may_still_come(study):
    run(study, *accepts(600), ended=False, planned=3)
    conclusion, lines = watched(study)
    assert conclusion.verdict is Verdict.PASS
    assert "pass after" in lines[0]


def test_study_that_ended_undecided_is_unknown(study):
    run(study, *accepts(20))
    conclusion, lines = watched(study)
    assert conclusion == (Verdict.UNKNOWN, ())
    assert lines == [
        "accept on sqlite: unknown after 20 s of judged time, at 0:25 of 01-sqlite: 200 of 200 good, target 90.000%"
    ]


def test_study_in_which_nothing_is_written_any_more_has_ended(study, monkeypatch):
    monkeypatch.setattr(watching, "SILENT_S", -1.0)
    run(study, *accepts(20), ended=False)
    assert watched(study)[0].verdict is Verdict.UNKNOWN
    (study / "01-sqlite" / "manifest.json").unlink()
    assert watched(study)[1] == ["no run of 20260101T000000-tiny has begun"]


def test_failure_that_comes_later_is_seen_when_it_comes(study):
    run(study, *accepts(20), ended=False, planned=2)
    result = []
    thread = threading.Thread(target=lambda: result.append(watched(study)))
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    run(study, *accepts(300, response_s=0.5), name="02-sqlite")
    thread.join(20)
    assert result[0][0].verdict is Verdict.FAIL


def test_command_prints_and_exits_by_verdict_and_writes_nothing(study, capsys, tmp_path):
    run(study, *accepts(60, response_s=0.5), ended=False)
    before = sorted(path.name for path in study.iterdir())
    assert command.main(["--watch", str(study)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("FAIL so far: chat-accept on sqlite: fail after 15 s of judged time")
    assert sorted(path.name for path in study.iterdir()) == before


def test_command_refuses_a_comparison_and_a_study_that_is_not_there(study, capsys):
    assert command.main(["--watch", str(study)]) == 69
    run(study)
    assert command.main(["--watch", str(study), "--candidate", "sqlite", "--baseline", "redis"]) == 64
    assert "--watch judges objectives only" in capsys.readouterr().err


def test_damaged_run_is_refused_in_one_sentence(study, capsys):
    made = run(study, *accepts(20))
    (made.path / "manifest.json").write_text("{", encoding="utf-8")
    assert command.main(["--watch", str(study)]) in (2, 69)
    assert "Traceback" not in capsys.readouterr().err
    assert json.loads((made.path / "end.json").read_text())["reason"] == "completed"
