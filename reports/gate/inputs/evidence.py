"""The evidence of a study as plain values: everything that the judge needs, already read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

BLOCK_NS: Final = 5_000_000_000
"""Length of a time block, the unit of evidence: attempts of one block wait for the same locks and are bad together."""


class BlockCount(NamedTuple):
    """Attempts of one objective that were planned in one time block: how many, how many of them bad, and how many of
    the bad ones the harness or its host may have caused."""

    begins_ns: int
    n: int
    bad: int
    unattributed: int = 0

    def __add__(self, other: "BlockCount") -> "BlockCount":  # type: ignore[override]  # no concatenation
        bad, unattributed = self.bad + other.bad, self.unattributed + other.unattributed
        return BlockCount(self.begins_ns, self.n + other.n, bad, unattributed)


class BlockGrid(NamedTuple):
    """Where time blocks begin: at `begins_ns`, the first judged moment of the run, and each `length_ns` later."""

    begins_ns: int = 0
    length_ns: int = BLOCK_NS

    def position(self, at_ns: int) -> int:
        """The number of the block that holds the moment: in each round the same part of the scenario."""
        return (at_ns - self.begins_ns) // self.length_ns

    def begin_of(self, at_ns: int) -> int:
        return self.begins_ns + self.position(at_ns) * self.length_ns


NO_GRID = BlockGrid()


@dataclass(frozen=True)
class Counts:
    """Attempts of one objective planned in judged time: `good`, and `bad` (slow, failed or unknown). Refusals are in
    neither. `unattributed` of the bad ones were cut off by the end of the run before they were slow, or failed by a
    limit of the generator's host."""

    good: int
    bad: int
    refused: int = 0
    unattributed: int = 0
    blocks: tuple[BlockCount, ...] = ()
    """The same attempts by time block; none: it is not known when they were."""
    grid: BlockGrid = NO_GRID

    @property
    def n(self) -> int:
        return self.good + self.bad

    def __add__(self, other: "Counts") -> "Counts":
        """Without the time blocks."""
        return Counts(
            self.good + other.good,
            self.bad + other.bad,
            self.refused + other.refused,
            self.unattributed + other.unattributed,
        )


NO_ATTEMPTS = Counts(0, 0)


@dataclass(frozen=True)
class ProbeCoverage:
    """How much of the judged time the observer covered: all but `blind_s` of `judged_s`."""

    judged_s: float
    blind_s: float
    reason: str = ""


@dataclass(frozen=True)
class LedgerCheck:
    check: str
    verdict: str
    count: int | None
    reason: str = ""
    known: str = ""
    """The evidence: `rows`, `storage` or both; empty where the ledger does not state it."""


@dataclass(frozen=True)
class Kept:
    """Operations begun, and how many were written and found. `lost` None: unknown."""

    lost: int | None
    lost_at_most: int | None
    written: int
    found: int

    @property
    def missing_at_most(self) -> int:
        """The most operations that have no row; 0 where no bound is known, which `soundness` reports."""
        lost = self.lost if self.lost is not None else self.lost_at_most or 0
        return max(lost, 0) + max(self.written - self.found, 0)


@dataclass(frozen=True)
class RunEvidence:
    """One run. `broken` is the reason why it could not be read; nothing else counts then. None in any other field means
    that the run directory does not contain it."""

    run: str
    storage: str
    round: int | None = None
    broken: str = ""
    reason: str | None = None
    """Why the run ended; None: it was aborted."""
    detail: str = ""
    kept: Kept | None = None
    saturated: bool | None = None
    strain: str = ""
    """The strain of the load generator, as text."""
    slowed: bool = True
    """Whether a saturated generator may have been slow, rather than only out of ports or descriptors."""
    exhausted: str = ""
    """Resources of this host that pods, servers or observer ran out of, as text."""
    host_load: str = ""
    """When other load slowed the run, as text; empty without other load."""
    coverage: ProbeCoverage | None = None
    no_orphans: bool | None = None
    """Whether the storage promises to leave none."""
    commit_survives: str | None = None
    ledger: tuple[LedgerCheck, ...] | None = None
    pods: tuple[str, ...] = ()
    """Its pods, where there are several."""
    counts: Mapping[str, Counts] = field(default_factory=dict)
    """By the objective's name."""
    blocks: Mapping[str, tuple[BlockCount, ...]] = field(default_factory=dict)
    """The same in time blocks of `grid`, in order; blocks without an attempt are left out."""
    grid: BlockGrid = NO_GRID
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By the objective's name: why an unknown number of bad attempts is in no count."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """As written, to compare with those of other runs."""
    missing_load: tuple[str, ...] = ()
    """How the load that the rows show differs from the planned one; empty: it does not differ, or that is unknown."""
    undone_actions: tuple[str, ...] = ()
    """Actions of the timeline that failed or never began, one sentence each."""
    without_plan: str = ""
    """Why the rows cannot be compared with the planned load: the run's scenario is missing or different."""
    other_agents: tuple[str, ...] = ()
    """How the number of agents differed from the plan during the load, as reported by the load."""
    started_at: str | None = None
    """ISO 8601, UTC."""
    lasted_s: float | None = None
    """From the start of the run to the end of its load."""

    @property
    def name(self) -> str:
        return self.run


@dataclass(frozen=True)
class Evidence:
    """The runs of a study, in the order they were made."""

    runs: tuple[RunEvidence, ...]

    def storages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run.storage for run in self.runs))

    def of(self, storage: str) -> tuple[RunEvidence, ...]:
        return tuple(run for run in self.runs if run.storage == storage)
