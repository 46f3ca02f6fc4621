"""What every room's tests share: real database servers, and the rule that no test leaves a process behind."""

# isort: off
import neutral  # noqa: F401  before the libraries that read variables

# isort: on
import asyncio
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import psutil
import pytest
import redis
import unpatched  # noqa: F401  before anything else imports Locust
from availability import unavailable
from hypothesis import settings

from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.registry import create_server

_MARK = "LOADTESTS_TEST_SESSION"
_LEFT = pytest.StashKey[list[str]]()
_LEFT_BY_WORKER = "left behind"
_WAITING = {"calibration", "drivers", "ledger", "pod", "probes", "servers", "storage"}
"""Folders whose tests wait for database servers more than they work."""

settings.register_profile("any-host", deadline=None)  # how long an example takes says something of the host only
settings.load_profile("any-host")


@dataclass(frozen=True)
class Database:
    """A fresh database: `dsn` the superuser's, `pod_dsn` its owner's, an ordinary role."""

    dsn: str
    pod_dsn: str


def _server(engine: str, factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """One running server for the whole session: for tests that neither stop nor hurt it."""
    try:
        server = create_server(engine, factory.mktemp("servers") / engine)
    except ServerUnavailable as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """Commands that are called in this process set its umask, as they do in a process of their own."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    yield from _server("postgres", tmp_path_factory)


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    yield from _server("mariadb", tmp_path_factory)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    yield from _server("redis", tmp_path_factory)


@pytest.fixture
def postgres_database(postgres_server: DatabaseServer) -> Iterator[Database]:
    """A fresh, empty database on the session's server; dropped after the test, even with sessions connected."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_execute(postgres_server.dsn, f"create database {name} owner pod"))
    try:
        yield Database(_on(postgres_server.dsn, name), _on(postgres_server.pod_dsn, name))
    finally:
        asyncio.run(_execute(postgres_server.dsn, f"drop database {name} with (force)"))


@pytest.fixture
def mariadb_database(mariadb_server: DatabaseServer) -> Iterator[Database]:
    """A fresh, empty database on the session's server; dropped after the test, with the pod's sessions."""
    name = f"test_{secrets.token_hex(6)}"
    grant = f"grant all on {name}.* to pod@'127.0.0.1'"
    asyncio.run(_execute_mariadb(mariadb_server.dsn, f"create database {name}", grant))
    try:
        yield Database(_on(mariadb_server.dsn, name), _on(mariadb_server.pod_dsn, name))
    finally:
        asyncio.run(_execute_mariadb(mariadb_server.dsn, "kill user pod", f"drop database {name}"))


@pytest.fixture
def redis_database(redis_server: DatabaseServer) -> Iterator[Database]:
    """The session's server, empty; emptied again after the test. Channels are its own as well: one test at a time."""
    with redis.Redis.from_url(redis_server.dsn) as client:
        client.flushall()
        yield Database(redis_server.dsn, redis_server.pod_dsn)
        client.flushall()


def _on(dsn: str, database: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _execute_mariadb(dsn: str, *statements: str) -> None:
    at = urlsplit(dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password}
    async with asyncmy.connect(**login) as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-storage", action="store_true", help="storage tests: every storage system (default: every kind of code)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Each worker has a mark of its own, as each answers for what its tests started."""
    os.environ[_MARK] = secrets.token_hex(8)
    config.stash[_LEFT] = []


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many `-n auto` means: one more than cores, as the long tests wait more than they work."""
    return min(len(os.sched_getaffinity(0)) + 1, 4)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Modules with whole runs come first in a worker: a worker that came to one last would keep the others waiting.

    Then modules that wait for servers and disks take turns with others, which use the cores meanwhile.
    """
    if not hasattr(config, "workerinput"):
        return
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    runs, waiting, computing = [], [], []
    for path, tests in modules.items():
        has_runs = any(test.get_closest_marker("e2e") for test in tests)
        (runs if has_runs else waiting if path.parent.name in _WAITING else computing).append(tests)
    alternated = chain.from_iterable(zip_longest(waiting, computing, fillvalue=[]))
    items[:] = chain.from_iterable([*runs, *alternated])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Takes over what a worker found; a crashed worker sends nothing, and has failed the session already."""
    node.config.stash[_LEFT] += getattr(node, "workeroutput", {}).get(_LEFT_BY_WORKER, [])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails the session when processes that tests started are still there; ends them."""
    left_behind = session.config.stash[_LEFT]
    left_behind += _end_left_behind()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_LEFT_BY_WORKER] = left_behind
    elif left_behind:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nprocesses left behind by tests, now killed:", *left_behind, sep="\n")


def _end_left_behind() -> list[str]:
    """The commands of those that did not go by themselves within three seconds."""
    _, left = psutil.wait_procs(_left_behind(), timeout=3)
    left_behind = [f"  {p.pid} {' '.join(_command(p))[:160]}" for p in left]
    for process in left:  # SIGTERM first: a server's supervisor then removes what it owns
        process.terminate()
    for process in psutil.wait_procs(left, timeout=3)[1]:
        process.kill()
    return left_behind


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
