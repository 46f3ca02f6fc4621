"""A transaction that is left open after its last statement: its locks stay until the server ends the idle session."""

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import faulty_transactions, own_session, use_statements
from loadtests.pod.storage.contract import Accepted, Call, StorageError
from loadtests.pod.storage.sql.database import Job, SqlDatabase, SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_EVERY: Final = 10
"""After one of so many accepts."""


async def _forget(database: SqlDatabase, call: Call) -> None:
    """Begins a transaction that nothing ends before the pod stops."""
    with suppress(StorageError):
        async with own_session(database, call) as db:
            await db.begin(snapshot=False)
            await db.run("change_queue", call.account)
            await asyncio.Event().wait()


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "forgotten_commit")
    database, numbers = faulty_transactions(pod), count(1)
    accepted = asyncio.Queue[Call]()

    async def wrapped(call: Call, job: Job[Any], db: SqlSession) -> Any:
        answer = await job(db)
        if call.operation == "chat.accept" and isinstance(answer, Accepted) and next(numbers) % _EVERY == 0:
            accepted.put_nowait(call)
        return answer

    async def forget() -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(_forget(database, await accepted.get()))

    database.wrappers.append(wrapped)
    pod.jobs.append(forget)


FAULT = Fault(
    title=f"after one of {_EVERY} accepts a transaction changes the account's queue and is never committed",
    operation="chat.accept",
    cause="idle_in_transaction",
    install=_install,
)
