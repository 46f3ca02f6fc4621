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


@pytest.fixture(params=list(registry.STORAGES))
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    name = registry.parse(request.param)
    if name.engine == "postgres":
        return System(str(name), request.getfixturevalue("postgres_database").pod_dsn)
    if name.engine == "redis":
        return System(str(name), request.getfixturevalue("redis_database"))
    return System(str(name), str(tmp_path / "pod.db") if name.engine == "sqlite" else None)


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
