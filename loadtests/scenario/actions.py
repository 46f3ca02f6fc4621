"""What a timeline does in mid-run, as frozen values: one class for each `do`, which also says it in words."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from loadtests.configuration.values import LongerThanNothing, Model, Name, Seconds
from loadtests.credentials import without_credentials

Mode = Literal["legacy", "dual", "upgraded"]
Locking = Literal["pessimistic", "optimistic", "none"]
HeldOperation = Literal["connection.create", "subscription.create", "chat.offer", "chat.accept", "message.send"]
Engine = Literal["postgres", "mariadb"]

_SIDES = {"legacy": "the legacy storage", "dual": "both storages", "upgraded": "the upgraded storage"}

_Pods = Annotated[tuple[Name, ...], Field(default=(), strict=False, description="Absent: all of them.")]
_Database = Annotated[
    Name | None,
    Field(default=None, description="legacy or upgraded, or a server's name. Absent: all of them."),
]


class _Act(Model):
    """`words` is one line for people, on plots and pages."""

    all_of: ClassVar[str] = "database"
    """What it acts on where it names nothing."""

    stage: Name = Field(description="The stage in which it happens.")
    after_s: Seconds = Field(default=0.0, alias="after", description="How long after the stage's beginning.")

    @property
    def subject(self) -> str:
        """What it acts on: a database before the pods that it is meant for."""
        if getattr(self, "worker", False):
            return "worker"
        if database := getattr(self, "database", None):
            return f"database {database}"
        pods: Sequence[str] = getattr(self, "pods", ())
        return f"{'pod' if len(pods) == 1 else 'pods'} {', '.join(pods)}" if pods else self.all_of


def _pods_of(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "all pods"


class Migrate(_Act):
    """Moves accounts between the two sides of a dual storage."""

    all_of = "all pods"

    do: Literal["migrate"]
    to: Mode
    share: int = Field(default=100, ge=0, le=100, description="Per cent of the accounts that are there afterwards.")
    pods: _Pods

    @property
    def words(self) -> str:
        return f"{self.share} % of {_pods_of(self.pods)} to {_SIDES[self.to]}"


class Relock(_Act):
    """Switches how an SQL storage locks, while it works."""

    do: Literal["relock"]
    locking: Locking
    pods: _Pods
    database: _Database

    @property
    def words(self) -> str:
        return f"locking of {self.subject} becomes {self.locking}"


class Hold(_Act):
    """A session of its own that holds the locks of an operation, as a transaction that is stuck does."""

    do: Literal["hold"]
    operation: HeldOperation
    for_s: LongerThanNothing = Field(alias="for")
    pods: _Pods
    database: _Database

    @property
    def words(self) -> str:
        return f"a stuck transaction holds the locks of {self.operation} on {_pods_of(self.pods)}"


class Maintain(_Act):
    """Runs SQL on a database: an index build, ALTER, VACUUM, OPTIMIZE. On an engine that is not named it does
    nothing."""

    do: Literal["maintain"]
    what: str = Field(min_length=1, max_length=60, description="What it is, in a few words.")
    statements: dict[Engine, str] = Field(min_length=1, description="By engine; several end with ; each.")
    within_s: LongerThanNothing = Field(default=60.0, alias="within", description="It is cut off after this time.")
    database: _Database

    @property
    def words(self) -> str:
        return f"{self.what} on {self.subject}"


class Resize(_Act):
    """Makes a database server larger or smaller."""

    do: Literal["resize"]
    connections: int | None = Field(default=None, ge=10, le=10_000)
    memory_mb: int | None = Field(default=None, ge=16, le=1_000_000)
    cores: int | None = Field(default=None, ge=1, le=1024)
    database: _Database

    @property
    def words(self) -> str:
        cores = "core" if self.cores == 1 else "cores"
        sizes = ((self.connections, "connections"), (self.memory_mb, "MB of memory"), (self.cores, cores))
        said = ", ".join(f"{size} {name}" for size, name in sizes if size is not None)
        return f"{self.subject} resized: {said}"


class Sweep(_Act):
    """Removes orphaned subscriptions, as the pod's operator would."""

    all_of = "all pods"

    do: Literal["sweep"]
    pods: _Pods

    @property
    def words(self) -> str:
        return f"orphans of {_pods_of(self.pods)} swept"


class Recreate(_Act):
    """Throws a database server's data away and begins with an empty one at the same address."""

    do: Literal["recreate"]
    database: _Database

    @property
    def words(self) -> str:
        return f"{self.subject} re-created, empty"


class Kill(_Act):
    """Kills a pod, a database server or one of the load's workers; what was killed is started again after `for`."""

    do: Literal["kill"]
    for_s: LongerThanNothing | None = Field(default=None, alias="for", description="Absent: for the rest of the run.")
    pods: tuple[Name, ...] = Field(default=(), strict=False)
    database: Name | None = None
    worker: bool = False

    @property
    def words(self) -> str:
        return f"{self.subject} killed"


class Pause(_Act):
    """Stops a pod, a database server or a worker where it stands, as a host that hangs does, and lets it go on."""

    do: Literal["pause"]
    for_s: LongerThanNothing = Field(alias="for")
    pods: tuple[Name, ...] = Field(default=(), strict=False)
    database: Name | None = None
    worker: bool = False

    @property
    def words(self) -> str:
        return f"{self.subject} paused"


class Cut(_Act):
    """Cuts the network between pods and a database: every connection is reset, or nothing passes any more."""

    do: Literal["cut"]
    how: Literal["reset", "blackhole"]
    for_s: LongerThanNothing = Field(alias="for")
    pods: _Pods
    database: _Database

    @property
    def words(self) -> str:
        done = "reset" if self.how == "reset" else "black-holed"
        where = f"database {self.database}" if self.database else "database"
        return f"network between {_pods_of(self.pods)} and {where} {done}"


class Run(_Act):
    """Runs a command of yours."""

    all_of = "yours"

    do: Literal["run"]
    command: tuple[str, ...] = Field(min_length=1, strict=False, description="Program and arguments; no shell.")
    within_s: LongerThanNothing = Field(default=60.0, alias="within")

    @property
    def words(self) -> str:
        return f"{self.command[0]} run"


class Http(_Act):
    """Makes a call of yours; any answer below 400 is good."""

    all_of = "yours"

    do: Literal["http"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: str = Field(min_length=1, max_length=2000)
    headers: dict[str, str] = Field(default_factory=dict, description="Secrets only as ${env:NAME}.")
    body: str = Field(default="", max_length=100_000)
    within_s: LongerThanNothing = Field(default=10.0, alias="within")

    @property
    def words(self) -> str:
        return f"{self.method} {without_credentials(self.url).partition('?')[0]}"


Action = Annotated[
    Migrate | Relock | Hold | Maintain | Resize | Sweep | Recreate | Kill | Pause | Cut | Run | Http,
    Field(discriminator="do"),
]
