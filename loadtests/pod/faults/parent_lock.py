"""The parent row locked `FOR UPDATE` where `FOR NO KEY UPDATE` would do: inserts of children, which lock it `FOR KEY
SHARE` for their foreign key, wait for the commit."""

from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import repeat, sql_storage, use_statements, work_for
from loadtests.pod.storage.sql.database import SqlSession
from loadtests.pod.storage.sql.operations import MAINTENANCE

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_WORK_FOR_S: Final = 8.0
_AGAIN_S: Final = 0.3


async def _recount(db: SqlSession) -> None:
    """A job that brings the accounts up to date, their rows locked meanwhile."""
    await db.rows("lock_parents")
    await work_for(db, _WORK_FOR_S)


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "parent_lock", "slow_work")
    database = sql_storage(pod).database
    pod.jobs.append(lambda: repeat(_AGAIN_S, lambda: database.write(MAINTENANCE, _recount)))


FAULT = Fault(
    title=f"a job locks the accounts FOR UPDATE for {_WORK_FOR_S:g} s, and inserts wait for them by their foreign keys",
    operation="connection.create",
    cause="lock_queue",
    install=_install,
)
