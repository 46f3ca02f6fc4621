"""NOTIFY in each transaction: PostgreSQL lets such transactions commit one at a time, in the whole server."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import end_with, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


async def _notify(db: SqlSession) -> None:
    await db.rows("notify_listeners", db.key)


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "notify")
    end_with(pod, ("message.send",), _notify)


FAULT = Fault(
    title="each message.send ends with a NOTIFY, so that their commits come one at a time",
    operation="message.send",
    cause="commit_lock",
    install=_install,
)
