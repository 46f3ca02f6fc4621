"""`ALTER TABLE` behind a long reader: the change waits for the reader, and each statement that needs the table waits
behind the change."""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import sql_storage, use_statements
from loadtests.pod.storage.contract import StorageError
from loadtests.pod.storage.sql.database import SqlSession
from loadtests.pod.storage.sql.operations import MAINTENANCE

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_READ_FOR_S: Final = 5.0
_AGAIN_S: Final = 1.0
_CHANGE_AFTER_S: Final = 0.2
"""How long after the reader began the change is asked for."""


async def _read(db: SqlSession) -> None:
    """A report over all chats that takes its time, page by page."""
    until = time.monotonic() + _READ_FOR_S
    await db.run("begin_report")
    while time.monotonic() < until:
        await db.rows("read_on")


async def _change(db: SqlSession) -> None:
    await db.run("change_schema")


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "schema_change")
    database = sql_storage(pod).database

    async def change() -> None:
        await asyncio.sleep(_CHANGE_AFTER_S)
        await database.write(MAINTENANCE, _change)

    async def deploy() -> None:
        while True:
            await asyncio.sleep(_AGAIN_S)
            with suppress(StorageError):
                await asyncio.gather(database.write(MAINTENANCE, _read), change())

    pod.jobs.append(deploy)


FAULT = Fault(
    title=f"ALTER TABLE chats again and again, each time behind a report that reads the table for {_READ_FOR_S:g} s",
    operation="message.send",
    cause="ddl_lock",
    install=_install,
)
