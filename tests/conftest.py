"""What every room's tests share: a real PostgreSQL server, and the rule that no test leaves a process behind."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from mariadb_server import MariadbMissing, MariadbServer

from loadtests.servers.postgres import PostgresServer, ServerUnavailable

_MARK = "LOADTESTS_TEST_SESSION"


def unavailable(why: str) -> None:
    """A missing server or browser: skipped at home, failed in CI, where a skip would go unseen."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@dataclass(frozen=True)
class Database:
    """A fresh database: `dsn` the superuser's, `pod_dsn` its owner's, an ordinary role."""

    dsn: str
    pod_dsn: str


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One running server for the whole session: for tests that neither stop nor hurt it."""
    directory: Path = tmp_path_factory.mktemp("servers") / "postgres"
    try:
        server = PostgresServer.create(directory)
    except ServerUnavailable as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A fresh, empty database on the session's server; dropped after the test, whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_server.dsn, f"create database {name} owner pod"))
    try:
        yield Database(_on(postgres_server.dsn, name), _on(postgres_server.pod_dsn, name))
    finally:
        asyncio.run(_execute(postgres_server.dsn, f"drop database {name} with (force)"))


def _on(dsn: str, database: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """One running MariaDB for the whole session: for tests that neither stop nor hurt it."""
    try:
        server = MariadbServer()
    except MariadbMissing as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture
def mariadb_database(mariadb_server: MariadbServer) -> Iterator[str]:
    """The name of a fresh, empty database on the session's MariaDB; dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(mariadb_server.execute(f"CREATE DATABASE {name}"))
    try:
        yield name
    finally:
        asyncio.run(mariadb_server.execute(f"DROP DATABASE {name}"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-storage", action="store_true", help="storage tests: every storage system (default: every kind of code)"
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ[_MARK] = secrets.token_hex(8)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails the session when processes that tests started are still there; ends them."""
    _, left = psutil.wait_procs(_left_behind(), timeout=3)
    if left:
        names = [f"  {p.pid} {' '.join(_command(p))[:160]}" for p in left]
        for process in left:  # asked first: a server's guardian then removes what it owns
            process.terminate()
        for process in psutil.wait_procs(left, timeout=3)[1]:
            process.kill()
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nprocesses left behind by tests, now killed:", *names, sep="\n")


def _left_behind() -> list[psutil.Process]:
    """Our descendants, and the orphans among them, who carry the session's mark in their environment."""
    me = psutil.Process()
    found = {p.pid: p for p in me.children(recursive=True) if "resource_tracker" not in " ".join(_command(p))}
    found |= {p.pid: p for p in psutil.process_iter() if p.pid != me.pid and _marked(p)}
    ours = {p.pid for p in me.parents()}
    return [p for p in found.values() if p.pid not in ours]


def _marked(process: psutil.Process) -> bool:
    try:
        return process.environ().get(_MARK) == os.environ[_MARK]
    except psutil.Error:
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
