"""Starts of runs, with a conductor that is none: what they leave behind."""

import argparse
from types import SimpleNamespace
from typing import Any

import pytest
from locust.event import EventHook
from werkzeug.datastructures import MultiDict

from loadtests.generator.ownrun import OwnRun
from loadtests.generator.prepared import CannotRunError
from loadtests.webui.control import RunControl

OPTIONS = {"scenario": "smoke", "storage": "sqlite", "target": "", "runs_dir": "runs", "allow_commands": False}


class Conductor:
    """Accepts every run, or refuses them with a text."""

    def __init__(self, refusal: str = "") -> None:
        self.current, self.runs, self._refusal = None, [], refusal
        self.asked: list[argparse.Namespace] = []

    def start(self, options: argparse.Namespace) -> OwnRun:
        self.asked.append(options)
        if self._refusal:
            raise CannotRunError(64, self._refusal)
        run = OwnRun(options.scenario, options.storage, exit_code=0)
        run.over.set()
        return run

    def problems_of(self, options: argparse.Namespace) -> list[str]:
        self.asked.append(options)
        return [self._refusal] if self._refusal else []


def control_of(conductor: Conductor) -> tuple[RunControl, argparse.Namespace]:
    options = argparse.Namespace(**OPTIONS)
    events = SimpleNamespace(test_stopping=EventHook(), test_stop=EventHook())
    stats = SimpleNamespace(clear_all=lambda: None)
    runner = SimpleNamespace(shape_greenlet=None, worker_count=1, stats=stats, start_shape=lambda: None)
    environment = SimpleNamespace(parsed_options=options, events=events)
    side: Any = SimpleNamespace(run=None, last=None)
    return RunControl(environment, runner, side, conductor), options  # type: ignore[arg-type]


def test_start_uses_its_own_choice_and_else_the_command_line() -> None:
    conductor = Conductor()
    control, options = control_of(conductor)
    for sent in ({"scenario": "reconnect-storm", "storage": "redis"}, {"storage": "memory"}, {}):
        assert control.start(MultiDict(sent)).success
        assert vars(options) == OPTIONS
    assert [(asked.scenario, asked.storage) for asked in conductor.asked] == [
        ("reconnect-storm", "redis"), ("smoke", "memory"), ("smoke", "sqlite"),
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["target", "i_own", "runs_dir", "allow_commands", "label", "database", "storage2"])
def test_start_with_a_hidden_option_changes_no_option(field: str) -> None:
    conductor = Conductor()
    control, options = control_of(conductor)
    answer = control.start(MultiDict({"scenario": "smoke", field: "attacker.example"}))
    assert not answer.success
    assert vars(options) == OPTIONS
    assert all(vars(asked) == OPTIONS for asked in conductor.asked), "checked without it"


def test_file_that_is_not_offered_does_not_reach_the_conductor() -> None:
    conductor = Conductor()
    control, _ = control_of(conductor)
    assert not control.start(MultiDict({"scenario": "/etc/shadow", "storage": "memory"})).success
    assert [asked.scenario for asked in conductor.asked] == ["smoke"]
    assert control.choice["scenario"] == "smoke", "nor shown by the form"


def test_refusal_of_a_file_shows_nothing_of_the_file() -> None:
    refusal = "s.yaml:2: canary: got unknown key 'canary', expected one of name, stages\nno storage nothing"
    control, _ = control_of(Conductor(refusal))
    answer = control.start(MultiDict({"scenario": "smoke"}))
    assert answer.message == "s.yaml:2: expected one of name, stages\nno storage nothing"
    assert "canary" not in "".join(control.problems)
