"""Database servers that answer with hostile text: what of it reaches a terminal, a table or a document is clean."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hostile_scripts import EVIL, EVIL_BYTES

from loadtests.conductor.failures import Unavailable
from loadtests.conductor.preflight.target_databases import check_databases
from loadtests.ledger.audit import reading
from loadtests.pod.storage.contract import StorageError
from loadtests.pod.storage.factory import create_storage
from loadtests.probes.contract import Database
from loadtests.probes.databases import create_probe
from loadtests.probes.loop import TableRecorder, Watch
from loadtests.records.rundirectory import RunDirectory
from loadtests.timeline.context import ActionFailed
from loadtests.timeline.context import DatabaseHandle as Place
from loadtests.timeline.db_sessions import connected

ENDLESS = EVIL_BYTES * 3000


def _postgres_error() -> bytes:
    """An ErrorResponse: severity, code, and a message of 75 kB."""
    text = ENDLESS.replace(b"\0", b"")
    fields = b"SFATAL\0VFATAL\0C28000\0M" + text + b"\0D" + text + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def _mariadb_error() -> bytes:
    """An error in place of the greeting, as a server sends it that blocks a host."""
    payload = b"\xff\x69\x04" + ENDLESS
    return len(payload).to_bytes(3, "little") + b"\0" + payload


ANSWERS = {
    "postgres": ("postgresql://u:hush@127.0.0.1:{port}/d?sslmode=disable", _postgres_error()),
    "mariadb": ("mysql://u:hush@127.0.0.1:{port}/d", _mariadb_error()),
    "redis": ("redis://u:hush@127.0.0.1:{port}/0", b"-WRONGPASS " + ENDLESS.replace(b"\r\n", b"\x85") + b"\r\n"),
}


@contextmanager
def answering(engine: str) -> Iterator[str]:
    """The DSN of a server that sends its hostile answer to each client."""
    dsn, answer = ANSWERS[engine]

    def serve() -> None:
        while True:
            try:
                connected, _ = server.accept()
            except OSError:
                return
            with connected, suppress(OSError):
                if engine != "mariadb":
                    connected.recv(65536)
                connected.sendall(answer)
                connected.settimeout(2)
                connected.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield dsn.format(port=server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def is_safe(text: str) -> bool:
    return text.isprintable() and len(text) < 1000 and "hush" not in text


@pytest.mark.parametrize("engine", ANSWERS)
def test_the_check_of_a_database_behind_a_target_is_clean(engine: str) -> None:
    with answering(engine) as dsn, pytest.raises(Unavailable, match="cannot be observed") as refused:
        check_databases([Database("chats", engine)], json.dumps({"chats": dsn}))
    assert is_safe(str(refused.value)), str(refused.value)


@pytest.mark.parametrize("engine", ANSWERS)
def test_ticks_of_an_observer_are_clean(engine: str) -> None:
    async def tick(dsn: str) -> str | None:
        return (await Watch(create_probe(Database("chats", engine), dsn, time.monotonic_ns), time.monotonic_ns).tick())[
            1
        ]

    with answering(engine) as dsn:
        error = asyncio.run(tick(dsn))
    assert error
    assert is_safe(error), error


@pytest.mark.parametrize("engine", ANSWERS)
def test_pod_that_cannot_start_gives_the_reason_in_clean_text(engine: str) -> None:
    async def start(dsn: str) -> None:
        await create_storage(engine, {engine: dsn}, lambda _: None, "pod-1").start()

    with answering(engine) as dsn, pytest.raises(StorageError) as failed:
        asyncio.run(start(dsn))
    assert is_safe(str(failed.value)), str(failed.value)


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_actions_and_ledger_give_reasons_in_clean_text(engine: str) -> None:
    async def perform(dsn: str) -> None:
        async with connected(Place("chats", engine, dsn)):
            pass

    async def read(dsn: str) -> None:
        async with reading(engine, dsn, 0):
            pass

    for attempt in (perform, read):
        with answering(engine) as dsn, pytest.raises(Exception, match=r"SQL|MariaDB") as failed:
            asyncio.run(attempt(dsn))
        assert is_safe(str(failed.value)), str(failed.value)


def test_names_that_other_clients_chose_are_recorded_clean(tmp_path: Path) -> None:
    recorder = TableRecorder(RunDirectory(tmp_path))
    recorder.add(
        {"sessions": [(1, "postgres", "chats", "lock", f"batch {EVIL}", 1), (1, "postgres", "c", "lock", None, 2)]}
    )
    recorder.close()
    rows = [row for batch in RunDirectory(tmp_path).batches("sessions") for row in batch.to_pylist()]
    assert [row["sessions"] for row in rows] == [1, 2]
    assert rows[0]["operation"].startswith("batch \\x1b]0;owned")
    assert rows[0]["operation"].isprintable()
    assert rows[1]["operation"] is None


FAILING = {
    "postgres": 'SELECT * FROM "EVIL"',  # which quotes the name that it does not know
    "mariadb": "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'EVIL'",
}


@pytest.mark.server
@pytest.mark.parametrize("engine", FAILING)
def test_errors_of_real_servers_reach_actions_clean(engine: str, request: pytest.FixtureRequest) -> None:
    dsn = request.getfixturevalue(f"{engine}_database").dsn
    statement = FAILING[engine].replace("EVIL", EVIL.replace("\0", "").replace(";", "")[:60])

    async def execute() -> None:
        async with connected(Place("chats", engine, dsn)) as session:
            await session.execute(statement)

    shown = {"postgres": r"\\x1b\]0owned\\x07", "mariadb": r"owned"}[engine]  # MariaDB escapes such text itself
    with pytest.raises(ActionFailed, match=shown) as failed:
        asyncio.run(execute())
    assert is_safe(str(failed.value)), str(failed.value)


def _packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes((number,)) + payload


def _greeting(plugin: bytes) -> bytes:
    return _packet(
        0,
        b"\x0a8.0.36\0" + b"\1\0\0\0" + b"x" * 8 + b"\0" + b"\x0f\xa2" + b"\x21\2\0" + b"\x08\0\x15" + b"\0" * 10
        + b"y" * 12 + b"\0" + plugin + b"\0",
    )  # fmt: skip


_GREETING = _greeting(b"mysql_native_password")


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog", "mysql_old_password"])
def test_a_password_is_not_sent_in_clear_text(plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server, or who stands between, asks for the password itself on a session without TLS."""
    received: list[bytes] = []

    def serve() -> None:
        connected, _ = server.accept()
        with connected:
            connected.sendall(_GREETING)
            received.append(connected.recv(65536))
            connected.sendall(_packet(2, b"\xfe" + plugin.encode() + b"\0" + b"\x03Password: "))
            connected.settimeout(5)
            with suppress(OSError):
                received.append(connected.recv(65536))

    monkeypatch.setattr("loadtests.drivers.mariadb.is_loopback", lambda _: False)  # as on another host
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        dsn = f"mysql://u:hush@127.0.0.1:{server.getsockname()[1]}/d"
        with pytest.raises(Unavailable, match="asks for the password in clear text") as refused:
            check_databases([Database("chats", "mysql")], json.dumps({"chats": dsn}))
        thread.join(10)
    assert received[0]
    assert not any(b"hush" in one for one in received)
    assert "hush" not in str(refused.value)


_SALT = b"z" * 20 + b"\0"
_KEY = b"the key of who stands between"
_BY_KEY: dict[str, tuple[bytes, list[bytes]]] = {
    "switched to sha256_password": (b"mysql_native_password", [b"\xfesha256_password\0" + _SALT, _KEY]),
    "greeted with sha256_password": (b"sha256_password", [_KEY]),
    "greeted, then switched": (b"sha256_password", [b"\xfesha256_password\0" + _SALT, _KEY]),
    "full caching_sha2_password": (b"caching_sha2_password", [b"\x01\x04", _KEY]),
    "switched to caching_sha2_password": (
        b"mysql_native_password",
        [b"\xfecaching_sha2_password\0" + _SALT, b"\x01\x04", _KEY],
    ),
}
"""The plugin of a greeting, and the answers that follow."""


@pytest.mark.parametrize("attack", _BY_KEY)
def test_a_password_is_not_encrypted_for_who_stands_between(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own key comes over the same session in plain text, so that any host could have sent it."""
    plugin, answers = _BY_KEY[attack]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    received: list[bytes] = []

    def serve() -> None:
        connected, _ = server.accept()
        with connected, suppress(OSError):
            connected.settimeout(5)
            connected.sendall(_greeting(plugin))
            for answer in [*answers, b""]:
                received.append(connected.recv(65536))
                if not received[-1]:
                    return
                connected.sendall(_packet(received[-1][3] + 1, b"\1" + pem if answer is _KEY else answer))

    monkeypatch.setattr("loadtests.drivers.mariadb.is_loopback", lambda _: False)  # as on another host
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        dsn = f"mysql://u:hush@127.0.0.1:{server.getsockname()[1]}/d"
        with pytest.raises(Unavailable) as refused:
            check_databases([Database("chats", "mysql")], json.dumps({"chats": dsn}))
        thread.join(10)
    assert received[0]
    assert all(len(one) < key.key_size // 8 for one in received), "the password, for the attacker's key"
    assert is_safe(str(refused.value))
    assert attack == "greeted with sha256_password" or "a key that any host could have sent" in str(refused.value)
