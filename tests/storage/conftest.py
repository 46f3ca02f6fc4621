"""The storage systems under test, each asked for what it promises; async tests run on the storage's own loop."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_servers import RedisProcess
from storage_systems import System

from loadtests.pod.storage import registry
from loadtests.pod.storage.contract import Storage

DUALS = ("dual(sqlite,postgres)", "dual(memory,memory)", "dual(sqlite,sqlite)")


@pytest.fixture(params=[*registry.STORAGES, *DUALS])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    def dsn(database: str, engine: str) -> str:
        if engine == "sqlite":
            return str(tmp_path / f"{database}.db")
        there = request.getfixturevalue(f"{engine}_database")
        return str(there.pod_dsn) if engine == "postgres" else str(there)

    name = registry.parse(request.param)
    dsns = {database: dsn(database, side.engine) for database, side in registry.databases(str(name)).items()}
    return System(str(name), dsns.get(name.engine), {} if name.engine in dsns else dsns)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_database(redis_process: RedisProcess) -> str:
    import redis

    redis.Redis.from_url(redis_process.dsn).flushall()
    return redis_process.dsn


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
