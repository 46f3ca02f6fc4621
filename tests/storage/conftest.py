"""The storage systems under test, each asked for what it promises; async tests run on the storage's own loop."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from storage_systems import System, make_system

from loadtests import storagenames
from loadtests.pod.storage.contract import Storage
from loadtests.servers.contract import DatabaseServer
from loadtests.servers.registry import create_server

BY_DEFAULT = (
    "memory",
    "sqlite",
    "postgres:pessimistic",
    "postgres:optimistic",
    "postgres:none",
    "mariadb:pessimistic",
    "redis:always",
    "dual(sqlite,postgres)",
    "dual(memory,memory)",
)
"""What the contract is asked of without `--every-storage`: every piece of code once."""


DUALS = (
    "dual(sqlite,postgres)",
    "dual(memory,memory)",
    "dual(sqlite,sqlite)",
    "dual(postgres,mariadb)",
    "dual(mariadb:optimistic,postgres:optimistic)",
    "dual(mariadb,redis)",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "system" in metafunc.fixturenames:
        every = metafunc.config.getoption("--every-storage")
        metafunc.parametrize("system", [*storagenames.names(), *DUALS] if every else BY_DEFAULT, indirect=True)


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    """A storage system whose database is fresh."""
    return make_system(request, request.param, tmp_path)


@pytest.fixture
def doomed_redis(tmp_path: Path, redis_server: DatabaseServer) -> Iterator[DatabaseServer]:
    """A running Redis that a test may hurt; skipped where the other cannot be made."""
    with create_server("redis", tmp_path / "doomed") as server:
        yield server


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def storage(system: System, runner: asyncio.Runner) -> Iterator[Storage]:
    """The system, started."""
    storage = system.open()
    runner.run(storage.start())
    yield storage
    runner.run(storage.stop())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    runner = pyfuncitem._request.getfixturevalue("runner")
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
