"""A range read `FOR UPDATE` at REPEATABLE READ, the default of InnoDB: no row is in the range, and the gap is locked in
which other transactions want to insert."""

import asyncio
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import own_session, repeat, sql_storage, use_statements
from loadtests.pod.storage.sql.database import SqlDatabase
from loadtests.pod.storage.sql.operations import MAINTENANCE

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_WAIT_FOR_S: Final = 7.5
_AGAIN_S: Final = 0.3


async def _take_turn(database: SqlDatabase) -> None:
    """A job that has its turn and does not pass it on."""
    async with database.driver.session() as connection:
        await connection.execute(database.driver.statements["take_turn"], ())
        await asyncio.Event().wait()


async def _tidy(database: SqlDatabase) -> None:
    """A job that makes sure that no chat is newer than those it knows, and waits for its turn to go on."""
    async with own_session(database, MAINTENANCE) as db:
        await db.run("begin_at_repeatable_read")
        await db.begin(snapshot=False)
        for account, chat in await db.rows("newest_chats"):
            await db.rows("lock_newer_chats", account, chat)
        await db.rows("wait_for_turn", _WAIT_FOR_S)
        await db.commit()


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "gap_locks")
    database = sql_storage(pod).database
    pod.jobs.append(lambda: _take_turn(database))
    pod.jobs.append(lambda: repeat(_AGAIN_S, lambda: _tidy(database)))


FAULT = Fault(
    title=f"a job locks the range after the newest chat at REPEATABLE READ and commits {_WAIT_FOR_S:g} s later",
    operation="chat.offer",
    cause="gap_lock",
    install=_install,
)
