"""A statement that computes for long in each transaction: the processors of the database are busy, and no lock is
waited for."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import begin_with, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


async def _compute(db: SqlSession) -> None:
    await db.rows("compute_ranking")


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "cpu_surge")
    begin_with(pod, ("chat.accept",), _compute)


FAULT = Fault(
    title="each chat.accept computes a ranking in the database first",
    operation="chat.accept",
    cause="cpu",
    install=_install,
)
