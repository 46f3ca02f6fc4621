"""What a fault of the reference pod is: a change of its parts before it starts, and the cause that a judge of the run
should name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from loadtests.faultnames import FAULTS, check_fault
from loadtests.parts import load
from loadtests.pod.topics import Subscriber

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication
    from loadtests.pod.service import Service

CauseClass = Literal[
    "lock_queue",
    "gap_lock",
    "deadlock",
    "serialization_failure",
    "commit_lock",
    "idle_in_transaction",
    "ddl_lock",
    "pool_starvation",
    "double_accept",
    "lost_events",
    "duplicated_events",
    "late_events",
    "orphans",
    "memory_leak",
    "cpu",
    "connection_refused",
    "reconnect_herd",
]
"""Kinds of causes, as verdicts name them."""


@dataclass(frozen=True)
class Fault:
    """A fault in one sentence without its end (`title`). `operation` and `cause` are what a judge should name.

    `install` changes the parts of a pod that has not started yet. It may add to `PodApplication.preparations`, which
    are awaited once the storage has started, and to `PodApplication.jobs`, which run until the pod stops.
    """

    title: str
    operation: str
    cause: CauseClass
    install: Callable[["PodApplication"], None]


def use_subscriber(service: "Service", kind: type[Subscriber]) -> None:
    """Subscribers of the service are of this kind as well, beside that of another fault."""
    service.subscriber = type(kind.__name__, (kind, service.subscriber), {"__slots__": ()})


def load_fault(name: str) -> Fault:
    """Raises FaultNameError for a name that is not in the table, or whose module is not there."""
    check_fault(name)
    return cast(Fault, load(FAULTS[name].place))


def titles(names: Iterable[str]) -> list[dict[str, str]]:
    """The faults as a manifest has them. Raises FaultNameError."""
    return [{"name": name, "title": load_fault(name).title} for name in names]
