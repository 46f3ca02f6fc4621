"""The storage systems by name: `engine[:choice]`, such as `postgres:optimistic`."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from loadtests.pod.storage.contract import Promises, Storage, TransactionSink
from loadtests.records.rundirectory import safe_name

STORAGES: dict[str, str] = {
    "memory": "loadtests.pod.storage.memory",
    "sqlite": "loadtests.pod.storage.sqlite.storage",
    "postgres:pessimistic": "loadtests.pod.storage.postgres.storage",
    "postgres:optimistic": "loadtests.pod.storage.postgres.storage",
    "postgres:none": "loadtests.pod.storage.postgres.storage",
    "mariadb:pessimistic": "loadtests.pod.storage.mariadb.storage",
    "mariadb:optimistic": "loadtests.pod.storage.mariadb.storage",
    "mariadb:none": "loadtests.pod.storage.mariadb.storage",
}
"""Full name → the module behind it, imported only when it is asked for. Each has `promises(*choices)` and
`create(*choices, dsn=…, record=…, pod=…)`."""

SHORT: dict[str, str] = {"postgres": "postgres:pessimistic", "mariadb": "mariadb:pessimistic"}
"""Short name → the full name that it stands for."""

WITHOUT_DATABASE: frozenset[str] = frozenset({"memory"})


class StorageNameError(ValueError):
    """No storage system can be made of what was given: the message says what could."""


@dataclass(frozen=True)
class StorageName:
    """A storage system's full name in parts: `postgres` and `("pessimistic",)`."""

    engine: str
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ":".join((self.engine, *self.choices))

    @property
    def directory(self) -> str:
        """The name as a directory's: `postgres-pessimistic`."""
        return safe_name(str(self))


def parse(name: str) -> StorageName:
    """The full name behind a long or short one. Raises StorageNameError for a name that nobody has."""
    full = SHORT.get(name, name)
    if full not in STORAGES:
        raise StorageNameError(_unknown(name))
    engine, *choices = full.split(":")
    return StorageName(engine, tuple(choices))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*STORAGES, *SHORT], n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    known = [*STORAGES, *(f"{short} (= {full})" for short, full in SHORT.items())]
    return f"unknown storage {name[:60]!r}{hint} Known are {', '.join(known)}."


def databases(name: str) -> Mapping[str, StorageName]:
    """The databases that a storage system needs, by the names that they have in a run: a simple one's is named by
    its engine."""
    full = parse(name)
    return {} if full.engine in WITHOUT_DATABASE else {full.engine: full}


def promises(name: str) -> Promises:
    """What a storage system vouches for, without connecting to it."""
    full = parse(name)
    return cast(Promises, _module(full).promises(*full.choices))


def create(name: str, dsns: Mapping[str, str], record: TransactionSink, pod: str) -> Storage:
    """A storage system, not started yet. `dsns`: database's name → its DSN, a file's path for sqlite.

    `record` is called with every transaction, on the event loop's thread; `pod` names the pod to the database.
    """
    full = parse(name)
    if missing := [database for database in databases(name) if not dsns.get(database)]:
        raise StorageNameError(f"storage {full} needs a DSN for {' and '.join(missing)}: set LOADTESTS_DSN")
    dsn = dsns.get(full.engine, "")
    return cast(Storage, _module(full).create(*full.choices, dsn=dsn, record=record, pod=pod))


def _module(name: StorageName) -> Any:
    return import_module(STORAGES[str(name)])
