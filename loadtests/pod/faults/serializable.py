"""Transactions at SERIALIZABLE that all read what all others change: of those that overlap, one commits, and the others
begin again."""

from typing import TYPE_CHECKING

from loadtests.pod.faults.contract import Fault
from loadtests.pod.faults.transactions import begin_with, sql_storage, use_statements
from loadtests.pod.storage.sql.database import SqlSession

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication


async def _count(db: SqlSession) -> None:
    await db.rows("count_offered_chats", db.account)


def _install(pod: "PodApplication") -> None:
    driver = sql_storage(pod).driver
    driver.session_settings = {**driver.session_settings, "default_transaction_isolation": "serializable"}
    use_statements(pod, "serializable")
    begin_with(pod, ("chat.offer", "chat.accept", "message.send", "chat.close"), _count)


FAULT = Fault(
    title="transactions are SERIALIZABLE, and those about chats first count the offered ones",
    operation="message.send",
    cause="serialization_failure",
    install=_install,
)
