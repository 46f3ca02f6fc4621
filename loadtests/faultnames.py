"""The table of faults that the reference pod can be started with. A leaf of strings: the pod imports their modules."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loadtests import storagenames
from loadtests.parts import why_missing

_ROOM: Final = "loadtests.pod.faults"


@dataclass(frozen=True)
class FaultEntry:
    """`module`: of the room of faults, with a `FAULT`. `storages`: where the fault is real, as engines or storage
    systems; empty: everywhere."""

    module: str
    storages: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{_ROOM}.{self.module}:FAULT"


FAULTS: Final[dict[str, FaultEntry]] = {
    "hot-counter": FaultEntry("hot_counter", ("postgres",)),
    "parent-lock": FaultEntry("parent_lock", ("postgres:pessimistic", "postgres:optimistic")),
    "gap-locks": FaultEntry("gap_locks", ("mariadb",)),
    "serializable": FaultEntry("serializable", ("postgres",)),
    "notify": FaultEntry("notify", ("postgres",)),
    "lock-order": FaultEntry("lock_order", ("postgres",)),
    "forgotten-commit": FaultEntry("forgotten_commit", ("postgres",)),
    "schema-change": FaultEntry("schema_change", ("postgres",)),
    "small-pool": FaultEntry("small_pool", ("postgres", "mariadb")),
    "blind-accept": FaultEntry("blind_accept", ("postgres:optimistic",)),
    "lost-events": FaultEntry("lost_events"),
    "duplicated-events": FaultEntry("duplicated_events"),
    "polled-events": FaultEntry("polled_events"),
    "kept-subscriptions": FaultEntry("kept_subscriptions", ("postgres", "mariadb")),
    "endless-journal": FaultEntry("endless_journal"),
    "cpu-surge": FaultEntry("cpu_surge", ("postgres",)),
    "reconnect-herd": FaultEntry("reconnect_herd"),
    "refused-handshakes": FaultEntry("refused_handshakes"),
}
"""Name in scenarios → its entry. A new fault is a module and a line here."""


class FaultNameError(ValueError):
    """A pod cannot have a fault of this name, or not on its storage system; the message says what is expected."""


def check_fault(name: str) -> None:
    """Raises FaultNameError for a name that is not in the table, or whose module is not there."""
    if name not in FAULTS:
        near = nearest_fault(name)
        hint = f": did you mean {near!r}?" if near else "."
        raise FaultNameError(f"unknown fault {name[:60]!r}{hint} Known are {', '.join(FAULTS)}")
    if why := why_missing(FAULTS[name].place):
        raise FaultNameError(f"fault {name} lacks its module ({why})")


def nearest_fault(name: str) -> str:
    """The known name that is most like this one; empty for a name like none of them."""
    return next(iter(difflib.get_close_matches(name, FAULTS, n=1)), "")


def is_real_on(name: str, storage: str) -> bool:
    """Whether the storage system can have the fault. Raises StorageNameError."""
    full = storagenames.parse(storage)
    suited = FAULTS[name].storages
    return not full.sides and (not suited or str(full) in suited or full.engine in suited)


def unsuited(names: Iterable[str], storage: str) -> str:
    """The first fault that this storage system cannot have, with those that can; empty where it can have all. Raises
    StorageNameError."""
    for name in names:
        if not is_real_on(name, storage):
            where = " or ".join(FAULTS[name].storages) or "a storage system that is not dual"
            return f"{name} needs {where}"
    return ""
