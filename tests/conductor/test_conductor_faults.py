"""An error of ours in the conductor of a web UI: what its terminal and its page get of it."""

import json
import os
import sys

import pytest

from loadtests.conductor import __main__ as conductor


def test_text_of_an_exception_reaches_no_page_and_no_terminal_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("postgres://carol:hunter2@db \x1b[2J")

    reading, writing = os.pipe()
    monkeypatch.setattr(conductor, "_make", fail)
    monkeypatch.setattr(conductor, "secure", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["conductor", "--scenario", "smoke", f"--ready-fd={writing}"])
    with pytest.raises(SystemExit) as ended:
        conductor.main()
    with os.fdopen(reading, "rb") as reports:
        line = json.loads(reports.readline())
    assert (ended.value.code, line["exit_code"]) == (70, 70)
    assert line["refused"] == ["a fault of the harness: RuntimeError: its text is on the terminal"]
    shown = capsys.readouterr().err
    assert "RuntimeError: postgres://carol:***@db \\x1b[2J" in shown
    assert "hunter2" not in shown
    assert "\x1b" not in shown
