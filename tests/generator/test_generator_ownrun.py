"""A conductor that cannot be started is a run that did not begin, and the next one can."""

from argparse import Namespace

import pytest

from loadtests.generator.ownrun import OwnConductor, OwnRun
from loadtests.generator.prepared import CannotRunError


def options(scenario: str = "smoke") -> Namespace:
    names = ("runs_dir", "target", "label", "i_own", "database", "protocol")
    return Namespace(scenario=scenario, storage="sqlite", allow_commands=False, **dict.fromkeys(names, ""))


@pytest.fixture
def conductor() -> OwnConductor:
    return OwnConductor(options(), gone=lambda: None)


def test_argument_that_no_process_can_have_is_refused(conductor: OwnConductor) -> None:
    with pytest.raises(CannotRunError, match="the conductor does not start: embedded null byte") as refused:
        conductor.start(options("smo\0ke"))
    assert refused.value.code == 70
    assert conductor.current is None


def test_system_error_of_the_start_is_the_reason(conductor: OwnConductor, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("loadtests.generator.ownrun.subprocess.Popen", no_memory)
    with pytest.raises(CannotRunError, match=r"the conductor does not start: .* Cannot allocate memory"):
        conductor.start(options())
    assert conductor.current is None


def test_end_without_a_word_has_an_explanation() -> None:
    run = OwnRun("smoke", "sqlite")
    run.settle(-9, "\n")
    assert run.explanation == "the conductor was killed by signal 9"
