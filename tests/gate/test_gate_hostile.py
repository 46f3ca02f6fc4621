"""The gate on a study from elsewhere: `unknown` with a reason (exit code 2) in bounded time, no pass and no crash."""

import json
import os
from xml.etree import ElementTree as ET

import pytest
from studies import SCENARIO, Op, ledger_check, write_run

from loadtests.scenario.finding import OBJECTIVES
from reports.gate.command import main

ACCEPTS = [Op("chat.accept", user=n) for n in range(300)]


def judged(study, capsys):
    """Exit code, and the reasons of the checks that did not pass."""
    code = main([str(study), "--objectives", str(OBJECTIVES)])
    document = json.loads((study / "verdict.json").read_text()) if code < 3 else {"checks": []}
    printed = capsys.readouterr()
    return code, [c["reason"] for c in document["checks"] if c["verdict"] != "pass"] + [printed.err]


def replace_by_fifo(path):
    path.unlink()
    os.mkfifo(path)


def replace_by_zeros(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("replace", [replace_by_fifo, replace_by_zeros])
@pytest.mark.parametrize("name", ["manifest.json", "end.json", "ledger.json", "operations-0.arrows", "ticks.arrows"])
def test_path_that_is_no_file_makes_its_run_unknown(tmp_path, capsys, name, replace):
    run = write_run(tmp_path / "study", operations=ACCEPTS)
    replace(run.path / name)
    code, reasons = judged(tmp_path / "study", capsys)
    assert code == 2
    assert any(f"01-sqlite/{name} is a " in reason for reason in reasons)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"end": {"reason": None}}, "end.json: reason: Input should be a valid string"),
        ({"end": {"operations": None}}, "end.json has no operations"),
        ({"end": {"operations": {"written": 300}}}, "end.json does not say how many operations were lost"),
        ({"end": {"ended_ns": 10**30}}, "end.json is no valid JSON: the number 1000000000000000000000000000000"),
        ({"end": {"generator": {"saturated": "no"}}}, "end.json: generator.saturated"),
        ({"manifest": {"format": None}}, "manifest.json: format"),
        ({"manifest": {"round": "1"}}, "manifest.json: round"),
        ({"ledger": {"checks": [{"check": "orphans", "verdict": "pass"}]}}, "checks[0]: count: Field required"),
        ({"ledger": {"checks": [{**ledger_check("orphans"), "count": 0.0}]}}, "ledger.json: checks[0]: count"),
        ({"ledger": {"checks": [ledger_check("lost", "pass", None)]}}, "calls a pass what it did not count"),
        ({"operations": [Op("chat.accept", user=2**31 - 1)]}, "column user: 2147483647 to 2147483647"),
        ({"operations": [Op("chat.accept", user=-1)]}, "column user: -1 to -1"),
        ({"operations": [Op("chat.accept", response_s=-2)]}, "ended before the moment for which it was planned"),
    ],
)  # fmt: skip
def test_impossible_values_make_the_run_unknown(tmp_path, capsys, given, message):
    write_run(tmp_path / "study", **{"operations": ACCEPTS, **given})
    code, reasons = judged(tmp_path / "study", capsys)
    assert code == 2
    assert any(message in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("arrivals_per_s: 5", "arrivals_per_s: 1000000"), "16,000,000 arrivals were planned, and 300 users are in"),
        (("duration: 10s", "duration: 24h"), "stages of 86,406 s were planned, and the load had ended after 16 s"),
    ],
)
def test_impossible_schedule_is_not_computed(tmp_path, capsys, change, message):
    operations = [Op("connection.create", user=n) for n in range(300)]
    write_run(tmp_path / "study", operations=operations, scenario=SCENARIO.replace(*change))
    code, reasons = judged(tmp_path / "study", capsys)
    assert code == 2
    assert any(message in reason for reason in reasons), reasons


def test_scenario_with_a_long_word_is_read_in_linear_time(tmp_path, capsys):
    """A quadratic search took a minute for each message that quotes it."""
    scenario = SCENARIO.replace("agent: {subscriptions: 1,", f"agent: {'x' * 60_000}\nother: {{subscriptions: 1,")
    write_run(tmp_path / "study", operations=ACCEPTS, scenario=scenario)
    assert judged(tmp_path / "study", capsys)[0] == 2


def test_start_in_the_year_one_is_no_crash(tmp_path):
    write_run(tmp_path / "study", operations=ACCEPTS, manifest={"started_at": "0001-01-01T00:00:00+14:00"})
    assert main([str(tmp_path / "study"), "--objectives", str(OBJECTIVES)]) == 2
    assert ET.fromstring((tmp_path / "study" / "verdict.xml").read_text()).tag == "testsuites"


def test_objectives_of_a_run_that_are_no_file_are_refused(tmp_path, capsys):
    run = write_run(tmp_path / "study", operations=ACCEPTS)
    os.mkfifo(run.path / "objectives.yaml")
    assert main([str(tmp_path / "study")]) == 64
    assert "01-sqlite/objectives.yaml is a FIFO" in capsys.readouterr().err


def test_study_with_too_many_runs_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("loadtests.records.rundirectory.MOST_RUNS", 1)
    for number in (1, 2):
        write_run(tmp_path / "study", f"0{number}-sqlite")
    assert judged(tmp_path / "study", capsys)[0] == 64


def test_storages_of_a_study_reach_the_terminal_cleaned(tmp_path, capsys):
    write_run(tmp_path / "study", manifest={"storage": None, "label": "\x1b[31m\u202e"})
    arguments = ["--objectives", str(OBJECTIVES), "--baseline", "x", "--candidate", "y"]
    assert main([str(tmp_path / "study"), *arguments]) == 64
    assert not {"\x1b", "\u202e"} & set(capsys.readouterr().err)
