"""PostgreSQL as a storage system."""

from loadtests.pod.storage.contract import Storage, TransactionSink
from loadtests.pod.storage.postgres.driver import PostgresDriver
from loadtests.pod.storage.sql.storage import SqlStorage


def create(locking: str, *, dsn: str, record: TransactionSink, pod: str) -> Storage:
    return SqlStorage(PostgresDriver(dsn, pod), record, locking)
