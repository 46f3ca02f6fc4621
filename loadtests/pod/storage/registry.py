"""The storage systems by name: `engine[:choice]`, such as `postgres:optimistic`."""

import difflib
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from loadtests.pod.storage.contract import Promises, Storage, TransactionSink
from loadtests.records.rundirectory import safe_name

STORAGES: dict[str, str] = {
    "memory": "loadtests.pod.storage.memory:MemoryStorage",
    "sqlite": "loadtests.pod.storage.sqlite.storage:SqliteStorage",
    "postgres:pessimistic": "loadtests.pod.storage.postgres.pessimistic:PessimisticStorage",
    "postgres:optimistic": "loadtests.pod.storage.postgres.optimistic:OptimisticStorage",
    "redis:always": "loadtests.pod.storage.redis.storage:AlwaysStorage",
    "redis:everysec": "loadtests.pod.storage.redis.storage:EverysecStorage",
}
"""Full name → the class behind it, imported only when it is asked for."""

SHORT: dict[str, str] = {"postgres": "postgres:pessimistic", "redis": "redis:always"}
"""Short name → the full name that it stands for."""

WITHOUT_DSN: frozenset[str] = frozenset({"memory"})


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


def promises(name: str) -> Promises:
    """What a storage system vouches for, without connecting to it."""
    return cast(Promises, _class(parse(name)).promises)  # type: ignore[attr-defined]


def create(name: str, dsn: str | None, record: TransactionSink, pod: str) -> Storage:
    """A storage system, not started yet. `dsn`: the database file's path for sqlite, nothing for memory.

    `record` is called with every transaction, on the event loop's thread; `pod` names the pod to the database.
    """
    full = parse(name)
    if full.engine in WITHOUT_DSN:
        return cast(Storage, _class(full)(record))
    if not dsn:
        raise StorageNameError(f"storage {full} needs a DSN: set LOADTESTS_DSN")
    return cast(Storage, _class(full)(dsn, record, pod))


def _class(name: StorageName) -> type:
    module, _, attribute = STORAGES[str(name)].partition(":")
    return cast(type, getattr(import_module(module), attribute))
