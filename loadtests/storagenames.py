"""The storage systems by name: `engine[:choice]`, such as `postgres:optimistic`, or `dual(LEGACY,UPGRADED)` of two.

Names and what follows from them; the pod makes the storage. A leaf.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from loadtests import engines
from loadtests.engines import ENGINES, Promises, Survives
from loadtests.parts import IncompleteError

Side = Literal["legacy", "upgraded"]
Locking = Literal["pessimistic", "optimistic", "none"]
Policy = Literal["count", "fail"]
"""What happens to a change that the legacy side made and the upgraded side did not: it is counted and answered as made,
or its caller gets an error."""

SIDES: Final[tuple[Side, ...]] = get_args(Side)
LOCKINGS: Final[tuple[Locking, ...]] = get_args(Locking)
DUAL: Final = "dual(LEGACY,UPGRADED)"

_SURVIVES: Final[Sequence[Survives]] = ("nothing", "process_crash", "os_crash", "power_loss")
_DUAL: Final = re.compile(r"dual\((.*)\)(?::(.*))?")


class StorageNameError(ValueError):
    """No storage system can be made of a name; the message says which names are known, or what its engine lacks."""


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


def names() -> list[str]:
    """Every full name but those of dual systems."""
    return [_full(engine, choice.name) for engine, entry in ENGINES.items() for choice in entry.choices]


def short_names() -> dict[str, str]:
    """Short name → the full name that it stands for: the engine's default choice."""
    return {
        engine: _full(engine, entry.choices[0].name)
        for engine, entry in ENGINES.items()
        if entry.choices and entry.choices[0].name
    }


def _full(engine: str, choice: str) -> str:
    return f"{engine}:{choice}" if choice else engine


def parse(name: str) -> StorageName:
    """The full name behind a long or short one. Raises StorageNameError, also for an engine that lacks a part."""
    if name.startswith("dual"):
        return _parse_dual(name)
    full = short_names().get(name, name)
    if full not in names():
        raise StorageNameError(_unknown(name))
    engine, *choices = full.split(":")
    try:
        engines.check(engine)
    except IncompleteError as error:
        raise StorageNameError(str(error)) from None
    return StorageName(engine, tuple(choices))


def _parse_dual(name: str) -> StorageName:
    match = _DUAL.fullmatch(name)
    sides = [side.strip() for side in match[1].split(",")] if match else []
    policy = (match[2] if match else None) or "count"
    if any(side.startswith("dual") for side in sides):
        raise StorageNameError(f"{name[:60]!r}: a side of {DUAL} cannot be dual itself")
    if len(sides) != len(SIDES) or policy not in get_args(Policy):
        raise StorageNameError(
            f"{name[:60]!r}: expected {DUAL}, such as dual(sqlite,postgres); with :fail at its end, a change that the "
            "upgraded side does not make is an error for its caller"
        )
    legacy, upgraded = map(parse, sides)
    return StorageName("dual", () if policy == "count" else (policy,), (legacy, upgraded))


def _unknown(name: str) -> str:
    short = short_names()
    near = difflib.get_close_matches(name, [*names(), *short], n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    known = [*names(), *(f"{one} (= {full})" for one, full in short.items())]
    return f"unknown storage {name[:60]!r}{hint} Known are {', '.join(known)}, and {DUAL} of two of them."


def promises(name: str) -> Promises:
    """What a storage system promises. Raises StorageNameError."""
    full = parse(name)
    if full.sides:
        return weaker(*(promises(str(side)) for side in full.sides))
    return ENGINES[full.engine].choice(":".join(full.choices)).promises


def weaker(legacy: Promises, upgraded: Promises) -> Promises:
    """What holds in every mode: an acknowledged change is on the legacy side alone, on both, or on the upgraded side
    alone, and a run goes from the one to the other."""
    return Promises(
        durable=legacy.durable and upgraded.durable,
        no_orphans=legacy.no_orphans and upgraded.no_orphans,
        commit_survives=min(legacy.commit_survives, upgraded.commit_survives, key=_SURVIVES.index),
    )


def databases(name: str) -> Mapping[str, StorageName]:
    """Every database that a storage system needs: its name in a run (the engine's, or `legacy` and `upgraded`) → the
    storage system in it. Raises StorageNameError."""
    full = parse(name)
    named = zip(SIDES, full.sides, strict=True) if full.sides else [(full.engine, full)]
    return {database: system for database, system in named if ENGINES[system.engine].runs != "in pod"}


def dsn_variable(database: str) -> str:
    """The environment variable that a pod takes this database's DSN from."""
    return f"LOADTESTS_DSN_{database.upper()}" if database in SIDES else "LOADTESTS_DSN"
