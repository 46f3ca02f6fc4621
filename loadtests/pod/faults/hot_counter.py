"""A counter in one row, updated inside of each transaction: all of them queue for it, one commit at a time."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import begin_with, make_tables, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


async def _count(db: SqlSession) -> None:
    await db.run("count_request")


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "hot_counter")
    make_tables(pod, "make_request_counter", "fill_request_counter")
    begin_with(pod, ("message.send",), _count)


FAULT = Fault(
    title="every message.send updates one counter row in its transaction",
    operation="message.send",
    cause="lock_queue",
    install=_install,
)
