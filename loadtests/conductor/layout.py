"""Which pods and databases a run has, and who uses what. Pure: a scenario and a storage system's name decide it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, islice

from loadtests import storagenames
from loadtests.scenario import MAIN_CLUSTER, Scenario
from loadtests.storagenames import SIDES, StorageName
from loadtests.timeline.context import Components


@dataclass(frozen=True)
class PodLayout:
    """A pod. `databases`: what its storage calls a database (`postgres`, or `legacy` and `upgraded`) → which one of the
    run's it is."""

    name: str
    accounts: tuple[str, ...]
    weight: int = 1
    databases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """`databases`: name in the run → the storage system that it is for."""

    pods: tuple[PodLayout, ...]
    databases: Mapping[str, StorageName]

    @property
    def components(self) -> Components:
        return Components(self.pods, tuple(self.databases))

    def role_of(self, database: str) -> str:
        """What its storage calls a database of the run, whichever cluster it is of."""
        return next(role for pod in self.pods for role, name in pod.databases.items() if name == database)

    def side_of(self, database: str) -> str:
        """`legacy` or `upgraded`; empty for the database of a storage that is not dual."""
        role = self.role_of(database)
        return role if role in SIDES else ""


def layout(scenario: Scenario, storage: str | None) -> Layout:
    """`storage` None: a pod that we did not start, whose databases we do not know."""
    needed = storagenames.databases(storage) if storage else {}
    numbers = count(1)
    pods: list[PodLayout] = []
    databases: dict[str, StorageName] = {}
    for pod in scenario.all_pods:
        suffix = "" if pod.cluster == MAIN_CLUSTER else f"-{pod.cluster}"
        used = {role: f"{role}{suffix}" for role in needed}  # `upgraded`, or `upgraded-eu` of the cluster `eu`
        accounts = tuple(f"account-{number:04d}" for number in islice(numbers, pod.accounts))
        pods.append(PodLayout(pod.name, accounts, pod.weight, used))
        databases |= {used[role]: name for role, name in needed.items()}
    return Layout(tuple(pods), databases)
