"""Two rows updated in the order of sender and receiver: transactions of both directions lock each other out, and the
server ends one of them."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import begin_with, end_with, make_tables, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


def _side(db: SqlSession) -> int:
    """Which of the two rows comes first, evenly."""
    return int(db.key, 16) % 2


async def _first(db: SqlSession) -> None:
    await db.run("tally", db.account, _side(db))


async def _second(db: SqlSession) -> None:
    await db.run("tally", db.account, 1 - _side(db))


def _install(pod: "PodApplication") -> None:
    use_statements(pod, "lock_order")
    make_tables(pod, "make_tallies")
    begin_with(pod, ("message.send",), _first)
    end_with(pod, ("message.send",), _second)


FAULT = Fault(
    title="each message.send updates two rows of its account, half of them in the opposite order",
    operation="message.send",
    cause="deadlock",
    install=_install,
)
