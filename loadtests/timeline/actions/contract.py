"""The base class of timeline actions: all declarations with their defaults."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from loadtests.configuration.problems import Finding
from loadtests.configuration.values import Model, Name, Seconds
from loadtests.timeline.context import ActionContext, Components, Found

WORKER = "the load's last worker"

Capability = Literal["dual", "database", "server", "session"]
"""What a storage system may offer: two sides; databases; and engines with a private server, or with sessions that
lock rows and run SQL."""

PodNames = Annotated[tuple[Name, ...], Field(default=(), strict=False, description="Absent: all of them.")]
DatabaseName = Annotated[
    Name | None,
    Field(default=None, description="legacy or upgraded, or a server's name. Absent: all of them."),
]


class Need(NamedTuple):
    """A capability that the storage must have, and the words for it in a message. `every`: of all databases that the
    action touches, rather than of at least one. `if_touched`: nothing is needed when it touches none."""

    capability: Capability
    expected: str
    every: bool = True
    if_touched: bool = False


class Touched(NamedTuple):
    """The components that an action affects."""

    pods: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    worker: bool = False

    @property
    def names(self) -> list[str]:
        """In one order for all actions, so that two actions that lock several of them cannot deadlock."""
        named = [f"database {name}" for name in self.databases] + [f"pod {name}" for name in self.pods]
        return sorted([*named, WORKER] if self.worker else named)


class TimelineAction(Model):
    """An action at a moment of the run. `do` is its name in scenarios; each action overrides what applies to it."""

    default_subject: ClassVar[str] = "database"
    """What it acts on where it names nothing."""

    need: ClassVar[Need | None] = None
    """What the storage must offer."""

    exclusive: ClassVar[bool] = False
    """No other exclusive action may use the components that it touches until it has ended."""

    may_exit: ClassVar[bool] = False
    """The pods and databases that it touches may exit meanwhile without ending the run."""

    one_database: ClassVar[bool] = False
    """On a dual storage it must name a database."""

    needs_proxy: ClassVar[bool] = False
    """The network between pods and database servers must pass through proxies."""

    allowed_on_targets: ClassVar[bool] = False
    """Allowed with pods that the harness did not start, if the scenario permits it."""

    if TYPE_CHECKING:
        do: str
    stage: Name = Field(description="The stage in which it happens.")
    after_s: Seconds = Field(default=0.0, alias="after", description="How long after the stage's beginning.")

    @property
    def words(self) -> str:
        """One line about it, for plots and pages."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """What it acts on: the database rather than the pods for which it acts on it."""
        if getattr(self, "worker", False):
            return "worker"
        if database := getattr(self, "database", None):
            return f"database {database}"
        pods: Sequence[str] = getattr(self, "pods", ())
        return f"{'pod' if len(pods) == 1 else 'pods'} {', '.join(pods)}" if pods else self.default_subject

    def touched(self, run: Components) -> Touched:
        """The components that it affects, for its row, its locks and expected exits: those of its keys `pods` and
        `database`, all of them where the key is absent from the scenario."""
        keys = type(self).model_fields
        return Touched(
            run.chosen_pods(getattr(self, "pods", ())) if "pods" in keys else (),
            run.chosen_databases(getattr(self, "database", None)) if "database" in keys else (),
        )

    def locked(self, run: Components) -> list[str]:
        """The components that no other exclusive action may use meanwhile, in words."""
        return self.touched(run).names if self.exclusive else []

    @property
    def planned_s(self) -> float:
        """How long it lasts by plan, which its key `for` says; infinite: to the end of the run; 0: not known before."""
        for_s: float | None = getattr(self, "for_s", 0.0)
        return inf if for_s is None else for_s

    @property
    def server_sizes(self) -> Mapping[str, int]:
        """Sizes that it gives to the database servers that it touches."""
        return {}

    @property
    def program(self) -> str:
        """The program that it runs with the user's rights, which the user must allow; empty for none."""
        return ""

    @property
    def called_url(self) -> str:
        """An address to which it sends secrets; empty for none."""
        return ""

    @classmethod
    def check_written(cls, written: Mapping[str, Any]) -> Iterator[Finding]:  # noqa: ARG003
        """Problems of the action as written in the scenario, from plain data: other problems are reported with them."""
        return iter(())

    def check_host(self, hosts_owned: Sequence[str]) -> Iterator[Finding]:  # noqa: ARG002
        """Problems that this host has with it."""
        return iter(())

    async def perform(self, context: ActionContext) -> Found:
        """Carries it out; returns when its effect has ended. Reverts the effect also when cancelled. Raises
        ActionFailed, ServerUnavailable or TimeoutError."""
        raise NotImplementedError


def all_or(names: Sequence[str]) -> str:
    """Pods in words."""
    return ", ".join(names) if names else "all pods"
