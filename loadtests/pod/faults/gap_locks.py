"""A range read `FOR UPDATE` at REPEATABLE READ, the default of InnoDB: no row is in the range, and the gap is locked in
which other transactions want to insert."""

import asyncio
import time
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import own_session, sql_storage, use_statements
from loadtests.pod.storage.contract import StorageError
from loadtests.pod.storage.sql.database import SqlDatabase, SqlSession
from loadtests.pod.storage.sql.operations import MAINTENANCE

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_WORK_FOR_S: Final = 3.5
_AGAIN_S: Final = 0.3


async def _tidy(database: SqlDatabase) -> None:
    """A job that makes sure that no chat is newer than those it knows, and counts the messages of each."""
    async with own_session(database, MAINTENANCE) as db:
        await db.run("begin_at_repeatable_read")
        await db.begin(snapshot=False)
        known = [(account, chat) for account, chat in await db.rows("newest_chats")]
        for account, chat in known:
            await db.rows("lock_newer_chats", account, chat)
        await _count(db, known)
        await db.commit()


async def _count(db: SqlSession, chats: list[tuple[str, str]]) -> None:
    until = time.monotonic() + _WORK_FOR_S
    for account, chat in cycle(chats):
        await db.rows("count_messages", account, chat)
        if time.monotonic() > until:
            return


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "gap_locks")

    async def tidy() -> None:
        while True:
            await asyncio.sleep(_AGAIN_S)
            with suppress(StorageError):
                await _tidy(sql_storage(pod).database)

    pod.jobs.append(tidy)


FAULT = Fault(
    title=f"a job locks the range after the newest chat at REPEATABLE READ and commits {_WORK_FOR_S:g} s later",
    operation="chat.offer",
    cause="gap_lock",
    install=_install,
)
