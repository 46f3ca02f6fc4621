"""The storage systems by name: `engine[:choice]`, such as `postgres:optimistic`, or `dual(LEGACY,UPGRADED)` of two."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final, cast, get_args

from loadtests.pod.storage.contract import Promises, Storage, Transaction, TransactionSink
from loadtests.pod.storage.dual.calls import Policy
from loadtests.pod.storage.dual.modes import SIDES, Mode
from loadtests.pod.storage.dual.storage import DualStorage, weaker
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
    "redis:always": "loadtests.pod.storage.redis.storage",
    "redis:everysec": "loadtests.pod.storage.redis.storage",
}
"""Full name → the module behind it, imported only when it is asked for. Each has `promises(*choices)` and
`create(*choices, dsn=…, record=…, pod=…)`."""

SHORT: dict[str, str] = {
    "postgres": "postgres:pessimistic",
    "mariadb": "mariadb:pessimistic",
    "redis": "redis:always",
}
"""Short name → the full name that it stands for."""

WITHOUT_DATABASE: frozenset[str] = frozenset({"memory"})

DUAL: Final = "dual(LEGACY,UPGRADED)"

_DUAL = re.compile(r"dual\((.*)\)(?::(.*))?")


class StorageNameError(ValueError):
    """No storage system can be made of what was given: the message says what could."""


@dataclass(frozen=True)
class StorageName:
    """A storage system's full name in parts: `postgres` and `("pessimistic",)`. `sides`: of a dual one, the legacy
    side and the upgraded one."""

    engine: str
    choices: tuple[str, ...] = ()
    sides: tuple["StorageName", ...] = ()

    def __str__(self) -> str:
        sides = f"({','.join(map(str, self.sides))})" if self.sides else ""
        return ":".join((f"{self.engine}{sides}", *self.choices))

    @property
    def directory(self) -> str:
        """The name as a directory's: `postgres-pessimistic`."""
        return safe_name(str(self))


def parse(name: str) -> StorageName:
    """The full name behind a long or short one. Raises StorageNameError for a name that nobody has."""
    if name.startswith("dual"):
        return _parse_dual(name)
    full = SHORT.get(name, name)
    if full not in STORAGES:
        raise StorageNameError(_unknown(name))
    engine, *choices = full.split(":")
    return StorageName(engine, tuple(choices))


def _parse_dual(name: str) -> StorageName:
    match = _DUAL.fullmatch(name)
    sides = [side.strip() for side in match[1].split(",")] if match else []
    policy = (match[2] if match else None) or "count"
    if any(side.startswith("dual") for side in sides):
        raise StorageNameError(f"{name[:60]!r}: a side of {DUAL} cannot be dual itself")
    if len(sides) != len(SIDES) or policy not in get_args(Policy):
        raise StorageNameError(
            f"{name[:60]!r}: expected {DUAL}, such as dual(sqlite,postgres); with :fail at its end, who makes a change "
            "that the upgraded side does not follow is told"
        )
    legacy, upgraded = map(parse, sides)
    return StorageName("dual", () if policy == "count" else (policy,), (legacy, upgraded))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*STORAGES, *SHORT], n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    known = [*STORAGES, *(f"{short} (= {full})" for short, full in SHORT.items())]
    return f"unknown storage {name[:60]!r}{hint} Known are {', '.join(known)}, and {DUAL} of two of them."


def promises(name: str) -> Promises:
    """What a storage system vouches for, without connecting to it."""
    full = parse(name)
    if full.sides:
        return weaker(*(promises(str(side)) for side in full.sides))
    return cast(Promises, _module(full).promises(*full.choices))


def databases(name: str) -> Mapping[str, StorageName]:
    """Name in a run → the storage system in it, of every database that this storage system needs: named by its engine,
    or `legacy` and `upgraded`. Raises StorageNameError."""
    full = parse(name)
    named = zip(SIDES, full.sides, strict=True) if full.sides else [(full.engine, full)]
    return {database: system for database, system in named if system.engine not in WITHOUT_DATABASE}


def dsn_variable(database: str) -> str:
    """The environment variable that a pod takes this database's DSN from."""
    return f"LOADTESTS_DSN_{database.upper()}" if database in SIDES else "LOADTESTS_DSN"


def create(name: str, dsns: Mapping[str, str], record: TransactionSink, pod: str, starts_on: Mode = "dual") -> Storage:
    """A storage system, not started yet. `dsns`: by the names of `databases`; the database file's path for sqlite.

    `record` is called with every transaction, on the event loop's thread; `pod` names the pod to the database.
    `starts_on`: what a dual one begins with. Raises StorageNameError.
    """
    full = parse(name)
    if not full.sides:
        return _simple(full, full.engine, dsns, record, pod)
    legacy, upgraded = (
        _simple(system, side, dsns, record, pod) for side, system in zip(SIDES, full.sides, strict=True)
    )
    policy = cast(Policy, full.choices[0] if full.choices else "count")
    return DualStorage(str(full), legacy, upgraded, starts_on, policy)


def _simple(name: StorageName, database: str, dsns: Mapping[str, str], record: TransactionSink, pod: str) -> Storage:
    def record_there(transaction: Transaction) -> None:
        record(replace(transaction, database=database))

    dsn = dsns.get(database, "")
    if not dsn and name.engine not in WITHOUT_DATABASE:
        raise StorageNameError(f"storage {name} needs a DSN: set {dsn_variable(database)}")
    return cast(Storage, _module(name).create(*name.choices, dsn=dsn, record=record_there, pod=pod))


def _module(name: StorageName) -> Any:
    return import_module(STORAGES[str(name)])
