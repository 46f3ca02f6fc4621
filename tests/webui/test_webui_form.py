"""What the start form may ask for."""

import argparse
from pathlib import Path

import pytest
from werkzeug.datastructures import MultiDict

from loadtests.scenario import ScenarioError
from loadtests.scenario.finding import find_scenario, read_scenario
from loadtests.webui.form import choice_of, problems_of, scenarios_of, without_content

TARGET = "ws://127.0.0.1:8080"


def options(target: str = "") -> argparse.Namespace:
    return argparse.Namespace(scenario="smoke", storage="sqlite", target=target, runs_dir="runs")


def test_fields_as_locust_sends_them_are_accepted() -> None:
    sent = {"user_count": "0", "spawn_rate": "0", "host": "", "run_time": "", "profile": ""}
    assert problems_of(MultiDict(sent | {"scenario": "smoke", "storage": "dual(postgres,redis)"}), "") == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("user_count", "50", "Number of users 50: the scenario decides; leave it at 0"),
        ("spawn_rate", "2.5", "Ramp up 2.5: the scenario decides; leave it at 0"),
        ("run_time", "3m", "Run time 3m: the scenario decides; leave it empty"),
        ("profile", "mine", "Profile mine: the scenario decides; leave it empty"),
        ("scenario", " ", "scenario: nothing is chosen"),
        ("runs_dir", "/", "runs_dir: not a field of this form; it has scenario and storage"),
        ("seed", "-1", "seed: not a field of this form; it has scenario and storage"),
        ("user_classes", "Agent", "user_classes: not a field of this form; it has scenario and storage"),
    ],
)
def test_field_that_would_be_ignored_is_refused(field: str, value: str, problem: str) -> None:
    assert problems_of(MultiDict({field: value}), "") == [problem]


@pytest.mark.parametrize(
    "named",
    [
        "mine.yaml", "./mine.yaml", "scenarios/mine.yaml", "../mine", "link", "own/../mine", "/dev/stdin",
        "/etc/passwd", "/proc/self/environ", "smoke.yaml", "objectives", "--help", "smoke\0", "SMOKE", "smoke,mine",
        "x" * 5000,
    ],
)  # fmt: skip
def test_scenario_that_is_not_offered_is_refused_and_not_opened(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "mine.yaml").write_text("token: canary-4711")
    (tmp_path / "scenarios" / "link.yaml").symlink_to("../mine.yaml")
    asked = options()
    (problem,) = problems_of(MultiDict({"scenario": named}), "", scenarios_of(asked))
    assert "not offered here, expected one of smoke, " in problem
    assert problem.isprintable()
    assert len(problem) < 1000
    assert choice_of(MultiDict({"scenario": named}), asked).scenario == asked.scenario


def test_named_scenarios_and_the_given_one_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "own.yaml").touch()
    asked = options()
    asked.scenario = str(tmp_path / "elsewhere.yaml")
    offered = scenarios_of(asked)
    assert offered[0] == asked.scenario
    assert {"own", "smoke", "agent-workday"} <= set(offered)
    for named in offered:
        assert problems_of(MultiDict({"scenario": named}), "", offered) == []
        assert choice_of(MultiDict({"scenario": named}), asked).scenario == named


def test_options_are_not_changed_by_a_choice() -> None:
    asked = options()
    before = dict(vars(asked))
    choice_of(MultiDict({"scenario": "agent-workday", "storage": "redis", "target": "ws://attacker.example"}), asked)
    assert vars(asked) == before


def test_host_is_refused_where_the_harness_starts_the_pod() -> None:
    (problem,) = problems_of(MultiDict({"host": TARGET}), "")
    assert problem.startswith(f"Host {TARGET}: ")
    assert f"--target {TARGET} --label NAME" in problem


def test_host_is_the_target_or_refused() -> None:
    assert problems_of(MultiDict({"host": TARGET}), TARGET) == []
    (problem,) = problems_of(MultiDict({"host": "ws://elsewhere"}), TARGET)
    assert f"this web UI loads {TARGET}" in problem


def test_storage_is_refused_beside_a_target() -> None:
    (problem,) = problems_of(MultiDict({"storage": "redis"}), TARGET)
    assert "has its own" in problem


def test_every_problem_is_reported_at_once() -> None:
    form = MultiDict([("user_count", "5"), ("host", "x"), ("storage", "a"), ("storage", "b")])
    assert len(problems_of(form, "")) == 3


def test_choice_changes_only_what_the_form_names() -> None:
    chosen = choice_of(MultiDict({"storage": " redis ", "runs_dir": "/"}), options())
    assert (chosen.scenario, chosen.storage, chosen.runs_dir) == ("smoke", "redis", "runs")
    assert choice_of(MultiDict({"storage": "redis"}), options(TARGET)).storage == "sqlite"


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (
            "/etc/shadow:2: root:$y$canary:19000: got unknown key 'root:$y$canary:19000', expected one of name, stages",
            "/etc/shadow:2: expected one of name, stages",
        ),
        (
            "/etc/passwd:1: got 'root:x:canary, expected x', expected a scenario: a mapping of keys to values",
            "/etc/passwd:1: expected a scenario: a mapping of keys to values",
        ),
        ("a b.yaml:7: stages[1].duration: got 5, expected text", "a b.yaml:7: expected text"),
        ("scenario: got 'no-such', expected a path", "scenario: got 'no-such', expected a path"),
        ("nothing answers at 127.0.0.1:1: start the pod", "nothing answers at 127.0.0.1:1: start the pod"),
    ],
)
def test_problem_of_a_file_shows_nothing_of_the_file(problem: str, shown: str) -> None:
    assert without_content(problem) == shown


def test_no_problem_of_any_file_shows_a_line_of_it(tmp_path: Path) -> None:
    lines = [
        "root:$y$canary:19000::::::",
        '"canary\\ncanary": [canary]',
        "password: canary",
        "- canary",
        "&canary x: *canary",
    ]
    for number, text in enumerate([*lines, "\n".join(lines[:3]), "canary", "name: [canary", "%canary", "{canary: 1}"]):
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"{text}\n")
        with pytest.raises(ScenarioError) as refused:
            read_scenario(find_scenario(path))[0]
        for problem in str(refused.value).splitlines():
            assert "canary" not in without_content(problem), problem
