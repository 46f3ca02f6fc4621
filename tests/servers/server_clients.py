"""The same few questions to a server of any engine, by its own driver."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import asyncpg
import psutil
import redis

from loadtests.servers.contract import DatabaseServer

CREATE = "create table if not exists kept (n int)"
INSERT = "insert into kept values (1)"
COUNT = "select count(*) from kept"


def write(server: DatabaseServer) -> None:
    """One thing more that is to be kept, by the pod's role."""
    if server.engine == "redis":
        ask(server.pod_dsn, "RPUSH kept 1")
    else:
        ask(server.pod_dsn, CREATE, INSERT)


def count(server: DatabaseServer) -> int:
    """How many there are."""
    if server.engine == "redis":
        return int(ask(server.pod_dsn, "LLEN kept"))
    return int(ask(server.pod_dsn, CREATE, COUNT))


def setting(server: DatabaseServer, names: dict[str, str]) -> str:
    """The setting, by its name in each engine, as the superuser sees it."""
    name = names[server.engine]
    if server.engine == "redis":
        with redis.Redis.from_url(server.dsn, decode_responses=True) as client:
            return str(client.config_get(name)[name])
    return str(ask(server.dsn, f"show {name}" if server.engine == "postgres" else f"select @@{name}"))


def ask(dsn: str, *statements: str) -> Any:
    """The first value of the last answer."""
    scheme = urlsplit(dsn).scheme
    if scheme == "redis":
        with redis.Redis.from_url(dsn, decode_responses=True) as client:
            return [client.execute_command(*statement.split()) for statement in statements][-1]
    return asyncio.run((_postgres if scheme == "postgresql" else _mariadb)(dsn, statements))


async def _postgres(dsn: str, statements: tuple[str, ...]) -> Any:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


async def _mariadb(dsn: str, statements: tuple[str, ...]) -> Any:
    at = urlsplit(dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password, "db": at.path[1:]}
    async with asyncmy.connect(**login, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)
        return (await cursor.fetchone() or [None])[0]


def port(server: DatabaseServer) -> int:
    """The pod's."""
    found = urlsplit(server.pod_dsn).port
    assert found is not None
    return found


def passwords(server: DatabaseServer) -> list[str]:
    return [str(urlsplit(dsn).password) for dsn in (server.dsn, server.pod_dsn)]


def family(server: DatabaseServer) -> list[psutil.Process]:
    first = psutil.Process(server.pid)
    return [first, *first.children(recursive=True)]


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def gone(processes: list[psutil.Process]) -> bool:
    return until(lambda: not any(alive(p) for p in processes))


def until(true: Callable[[], bool], within_s: float = 20) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
