"""Transactions at SERIALIZABLE that all read what all others change: of those that overlap one commits, and the others
begin again, and again."""

from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import begin_with, faulty_transactions, sql_storage, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_ATTEMPTS: Final = 40


async def _count(db: SqlSession) -> None:
    await db.rows("count_offered_chats", db.account)


def _install(pod: "PodApplication") -> None:
    driver = sql_storage(pod).driver
    driver.session_settings = {**driver.session_settings, "default_transaction_isolation": "serializable"}
    faulty_transactions(pod).attempts = _ATTEMPTS
    use_statements(pod, "serializable")
    begin_with(pod, ("chat.offer", "chat.accept", "message.send", "chat.close"), _count)


FAULT = Fault(
    title=f"transactions are SERIALIZABLE, first count the offered chats, and are tried {_ATTEMPTS} times",
    operation="message.send",
    cause="serialization_failure",
    install=_install,
)
