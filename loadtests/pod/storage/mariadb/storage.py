"""MariaDB as a storage system."""

from loadtests.pod.storage.contract import Promises, Storage, TransactionSink
from loadtests.pod.storage.mariadb.driver import MariadbDriver
from loadtests.pod.storage.sql.storage import SqlStorage
from loadtests.pod.storage.sql.storage import promises as sql_promises


def promises(locking: str) -> Promises:
    return sql_promises(locking)


def create(locking: str, *, dsn: str, record: TransactionSink, pod: str) -> Storage:
    return SqlStorage(MariadbDriver(dsn, pod), record, locking)
