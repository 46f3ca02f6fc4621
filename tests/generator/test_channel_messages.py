"""What the master takes from workers: what the workers of this version send, and nothing that only resembles it."""

import math
from typing import Any

import msgpack
import numpy as np
import pytest
from channel_bodies import PROGRESS, READY, row
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator import rows, runmessages
from loadtests.generator.channel.messages import Refused, read_message
from loadtests.generator.live import LiveWindow, histogram, is_latency
from loadtests.generator.prepared import CannotRunError
from loadtests.generator.rows import NO_TIME
from loadtests.generator.workerstate import WorkerState, problem_of
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES


def read(kind: str, body: Any) -> Any:
    return read_message(msgpack.packb([kind, body, "w"]), "w").data


def encoded(made: HdrHistogram) -> str:
    made.record_value(1000)
    return str(made.encode().decode())


@pytest.mark.parametrize(
    ("kind", "body"), [(runmessages.READY, READY), (runmessages.PROGRESS, PROGRESS), (runmessages.DRAINED, PROGRESS)]
)
def test_what_a_worker_sends_is_taken(kind: str, body: dict[str, Any]) -> None:
    taken = read(kind, body)
    assert taken.keys() == body.keys()
    assert taken["worker"] == body["worker"]


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("begun", "written", "agents", "starts") for value in (-1, 1.5, "1", None, True)),
        *({"stood_still_s": value} for value in (-1.0, math.inf, math.nan, "x")),
        {"begun": 1 << 60},
        {"written": 6},
        {"begun": 101},
        {"counts": {"launch": [1, 0]}},
        {"counts": {"chat.accept": [1]}},
        {"counts": {"chat.accept": [1, -1]}},
        {"arrivals": [-1]},
        {"arrivals": [1] * 1001},
        {"local_errors": {"patience": 1}},
        {"connection_failures": {"by_stage": {"steady": {"503": -2}}, "details": []}},
        {"connection_failures": {"by_stage": {}, "details": [["a", "b"]]}},
        {"connection_failures": {"by_stage": {}, "details": [["a", "b", 1]] * 101}},
        {"error": 7},
        {"latency": {"launch": "x"}},
        {"latency": {"chat.accept": "x"}},
        {"latency": {"chat.accept": encoded(HdrHistogram(1, 10**12, 4))}},
        {"latency": ["x"]},
        {"launches": 1},
    ],
    ids=str,
)
def test_progress_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="loadtests"):
        read(runmessages.PROGRESS, {**PROGRESS, **change})


@pytest.mark.parametrize("missing", PROGRESS)
def test_progress_without_a_field_is_refused(missing: str) -> None:
    with pytest.raises(Refused, match=missing):
        read(runmessages.PROGRESS, {name: value for name, value in PROGRESS.items() if name != missing})


def test_texts_come_out_printable_and_cut() -> None:
    hostile = {"error": "\x1b]0;owned\x07" + "x" * 5000, "details": [["e", "line\nline\u202e", 1]]}
    failures = {"by_stage": {"\x00": {}}, "details": hostile["details"]}
    taken = read(runmessages.PROGRESS, {**PROGRESS, "error": hostile["error"], "connection_failures": failures})
    assert taken["error"].startswith("\\x1b]0;owned\\x07xxx")
    assert len(taken["error"]) == 4000
    assert taken["connection_failures"]["details"] == [("e", "line\\x0aline\\u202e", 1)]
    assert list(taken["connection_failures"]["by_stage"]) == ["\\x00"]
    assert read(runmessages.PROGRESS, {**PROGRESS, "error": "a\\x1b"})["error"] == "a\\x1b", "an escape stays as it is"
    ready = read(runmessages.READY, {**READY, "node": "\x1b[31m" + "n" * 100})
    assert ready["node"] == "\\x1b[31m" + "n" * 55 + "…"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        read_message(data, "w")


_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(PROGRESS)), _value)
def test_a_field_of_any_value_is_refused_or_sound(name: str, value: Any) -> None:
    try:
        taken = read(runmessages.PROGRESS, {**PROGRESS, name: value})
    except Refused as refused:
        assert str(refused).isprintable()
        return
    assert 0 <= taken["written"] <= taken["begun"] <= taken["reserved"]
    assert taken["error"].isprintable() or taken["error"] == ""
    assert all(n >= 0 for n in taken["arrivals"])


# Histograms.


def test_a_histogram_that_expands_without_end_is_refused() -> None:
    import base64
    import zlib

    bomb = zlib.compress(b"\0" * (64 << 20))
    header = b"\x1c\x84\x93\x14" + len(bomb).to_bytes(4, "big")
    assert not is_latency(base64.b64encode(header + bomb).decode())
    assert is_latency(encoded(histogram()))


def test_a_histogram_that_cannot_be_decoded_is_left_out() -> None:
    window = LiveWindow()
    window.add({"chat.accept": encoded(histogram())[:-8]})
    assert window.percentile_ms("chat.accept", 99) is None
    window.add({"chat.accept": encoded(histogram())})
    assert window.percentile_ms("chat.accept", 99) == pytest.approx(1.0, rel=0.01)


# Rows.


def test_rows_of_a_worker_are_taken() -> None:
    taken = rows.of_bytes(row() + row(seq=1))
    rows.check(taken, pods=1)
    assert taken["seq"].tolist() == [0, 1]


@pytest.mark.parametrize("data", [b"", b"x", row()[:-1], row() + b"x"], ids=["none", "one", "cut", "more"])
def test_bytes_that_are_no_rows_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="bytes of rows, expected a multiple"):
        rows.of_bytes(data)


@pytest.mark.parametrize(
    "change",
    [
        {"pod": 1},
        {"operation": len(OPERATIONS)},
        {"outcome": len(OUTCOMES)},
        {"error": len(ERRORS)},
        {"topic": 255},
        {"account": -1},
        {"user": -1},
        {"connection": -(1 << 31)},
        {"ended_ns": NO_TIME},
        {"ended_ns": (1 << 63) - 1},
        {"planned_ns": NO_TIME + 1},
    ],
    ids=str,
)
def test_rows_of_unknown_codes_or_impossible_times_are_refused(change: dict[str, int]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=name):
        rows.check(rows.of_bytes(row() + row(**change)), pods=1)


@given(st.binary(min_size=81, max_size=81))
def test_any_row_is_refused_or_of_known_codes(data: bytes) -> None:
    taken = rows.of_bytes(data)
    try:
        rows.check(taken, pods=3)
    except ValueError:
        return
    assert int(taken["pod"][0]) < 3
    assert int(taken["operation"][0]) < len(OPERATIONS)
    assert np.all(taken["user"] >= 0)


# The state of a worker.


def worker(**ready: Any) -> WorkerState:
    return WorkerState(1, "host-b_1", ready={**READY, **ready})


def test_messages_out_of_turn_are_refused() -> None:
    new, ready, local, failed = WorkerState(1, "w"), worker(), worker(remote=False), worker(error="x")
    assert new.problem_of_message(runmessages.READY) == ""
    for message in (runmessages.PROGRESS, runmessages.ROWS, runmessages.LEAVING, runmessages.DRAINED):
        assert "has not prepared the run" in new.problem_of_message(message)
        assert "has not prepared the run" in failed.problem_of_message(message)
        assert ready.problem_of_message(message) == ""
    assert "has prepared already" in ready.problem_of_message(runmessages.READY)
    assert "writes its rows itself" in local.problem_of_message(runmessages.ROWS)
    ready.drained = True
    assert "after the worker's last message" in ready.problem_of_message(runmessages.PROGRESS)


def problem(proof: str, *, shared: bool = False) -> CannotRunError | None:
    return problem_of(worker(proof=proof), "s3cret", "master's", secret_is_shared=shared)


def test_a_worker_proves_that_it_has_the_secret() -> None:
    right = runmessages.secret_proof("s3cret", "master's", "n", "host-b_1")
    assert problem(right) is None
    assert "s3cret" not in right
    for wrong in (
        runmessages.secret_proof("another", "master's", "n", "host-b_1"),
        runmessages.secret_proof("s3cret", "earlier", "n", "host-b_1"),
        runmessages.secret_proof("s3cret", "master's", "n", "host-c_1"),
        "é",
    ):
        found = problem(wrong)
        assert found is not None
        assert found.code == 64
        assert "is not that of the master" in str(found)


def test_a_worker_without_the_secret_needs_a_master_that_shares() -> None:
    found = problem("")
    assert found is not None
    assert found.code == 64
    assert "needs LOADTESTS_TOKEN_SECRET in its environment" in str(found)
    assert problem("", shared=True) is None
