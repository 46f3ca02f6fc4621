"""The parent row locked `FOR UPDATE` where `FOR NO KEY UPDATE` would do: inserts of children, which lock it `FOR KEY
SHARE` for their foreign key, wait for the commit."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import begin_with, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


async def _lock(db: SqlSession) -> None:
    await db.rows("lock_parent", db.account)


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "parent_lock")
    begin_with(pod, ("message.send",), _lock)


FAULT = Fault(
    title="each message.send locks its account FOR UPDATE, for which inserts of connections wait by their foreign key",
    operation="connection.create",
    cause="lock_queue",
    install=_install,
)
