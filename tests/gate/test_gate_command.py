"""The command: exit codes, outputs, and messages about bad input."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from studies import NS, SCENARIO, Op, healthy_ticks, ledger_check, write_run

from loadtests.scenario.finding import OBJECTIVES
from reports.gate import command
from reports.gate.command import main

JUDGED = ("connection.create", "subscription.create", "chat.accept")

OBJECTIVE = """\
---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: pod
  budgetingMethod: Occurrences
  objectives: [{{target: 0.99}}]
  indicator:
    metadata: {{name: {name}-in-time}}
    spec:
      ratioMetric:
        good: {{metricSource: {{type: loadtests, spec: {{operation: {operation}, within: 300ms}}}}}}
        total: {{metricSource: {{type: loadtests, spec: {{operation: {operation}}}}}}}
"""


@pytest.fixture
def objectives(tmp_path):
    path = tmp_path / "objectives.yaml"
    path.write_text("".join(OBJECTIVE.format(name=o.replace(".", "-"), operation=o) for o in JUDGED))
    return path


@pytest.fixture
def study(tmp_path, objectives):
    return tmp_path / "20260101T000000-tiny"


def attempts(good=400, bad=0, operations=JUDGED):
    """The bad ones are spread evenly: neighbours that are bad together are worth fewer attempts."""
    wrong = {"outcome": "unknown", "error": "timeout", "response_s": 5.0}
    n = good + bad
    places = {round(i * n / bad) for i in range(bad)}
    return [Op(o, 6 + 4 * i / n, **(wrong if i in places else {})) for o in operations for i in range(n)]


def gate(study, *more):
    return main([str(study), "--objectives", str(study.parent / "objectives.yaml"), *more])


def verdict(study):
    return json.loads((study / "verdict.json").read_text())


def test_pass(study, capsys):
    write_run(study, operations=attempts(), workers=2)
    assert gate(study) == 0
    assert capsys.readouterr().out.startswith("# PASS: 20260101T000000-tiny\n")
    assert verdict(study)["overall"] == "pass"


def test_fail(study):
    write_run(study, operations=attempts(bad=50))
    assert gate(study) == 1
    assert verdict(study)["overall"] == "fail"


@pytest.mark.parametrize(
    "changes",
    [
        {"operations": []},
        {"operations": None},
        {"operations": attempts(good=100)},
        {"end": None},
        {"end": {"reason": "pod_died"}},
        {"end": {"observer": None}},
        {"end": {"observer": {"blind_s": 5.0, "reason": "x"}}},
        {"end": {"generator": {"saturated": True, "workers": []}}},
        {"end": {"generator": {"saturated": None, "workers": []}}},
        {"end": {"operations": {"begun": 9, "written": 1200, "in_flight": 0, "lost": 1, "lost_at_most": 1}}},
        {"end": {"operations": {"begun": 9, "written": 1200, "in_flight": 0, "lost": None, "lost_at_most": 5}}},
        {"ledger": None},
        {"ledger": {"format": 1, "checks": [ledger_check("orphans", "unknown", None, "not ours")]}},
    ],
)
def test_unknown(study, changes):
    write_run(study, **{"operations": attempts(), **changes})
    assert gate(study) == 2
    assert verdict(study)["overall"] == "unknown"


def test_an_empty_study_is_unknown(study):
    study.mkdir()
    assert gate(study) == 2
    assert verdict(study)["checks"][0]["reason"] == "the study holds no run"


def test_orphans_fail(study):
    write_run(study, operations=attempts(), ledger={"format": 1, "checks": [ledger_check("orphans", "fail", 2)]})
    assert gate(study) == 1


def test_candidate_and_baseline(study, capsys):
    write_run(study, "01-sqlite", operations=attempts(bad=50))
    write_run(study, "02-postgres-optimistic", operations=attempts())
    assert gate(study) == 1
    assert gate(study, "--baseline", "sqlite", "--candidate", "postgres:optimistic") == 0
    assert "The candidate postgres:optimistic decides; sqlite is the baseline." in capsys.readouterr().out
    document = verdict(study)
    assert document["comparison"] == {"baseline": "sqlite", "candidate": "postgres:optimistic"}
    assert document["storages"] == {"sqlite": "fail", "postgres:optimistic": "pass"}
    assert gate(study, "--baseline", "postgres:optimistic", "--candidate", "sqlite") == 1


def test_different_durability_is_refused(study):
    weak = {"name": "memory", "version": "1", "settings": {}, "promises": {"commit_survives": "nothing"}}
    write_run(study, "01-sqlite", operations=attempts())
    write_run(study, "02-memory", operations=attempts(), manifest={"engine": {**weak}})
    assert gate(study) == 2
    (check,) = [c for c in verdict(study)["checks"] if c["check"] == "durability"]
    assert check["verdict"] == "unknown"
    assert "sqlite power_loss, memory nothing" in check["reason"]


def test_the_format_of_verdict_json(study):
    write_run(study, operations=attempts())
    gate(study)
    document = verdict(study)
    assert list(document) == ["format", "study", "objectives", "overall", "storages", "comparison", "checks"]
    assert document["format"] == 1
    assert len(document["objectives"]["sha256"]) == 64
    (check,) = [c for c in document["checks"] if c["check"] == "objective: chat-accept"]
    assert (check["storage"], check["round"], check["verdict"], check["observed"]) == ("sqlite", None, "pass", 1.0)
    assert (check["limit"], check["unit"], check["n"]) == (0.99, "share of chat.accept within 300 ms", 400)
    assert check["interval"] == [pytest.approx(0.99253, abs=1e-4), 1.0]
    assert check["rounds"][0]["run"] == "01-sqlite"


def test_an_earlier_verdict_is_replaced_and_nothing_else_is_left(study):
    write_run(study, operations=attempts())
    (study / "verdict.json").write_text('{"overall": "fail"}')
    assert gate(study) == 0
    assert verdict(study)["overall"] == "pass"
    assert sorted(p.name for p in study.iterdir()) == ["01-sqlite", "verdict.json", "verdict.xml"]


def test_link_at_a_predictable_name_is_not_written_through(study, tmp_path):
    """A link that another user can create in a study in a shared writable directory."""
    write_run(study, operations=attempts(), workers=2)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    places = [f"{dot}{name}{end}" for name in ("verdict.json", "verdict.xml")
              for dot, end in ((".", f".{os.getpid()}"), (".", ".draft"), ("", ".tmp"), ("", ""))]  # fmt: skip
    for place in places:
        (study / place).symlink_to(victim)
    assert gate(study) == 0
    assert victim.read_text() == "precious"
    assert json.loads((study / "verdict.json").read_text())["overall"] == "pass"
    assert {name: (study / name).stat().st_mode & 0o777 for name in ("verdict.json", "verdict.xml")} == {
        "verdict.json": 0o600,
        "verdict.xml": 0o600,
    }


def test_unknown_readers_are_bad_input(study, monkeypatch, capsys):
    write_run(study, operations=attempts(), workers=2)
    monkeypatch.setenv("LOADTESTS_READERS", "world")
    assert gate(study) == 64
    assert "LOADTESTS_READERS='world': expected one of owner, group, all" in capsys.readouterr().err
    assert not (study / "verdict.json").exists()


def test_bad_input_leaves_no_earlier_verdict_behind(study, tmp_path):
    write_run(study, operations=attempts())
    assert gate(study) == 0
    assert command.main([str(study), "--objectives", str(tmp_path / "nowhere.yaml")]) == 64
    assert [p.name for p in study.iterdir()] == ["01-sqlite"]


def test_a_crash_leaves_no_earlier_verdict_behind(study, monkeypatch, capsys):
    def crash(*_):
        raise MemoryError("too much")

    write_run(study, operations=attempts())
    assert gate(study) == 0
    monkeypatch.setattr(command, "judge", crash)
    assert gate(study) == 70
    assert "a fault of the harness: MemoryError: too much" in capsys.readouterr().err
    assert not (study / "verdict.json").exists()


@pytest.mark.parametrize("change", ["a row more", "a run more", "a run less"])
def test_study_that_changes_while_it_is_judged_has_no_verdict(study, monkeypatch, capsys, change):
    run = write_run(study, operations=attempts())
    read = command.read_evidence

    def read_and_change(*arguments):
        found = read(*arguments)
        if change == "a row more":
            with run.table_path("operations", "0").open("ab") as table:
                table.write(b"x")
        elif change == "a run more":
            write_run(study, "02-sqlite")
        else:
            run.path.rename(study / "elsewhere")
        return found

    monkeypatch.setattr(command, "read_evidence", read_and_change)
    assert gate(study) == 69
    name = "02-sqlite" if change == "a run more" else "01-sqlite"
    assert f"{name} changed while the study was judged" in capsys.readouterr().err
    assert not (study / "verdict.json").exists()


def blind(begins_s, ends_s):
    return [tick for tick in healthy_ticks() if not begins_s * NS <= tick[1] < ends_s * NS]


def test_suspended_observer_leaves_a_fail(study):
    """As in a replayed outage whose observer was stopped for a tenth of the judged time."""
    write_run(study, operations=attempts(bad=50), tables={"ticks": blind(6, 7.5)})
    assert gate(study) == 1
    (observer,) = [c for c in verdict(study)["checks"] if c["check"] == "observer"]
    assert (observer["verdict"], observer["bias"]) == ("unknown", "missing")
    assert observer["observed"] == pytest.approx(1.5, abs=0.11)


def test_suspended_observer_prevents_a_pass(study):
    write_run(study, operations=attempts(), tables={"ticks": blind(6, 7.5)})
    assert gate(study) == 2


def test_junit(study):
    write_run(study, "01-sqlite", operations=attempts(bad=50))
    write_run(study, "02-memory", operations=attempts(), end={"generator": {"saturated": True, "workers": []}})
    gate(study)
    root = ET.parse(study / "verdict.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"study", "sqlite", "memory"}
    assert int(suites["sqlite"].get("failures")) == len(suites["sqlite"].findall("testcase/failure")) == 3
    assert int(suites["memory"].get("errors")) == len(suites["memory"].findall("testcase/error")) == 4
    assert int(root.get("tests")) == len(root.findall("testsuite/testcase"))
    assert "the upper bound lies below the target" in suites["sqlite"].find("testcase/failure").get("message")


HOSTILE = 'x|y</td><script>alert(1)</script> `*[a](b)\n# "&\x1b[31m\x00'


def test_hostile_names_are_escaped_everywhere(study, capsys):
    write_run(
        study,
        operations=attempts(),
        manifest={"storage": HOSTILE},
        ledger={"format": 1, "checks": [ledger_check(HOSTILE, "fail", 1, HOSTILE)]},
        end={"reason": "internal", "detail": HOSTILE},
    )
    assert gate(study) == 1
    out = capsys.readouterr().out
    assert "<script>" not in out and "\x1b" not in out and "\x00" not in out
    assert all(line.count("|") - line.count("\\|") in (0, 6, 9) for line in out.splitlines())
    assert "\n# &quot;" not in out and '\n# "' not in out
    root = ET.parse(study / "verdict.xml").getroot()
    assert any("<script>" in (case.get("name") or "") for case in root.iter("testcase"))


def bad_input(capsys, *arguments):
    code = main([str(a) for a in arguments])
    return code, capsys.readouterr().err


def test_objectives_are_checked_before_anything_else(study, tmp_path, capsys):
    wrong = tmp_path / "o.yaml"
    wrong.write_text("apiVersion: openslo/v1\nkind: SLA\n")
    code, text = bad_input(capsys, study, "--objectives", wrong)
    assert code == 64
    assert f"{wrong}:2: kind: got 'SLA', expected one of SLO, SLI, Service, " in text
    assert "did you mean SLO?" in text


def test_missing_objectives(study, tmp_path, capsys):
    code, text = bad_input(capsys, study, "--objectives", tmp_path / "none.yaml")
    assert (code, "none.yaml:1: got no such file or directory" in text) == (64, True)


def test_a_missing_study(study, objectives, capsys):
    code, text = bad_input(capsys, study, "--objectives", objectives)
    assert (code, text) == (69, f"{study}: no such study; expected a directory of runs\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--baseline", "sqlite"], "expected --baseline and --candidate together"),
        (["--candidate", "sqlite"], "expected --baseline and --candidate together"),
        (["--baseline", "sqlite", "--candidate", "sqlite"], "two different storage systems"),
        (
            ["--baseline", "sqlite", "--candidate", "postgers"],
            "--candidate: got 'postgers', expected one of the study's: sqlite, postgres; did you mean postgres?",
        ),
    ],
)
def test_bad_arguments(study, objectives, capsys, arguments, text):
    write_run(study, "01-sqlite")
    write_run(study, "02-postgres")
    code, message = bad_input(capsys, study, "--objectives", objectives, *arguments)
    assert (code, text in message) == (64, True)
    assert not (study / "verdict.json").exists()


def test_unknown_option_is_bad_input(study, objectives, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(study), "--objectives", str(objectives), "--base", "sqlite"])
    assert ended.value.code == 64
    assert "unrecognized arguments: --base sqlite" in capsys.readouterr().err


def test_a_study_that_cannot_be_written(study, objectives, capsys):
    write_run(study)
    (study / "verdict.json").mkdir()
    code, text = bad_input(capsys, study, "--objectives", objectives)
    assert (code, "verdict.json: cannot be written" in text) == (69, True)


def test_single_storage_has_no_candidate(study, objectives, capsys):
    write_run(study, "01-sqlite")
    code, text = bad_input(capsys, study, "--objectives", objectives, "--baseline", "sqlite", "--candidate", "redis")
    assert (code, text) == (64, "--candidate: got 'redis', expected one of the study's: sqlite\n")


def test_verdict_that_cannot_be_written_whole_is_not_written(study, objectives, monkeypatch, capsys):
    write_run(study, operations=attempts())
    replace_file = command.replace_text

    def full(path, text):
        if text and path.suffix == ".xml":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace_file(path, text)

    monkeypatch.setattr(command, "replace_text", full)
    code, text = bad_input(capsys, study, "--objectives", objectives)
    assert (code, text) == (69, f"{study / 'verdict.xml'}: cannot be written: No space left on device\n")
    assert not (study / "verdict.json").exists()


def test_study_whose_name_is_not_utf8(tmp_path, objectives):
    study = Path(os.fsdecode(os.fsencode(tmp_path) + b"/study-\xff"))
    write_run(study, operations=attempts())
    assert main([str(study), "--objectives", str(objectives)]) == 0
    assert verdict(study)["overall"] == "pass"
    assert ET.parse(study / "verdict.xml").getroot().get("failures") == "0"


def test_the_installed_command_imports_no_plots_and_no_load(study, objectives):
    write_run(study, operations=attempts())
    script = (
        "import sys; from reports.gate.command import main; code = main(sys.argv[1:]); "
        "foreign = {'matplotlib', 'locust', 'gevent', 'asyncpg', 'apsw'} & {m.split('.')[0] for m in sys.modules}; "
        "print(*foreign, file=sys.stderr); sys.exit(code)"
    )
    arguments = [sys.executable, "-c", script, str(study), "--objectives", str(objectives)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def with_objectives(study, text, *runs):
    for run in runs:
        (study / run / "objectives.yaml").write_text(text)


def test_without_objectives_those_of_the_scenario_judge(study, objectives):
    for name in ("01-sqlite", "02-sqlite"):
        write_run(study, name, operations=attempts())
    with_objectives(study, objectives.read_text(), "01-sqlite", "02-sqlite")
    assert main([str(study)]) == 0
    assert verdict(study)["objectives"]["file"] == "01-sqlite/objectives.yaml"
    assert {c["check"] for c in verdict(study)["checks"]} >= {"objective: chat-accept", "objective: connection-create"}


def test_without_objectives_anywhere_the_shipped_ones_judge(study):
    write_run(study, operations=attempts(), scenario=SCENARIO)
    assert main([str(study)]) in (0, 2)
    named = verdict(study)["objectives"]
    assert named["file"] == "objectives.yaml (shipped)"
    assert named["sha256"] == hashlib.sha256(OBJECTIVES.read_bytes()).hexdigest()


def test_given_objectives_go_before_those_of_the_scenario(study, objectives):
    write_run(study, operations=attempts())
    with_objectives(study, "not OpenSLO", "01-sqlite")
    assert gate(study) == 0
    assert verdict(study)["objectives"]["file"] == str(objectives)


def test_wrong_objectives_of_the_scenario_have_their_place(study, capsys):
    write_run(study, operations=attempts())
    with_objectives(study, "kind: Nothing\n", "01-sqlite")
    assert main([str(study)]) == 64
    assert "01-sqlite/objectives.yaml:1: " in capsys.readouterr().err


def test_runs_with_different_objectives_are_refused(study, objectives, capsys):
    for name in ("01-sqlite", "02-sqlite"):
        write_run(study, name, operations=attempts())
    with_objectives(study, objectives.read_text(), "02-sqlite")
    assert main([str(study)]) == 64
    digest = hashlib.sha256(objectives.read_bytes()).hexdigest()[:8]
    text = f"the runs were made with different objectives (01-sqlite: none, 02-sqlite: sha256 {digest})"
    assert capsys.readouterr().err.strip() == f"{text}; give --objectives FILE"
    assert gate(study) == 0


def test_a_run_of_an_older_version_needs_its_objectives(study, capsys):
    write_run(study, operations=attempts(), scenario=f"objectives: mine.yaml\n{SCENARIO}")
    assert main([str(study)]) == 64
    assert "the scenario of 01-sqlite names mine.yaml, which is not in the run" in capsys.readouterr().err


def test_empty_study_is_not_the_working_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([""])
    assert ended.value.code == 64
    assert "is a variable not set?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
