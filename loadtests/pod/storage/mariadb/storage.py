"""MariaDB as a storage system."""

from loadtests.pod.storage.contract import Storage, TransactionSink
from loadtests.pod.storage.mariadb.driver import MariadbDriver
from loadtests.pod.storage.sql.storage import SqlStorage


def create(locking: str, *, dsn: str, record: TransactionSink, pod: str) -> Storage:
    return SqlStorage(MariadbDriver(dsn, pod), record, locking)
