"""What every caller of the drivers does with an address, one function a caller."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from loadtests.calibration.contract import calibration_of
from loadtests.conductor.preflight.target_databases import check_databases
from loadtests.drivers import mariadb, postgres, redis
from loadtests.drivers.addresses import parse_address
from loadtests.engines import has
from loadtests.ledger.audit import reading
from loadtests.pod.storage.factory import create_storage
from loadtests.probes.contract import Database
from loadtests.probes.databases import create_probe
from loadtests.timeline.context import DatabaseHandle as Place
from loadtests.timeline.db_sessions import connected


async def probe(engine: str, dsn: str) -> None:
    opened = create_probe(Database("chats", engine), dsn, time.monotonic_ns)
    try:
        await opened.open()
        await opened.sample()
    finally:
        await opened.close()


async def ledger(engine: str, dsn: str) -> None:
    async with reading(engine, dsn, 0):
        pass


async def timeline(engine: str, dsn: str) -> None:
    if has(engine, "sessions"):
        async with connected(Place("chats", engine, dsn)) as session:
            await session.execute("SELECT 1")


async def calibration(engine: str, dsn: str) -> None:
    if connect := calibration_of(engine).connect:
        await connect(dsn)


async def pod(engine: str, dsn: str) -> None:
    storage = create_storage(engine, {engine: dsn}, lambda _: None, "pod-1")
    await storage.start()
    await storage.stop()


async def preflight(engine: str, dsn: str) -> None:
    """In a thread: it has a loop of its own."""
    await asyncio.to_thread(check_databases, [Database("chats", engine)], json.dumps({"chats": dsn}))


CALLERS: Mapping[str, Callable[[str, str], Awaitable[None]]] = {
    "probe": probe,
    "ledger": ledger,
    "timeline": timeline,
    "calibration": calibration,
    "pod": pod,
    "preflight": preflight,
}


@contextlib.asynccontextmanager
async def session(engine: str, dsn: str) -> Any:
    """A session of the drivers, closed afterwards."""
    address = parse_address(engine, dsn)
    if engine == "postgres":
        made = await postgres.connect(address, "tests", timeout_s=20)
    elif engine == "mariadb":
        made = await mariadb.connect(address, "tests", timeout_s=20)
    else:
        made = await redis.open_client(address, timeout_s=20)
    try:
        yield made
    finally:
        if engine == "redis":
            await made.aclose()
        else:
            getattr(made, "terminate", made.close)()


async def is_encrypted(engine: str, dsn: str, tls_port: int) -> bool:
    """By the server's own account of the session."""
    async with session(engine, dsn) as made:
        if engine == "postgres":
            return bool(await made.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        if engine == "mariadb":
            async with made.cursor() as cursor:
                await cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
                return bool((await cursor.fetchone())[1])
        client = await made.execute_command("CLIENT", "INFO")
        return f":{tls_port} ".encode() in client.split(b"laddr=")[1]
