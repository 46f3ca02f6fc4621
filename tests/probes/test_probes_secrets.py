"""What customers write is in no column that the observer writes: real servers, with every setting that changes what a
literal is, and statements that the server cuts within one."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncmy
import asyncpg
from observers import Observer, observing

from loadtests.servers.contract import DatabaseServer

SECRETS = ("Jane", "jane", "Doe", "doe", "4711")
TABLES = ("lock_waits", "sessions", "counters", "ticks")
Run = Callable[[str], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Scene:
    """One holds what another then waits for: how their sessions are set up, and what both run."""

    setup: str
    held: str
    wanted: str
    statement: str
    """What is shown of the waiter's."""


def row(number: int, condition: str, setup: str = "SELECT 1", statement: str = "") -> Scene:
    one = f"SELECT n FROM hot WHERE id = {number}"
    return Scene(setup, f"{one} FOR UPDATE", f"{one} AND {condition} FOR UPDATE", statement)


SHOWN = "SELECT n FROM hot WHERE id = ? AND"


def cut(number: int, at: int) -> Scene:
    """What the server shows of the holder's statement ends with a comment that a customer wrote."""
    begun = f"SELECT n FROM hot WHERE id = {number} AND $$ "
    written = "/*action='jane'*/"
    held = f"{begun}{'x' * (at - len(begun) - len(written))}{written} and more $$ <> '' FOR UPDATE"
    wanted = f"SELECT n FROM hot WHERE id = {number} FOR UPDATE"
    return Scene("SELECT 1", held, wanted, "SELECT n FROM hot WHERE id = ? FOR UPDATE")


POSTGRES = (
    row(1, r"'C:\' <> 'Jane Doe'", statement=f"{SHOWN} ?"),
    row(2, r"'it\'s Jane Doe' <> ''", "SET standard_conforming_strings = off", f"{SHOWN} ?"),
    row(3, r"E'it\'s Jane Doe' <> 'Jane''s'", statement=f"{SHOWN} ? <> ? FOR UPDATE"),
    row(4, "$é😀$it's Jane Doe$é😀$ <> U&'Jane\\0020Doe'", statement=f"{SHOWN} ? <> ? FOR UPDATE"),
    row(5, "n <> 4711 -- it's\r AND 'Jane' <> 'Doe'\n", statement=f"{SHOWN} n <> ? AND ? <> ? FOR UPDATE"),
    cut(6, 1000),
    cut(7, 1023),
)
MARIADB = (
    row(1, r"'C:\' <> 'Jane Doe'", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'", f"{SHOWN} ?"),
    row(2, r"'it\'s Jane Doe' <> ''", statement=f"{SHOWN} ?"),
    row(3, r'"it\"s Jane Doe" <> 0x4711', statement=f"{SHOWN} ?"),
    row(4, r"""'"Jane"' <> 'Doe'""", "SET sql_mode = 'ANSI_QUOTES'", f"{SHOWN} ? <> ? FOR UPDATE"),
    row(5, "n <> 5--'4\n Jane Doe'", statement=f"{SHOWN} n <> ?--? FOR UPDATE"),
    row(6, "n <> 5 /*! AND 'a*/ Jane' <> 'Doe' */", statement=f"{SHOWN} n <> ?"),
    Scene("DO 1", "SELECT get_lock('jane.doe@4711', 9)", "SELECT get_lock('jane.doe@4711', 9)", "SELECT get_lock(…)"),
)


Open = Callable[[], Coroutine[Any, Any, Run]]


async def play(observer: Observer, probe: str, opened: Open, scenes: tuple[Scene, ...], *ends: str) -> None:
    """Several samples see all of them at once."""
    holders, waiters, waiting = [], [], []
    for scene in scenes:
        holder, waiter = [await opened(), await opened()]
        for run in (holder, waiter):
            await run(scene.setup)
            await run("BEGIN")
        await holder(scene.held)
        holders.append(holder)
        waiters.append(waiter)
        waiting.append(asyncio.create_task(waiter(scene.wanted)))
    for _ in range(4):
        await asyncio.to_thread(observer.until_tick, lambda t: t["error"] is None, probe=probe)
    for end in ends:
        await asyncio.gather(*(holder(end) for holder in holders))
    await asyncio.gather(*waiting)
    await asyncio.gather(*(waiter(ends[0]) for waiter in waiters))
    await asyncio.to_thread(observer.stop)


def check(observer: Observer, scenes: tuple[Scene, ...]) -> None:
    waits = observer.rows("lock_waits")
    print(*waits, sep="\n")
    assert sorted(w["statement"] for w in waits) == sorted(scene.statement for scene in scenes)
    values = [value for name in TABLES for row in observer.rows(name) for value in row.values()]
    texts = " ".join(value for value in values if isinstance(value, str))  # moments have any digits
    assert [secret for secret in SECRETS if secret in texts] == []


def test_values_of_customers_are_nowhere_with_postgres(postgres_server: DatabaseServer, tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:

            async def opened() -> Run:
                connection = await asyncpg.connect(postgres_server.pod_dsn)
                stack.push_async_callback(connection.close)
                return connection.execute

            setup = await opened()
            await setup("DROP TABLE IF EXISTS hot; CREATE TABLE hot (id int PRIMARY KEY, n int)")
            await setup("INSERT INTO hot SELECT i, 0 FROM generate_series(1, 20) AS i")
            await play(observer, "postgres", opened, POSTGRES, "ROLLBACK")
            await setup("DROP TABLE hot")

    with observing(tmp_path, {"postgres:postgres": postgres_server.dsn}) as observer:
        asyncio.run(story())
    check(observer, POSTGRES)


def test_values_of_customers_are_nowhere_with_mariadb(mariadb_server: DatabaseServer, tmp_path: Path) -> None:
    at = urlsplit(mariadb_server.pod_dsn)
    login = {"host": at.hostname, "port": at.port, "user": at.username, "password": at.password, "database": "pod"}

    async def story() -> None:
        async with AsyncExitStack() as stack:

            async def opened() -> Run:
                cursor = await stack.enter_async_context(
                    (await stack.enter_async_context(asyncmy.connect(**login, autocommit=True))).cursor()
                )
                return cursor.execute

            setup = await opened()
            await setup("CREATE OR REPLACE TABLE hot (id int PRIMARY KEY, n int) ENGINE = InnoDB")
            await setup("INSERT INTO hot SELECT seq, 0 FROM seq_1_to_20")
            await play(observer, "mariadb", opened, MARIADB, "ROLLBACK", "DO release_all_locks()")
            await setup("DROP TABLE hot")

    with observing(tmp_path, {"mariadb:mariadb": mariadb_server.dsn}) as observer:
        asyncio.run(story())
    check(observer, MARIADB)
