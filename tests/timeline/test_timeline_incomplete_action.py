"""A line of the table of actions without a complete class is refused by name, before anything starts."""

import sys
from types import ModuleType
from typing import Literal

import pytest

from loadtests.commandline import EX_USAGE, exit_code_of
from loadtests.parts import IncompleteError
from loadtests.timeline.actions.contract import TimelineAction
from loadtests.timeline.actions.table import ACTIONS, action_class

PACKAGE = "loadtests.timeline.actions"


class NoAction:
    """Not derived from the contract."""


class OtherName(TimelineAction):
    do: Literal["freze"]


class NoName(TimelineAction):
    """No field `do`."""


class NoWords(TimelineAction):
    do: Literal["freeze"]


class NoPerform(NoWords):
    words = property(lambda self: "frozen")


class Complete(NoPerform):
    async def perform(self, context):
        return {}


def test_every_action_is_complete() -> None:
    for do in ACTIONS:
        assert issubclass(action_class(do), TimelineAction)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("gone:Freeze", f"there is no module {PACKAGE}.gone"),
        ("outages:Freeze", f"{PACKAGE}.outages has no Freeze"),
    ],
)
def test_class_that_is_not_there_is_named_with_its_place(monkeypatch, line: str, why: str) -> None:
    monkeypatch.setitem(ACTIONS, "freeze", line)
    with pytest.raises(IncompleteError) as caught:
        action_class("freeze")
    correct = "correct its line in loadtests/timeline/actions/table.py"
    assert str(caught.value) == f"action freeze lacks its class, {PACKAGE}.{line} ({why}): {correct}"


@pytest.mark.parametrize(
    ("found", "lacking"),
    [
        (NoAction, "the base class TimelineAction"),
        (OtherName, "its name, a field do: Literal['freeze']"),
        (NoName, "its name, a field do: Literal['freeze']"),
        (NoWords, "its words"),
        (NoPerform, "its perform"),
    ],
)
def test_part_that_an_action_must_have_is_named(monkeypatch, found: type, lacking: str) -> None:
    _add(monkeypatch, found)
    with pytest.raises(IncompleteError) as caught:
        action_class("freeze")
    assert str(caught.value) == f"action freeze lacks {lacking}: complete {PACKAGE}.toy:Freeze"


def test_complete_action_is_found(monkeypatch) -> None:
    _add(monkeypatch, Complete)
    assert action_class("freeze") is Complete


def test_commands_end_with_one_sentence(monkeypatch, capsys) -> None:
    _add(monkeypatch, NoWords)
    assert exit_code_of("loadtests", lambda: len(action_class("freeze").__name__)) == EX_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"loadtests: action freeze lacks its words: complete {PACKAGE}.toy:Freeze"


def _add(monkeypatch, found: type) -> None:
    """Adds a class to the table as the action `freeze`, in a module without a file."""
    module = ModuleType(f"{PACKAGE}.toy")
    module.Freeze = found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(ACTIONS, "freeze", "toy:Freeze")
