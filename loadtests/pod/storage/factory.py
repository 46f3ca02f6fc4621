"""Storage systems made by their names."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from loadtests import engines
from loadtests.accounts import Mode
from loadtests.pod.storage.contract import Storage, Transaction, TransactionSink
from loadtests.pod.storage.dual.storage import DualStorage
from loadtests.storagenames import SIDES, Policy, StorageName, StorageNameError, dsn_variable, parse


def create_storage(
    name: str, dsns: Mapping[str, str], record: TransactionSink, pod: str, starts_on: Mode = "dual"
) -> Storage:
    """A storage system, not started yet. `dsns`: by the names of `databases`; the database file's path for sqlite.

    `record` is called with every transaction, on the event loop's thread; `pod` names the pod to the database.
    `starts_on`: the mode in which a dual one begins. Raises StorageNameError.
    """
    full = parse(name)
    if not full.sides:
        return _create_one(full, full.engine, dsns, record, pod)
    legacy, upgraded = (
        _create_one(system, side, dsns, record, pod) for side, system in zip(SIDES, full.sides, strict=True)
    )
    policy = cast(Policy, full.choices[0] if full.choices else "count")
    return DualStorage(str(full), legacy, upgraded, starts_on, policy)


def _create_one(
    name: StorageName, database: str, dsns: Mapping[str, str], record: TransactionSink, pod: str
) -> Storage:
    def record_with_database(transaction: Transaction) -> None:
        record(replace(transaction, database=database))

    dsn = dsns.get(database, "")
    if not dsn and engines.ENGINES[name.engine].runs != "in pod":
        raise StorageNameError(f"storage {name} needs a DSN: set {dsn_variable(database)}")
    create = engines.load(name.engine, "storage")
    return cast(Storage, create(*name.choices, dsn=dsn, record=record_with_database, pod=pod))
