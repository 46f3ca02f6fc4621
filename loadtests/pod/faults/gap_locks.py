"""A range read `FOR UPDATE` at REPEATABLE READ, the default of InnoDB: it locks every row that it passes and the gaps
between them, in which other transactions want to insert."""

import asyncio
import time
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import sql_storage, use_statements
from loadtests.pod.storage.contract import StorageError
from loadtests.pod.storage.sql.database import SqlSession
from loadtests.pod.storage.sql.operations import MAINTENANCE

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_COUNT_FOR_S: Final = 3.0
_AGAIN_S: Final = 0.5


async def _tidy(db: SqlSession) -> None:
    """A job that works through the closed chats, a statement for each, and commits at its end."""
    until = time.monotonic() + _COUNT_FOR_S
    for account, chat in cycle(await db.rows("lock_closed_chats")):
        await db.rows("count_messages", account, chat)
        if time.monotonic() > until:
            return


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "gap_locks")
    storage = sql_storage(pod)
    storage.driver.session_settings = {**storage.driver.session_settings, "tx_isolation": "'REPEATABLE-READ'"}

    async def tidy() -> None:
        while True:
            await asyncio.sleep(_AGAIN_S)
            with suppress(StorageError):
                await storage.database.write(MAINTENANCE, _tidy)

    pod.jobs.append(tidy)


FAULT = Fault(
    title=f"a job reads the closed chats FOR UPDATE at REPEATABLE READ and works on them for {_COUNT_FOR_S:g} s",
    operation="chat.offer",
    cause="gap_lock",
    install=_install,
)
