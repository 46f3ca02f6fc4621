"""Each mode of the hostile server against both clients: a named end, in time, at a bounded cost, and safe text."""

import resource
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from hostile_modes import MODES, Mode
from hostile_scripts import EVIL
from hostile_server import hostile_server
from podconnection import ask, connect, connect_blocking

from loadtests.accounts import token_for
from loadtests.conductor.failures import CannotRun
from loadtests.conductor.target import check_target
from loadtests.protocols.contract import ProtocolError
from loadtests.records.vocabulary import ERRORS
from loadtests.wire.failures import ConnectionFailed

sys.path.append(str(Path(__file__).parent.parent / "wire"))
from certificates import certificate

SECRET, ACCOUNT = "signed-with-this", "account-0001"
SHORT_S, LONG_S = 0.2, 10.0
CPU_S = 5.0
MEMORY_BYTES = 150 << 20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, int], ssl.SSLContext]]:
    directory = tmp_path_factory.mktemp("tls")
    _, trusting = certificate(directory)
    with hostile_server(directory) as ports:
        yield ports, trusting


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """The whole table may grow this process by that much."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MEMORY_BYTES


def token() -> str:
    return token_for(ACCOUNT, SECRET)


def signature() -> str:
    return token().rpartition(".")[2]


def timeout_s(mode: Mode) -> float:
    return SHORT_S if mode.slow else LONG_S


def is_safe(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n")) and len(text) < 1500


def has_secret(text: str) -> bool:
    """Whether any ten characters of the token's signature are in the text."""
    return any(signature()[i : i + 10] in text for i in range(len(signature()) - 9))


def under_load(url: str, timeout_s: float, tls: ssl.SSLContext | None) -> tuple[str, list[str]]:
    """How the operations of a load's connection end, the first that is not `ok`, and what was reported of it."""
    reported: list[str] = []
    try:
        connection = connect(
            url, timeout_s=timeout_s, tls=tls, on_push=lambda *_: None, on_lost=lambda *why: reported.extend(why)
        )
    except ConnectionFailed as failure:
        return failure.error, [failure.detail]
    error = ""
    try:
        for key, (kind, body) in enumerate([("connection.create", {"token": token()}), ("heartbeat", {})]):
            answer = ask(connection, kind, key, body, timeout_s).reply
            error = answer.error if answer.error in ERRORS else "unknown error"
            if error:
                break
    finally:
        gevent.sleep(0)
        connection.abort()
    return error, reported


@pytest.mark.parametrize("name", MODES)
def test_the_load_ends_an_operation_and_nothing_else(served, name):
    ports, trusting = served
    mode = MODES[name]
    scheme, tls = ("wss", trusting) if mode.tls else ("ws", None)
    began = time.process_time()
    error, reported = under_load(f"{scheme}://127.0.0.1:{ports[name]}/", timeout_s(mode), tls)
    assert error in mode.ends
    assert time.process_time() - began < CPU_S
    assert all(map(is_safe, reported)), reported


@pytest.mark.parametrize("name", [name for name, mode in MODES.items() if not mode.tls])
def test_check_of_a_target_reports_what_it_found(served, name, monkeypatch):
    ports, _ = served
    monkeypatch.setattr("loadtests.conductor.target.TRY_FOR_S", timeout_s(MODES[name]))
    began = time.process_time()
    try:
        check_target(f"ws://127.0.0.1:{ports[name]}/", ACCOUNT, SECRET)
    except CannotRun as refused:
        assert is_safe(str(refused)), str(refused)
        assert not has_secret(str(refused)), str(refused)
        assert f"127.0.0.1:{ports[name]}" in str(refused)
    assert time.process_time() - began < CPU_S


@pytest.mark.parametrize("name", [name for name, mode in MODES.items() if mode.tls])
def test_the_blocking_client_ends_over_tls_too(served, name):
    ports, trusting = served
    mode = MODES[name]

    def ask() -> None:
        with connect_blocking(f"wss://127.0.0.1:{ports[name]}/", min(timeout_s(mode), 2.0), trusting) as pod:
            pod.create(1)

    with pytest.raises((ConnectionFailed, ProtocolError)) as failed:
        ask()
    assert is_safe(str(failed.value))


def test_there_are_fifty_modes_and_their_text_is_hostile():
    assert len(MODES) >= 50
    assert {name.partition(":")[0] for name in MODES} == {"http", "frames", "json", "timing", "tls"}
    assert not EVIL.isprintable()
