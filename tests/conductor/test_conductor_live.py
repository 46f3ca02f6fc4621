import contextlib
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.conductor.progress import PlainProgress, TerminalProgress, figures, progress_for
from loadtests.conductor.run.live import LoadState
from loadtests.standardstreams import stream_on


def load_after(*lines: bytes) -> LoadState:
    load = LoadState()
    for line in lines:
        load.take(line)
    return load


def test_the_last_word_of_a_worker_counts():
    load = load_after(
        b'{"event":"worker","worker":0,"state":"joined","begun":1,"written":0}',
        b'{"event":"worker","worker":0,"state":"joined","begun":9,"written":4}',
        b'{"event":"worker","worker":0,"state":"lost","begun":9,"written":4}',
    )
    assert (load.workers["0"].begun, load.workers["0"].lost) == (9, True)


def test_http_statuses_stand_beside_the_failures():
    assert figures({"failures": 40})["failures"] == "40"
    reported_statuses = {"failures": 40, "http_statuses": {"503": 36, "429": 2}}
    assert figures(reported_statuses)["failures"] == "40 (HTTP 429: 2, HTTP 503: 36)"


def test_a_worker_that_did_not_end_in_time_is_not_drained():
    load = load_after(
        b'{"event":"drained","workers":[{"worker":0,"begun":5,"written":3,"in_flight":null,"error":"late"}]}'
    )
    assert load.drained
    assert not load.workers["0"].drained
    assert load.errors == ["late"]


def test_where_remote_workers_are_goes_to_the_manifest():
    load = load_after(
        b'{"event":"worker","worker":1,"state":"joined","remote":true,"node":"b","offset_ns":5,"error_ns":2}',
        b'{"event":"worker","worker":1,"state":"joined","begun":3}',
    )
    assert load.workers["1"].remote == {"worker": "1", "host": "b", "offset_ns": 5, "error_ns": 2}


@given(st.binary(max_size=60))
def test_garbage_is_not_an_event(line):
    assert LoadState().take(line) is None


def test_plain_progress_prints_every_stage_and_not_every_tick():
    out = io.StringIO()
    progress = PlainProgress(out)
    progress.run(2, 6, "sqlite")
    progress.stage({"name": "steady", "agents": 60, "arrivals_per_s": 30.0})
    for _ in range(5):
        progress.tick({"stage": "steady", "users": 61})
    progress.tick({"stage": "", "users": 0})
    assert out.getvalue().splitlines() == ["[2/6 sqlite] stage steady: 60 agents, 30 customers/s"]


def test_figures_that_are_not_known_are_dashes():
    assert figures({"accept_p99_ms": None})["accept p99"] == "-"
    assert figures({"accept_p99_ms": 12.34, "left_s": -1})["accept p99"] == "12.3 ms"


def _all_of(terminal: int) -> str:
    """What was written to a terminal that is closed at its other end, in however many pieces it comes."""
    drawn = b""
    with contextlib.suppress(OSError):  # the error of a terminal that was closed
        while piece := os.read(terminal, 65536):
            drawn += piece
    os.close(terminal)
    return drawn.decode()


def test_on_a_terminal_standard_output_stays_the_callers_own(capsys):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        progress = progress_for(terminal)
        assert isinstance(progress, TerminalProgress)
        progress.run(1, 2, "sqlite")
        progress.tick({"stage": "steady", "users": 61, "accept_p99_ms": 7.5})
        print("runs/study")
        progress.close()
    drawn = _all_of(ours)
    assert capsys.readouterr().out == "runs/study\n"
    assert "run 1 of 2: sqlite" in drawn
    assert "7.5 ms" in drawn


def test_terminal_without_cursor_movement_has_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        progress = progress_for(terminal)
        progress.run(1, 2, "sqlite")
        progress.stage({"name": "steady", "agents": 60, "arrivals_per_s": 30.0})
        progress.close()
    assert _all_of(ours) == "[1/2 sqlite] stage steady: 60 agents, 30 customers/s\r\n"


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_reader_that_has_gone_ends_no_run(kind):
    theirs, ours = os.pipe() if kind == "pipe" else os.openpty()
    with stream_on(ours, "utf-8", by_line=True) as stream:
        progress = progress_for(stream)
        progress.run(1, 2, "sqlite")
        os.close(theirs)
        for _ in range(3):
            progress.report("still here")
            progress.stage({"name": "steady", "agents": 60, "arrivals_per_s": 30.0})
            progress.tick({"stage": "steady", "users": 61})
        progress.close()
        print("and any other text written there", file=stream, flush=True)
