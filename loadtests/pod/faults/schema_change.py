"""`ALTER TABLE` behind a long reader: the change waits for the reader, and each statement that needs the table waits
behind the change."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import repeat, sql_storage, use_statements, work_for
from loadtests.pod.storage.sql.database import SqlSession
from loadtests.pod.storage.sql.operations import MAINTENANCE

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_READ_FOR_S: Final = 8.0
_AGAIN_S: Final = 0.3
_CHANGE_AFTER_S: Final = 0.2
"""How long after the reader began the change is asked for."""


async def _report(db: SqlSession) -> None:
    """Reads all chats, and then other tables for long."""
    await db.rows("count_chats")
    await work_for(db, _READ_FOR_S)


async def _change(db: SqlSession) -> None:
    await db.run("change_schema")


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "schema_change", "slow_work")
    database = sql_storage(pod).database

    async def change() -> None:
        await asyncio.sleep(_CHANGE_AFTER_S)
        await database.write(MAINTENANCE, _change)

    async def deploy() -> Any:
        return await asyncio.gather(database.write(MAINTENANCE, _report), change())

    pod.jobs.append(lambda: repeat(_AGAIN_S, deploy))


FAULT = Fault(
    title=f"ALTER TABLE chats again and again, each time behind a report that lasts {_READ_FOR_S:g} s",
    operation="message.send",
    cause="ddl_lock",
    install=_install,
)
