"""What the readers of run directories give: small values, without arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtests.records.rundirectory import RunDirectory

Window = tuple[int, int]
"""From, to (exclusive), in nanoseconds."""


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same time in windows that neither touch nor overlap, in order."""
    out: list[Window] = []
    for begin, end in sorted(w for w in windows if w[0] < w[1]):
        if out and begin <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((begin, end))
    return tuple(out)


def length_ns(windows: Iterable[Window]) -> int:
    return sum(end - begin for begin, end in windows)


@dataclass(frozen=True)
class RunStage:
    """A stage as it happened; as it was planned where the timeline was not written. Times in ns since the origin."""

    name: str
    started_ns: int
    ended_ns: int
    judge: bool


def judged(all_stages: Sequence[RunStage]) -> tuple[Window, ...]:
    """The windows of the stages that are marked as judged."""
    return merged((stage.started_ns, stage.ended_ns) for stage in all_stages if stage.judge)


@dataclass(frozen=True)
class TimelineEvent:
    """An action, or a fault. `number` is its position in its run, from 1: plots show it, and the table below
    explains it. Times in ns since the origin; `ended_ns` None: it still lasted when the run ended."""

    number: int
    kind: str
    subject: str
    words: str
    started_ns: int
    ended_ns: int | None
    result: str
    error: str = ""
    do: str = ""
    stage: str = ""
    pods: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.kind == "action" and self.result == "ok"

    def counted(self, name: str) -> int:
        """A number that the action returned; 0 when it returned none of that name."""
        count = self.found.get(name)
        return count if isinstance(count, int) and not isinstance(count, bool) else 0


MOST_DRAWN = 100
"""Actions and faults in a plot: a thousand take half a minute and half a gigabyte."""


@dataclass(frozen=True)
class StudyRun:
    """One run's documents and stages. `manifest` is empty, `end` and `ledger` are None, when never written.

    `storage` is the storage system as requested, or a foreign target's label; without a manifest, the name in the
    directory's name.
    """

    directory: RunDirectory
    storage: str
    manifest: Mapping[str, Any]
    end: Mapping[str, Any] | None
    ledger: Mapping[str, Any] | None
    stages: tuple[RunStage, ...]
    events: tuple[TimelineEvent, ...] = ()
    pods: tuple[str, ...] = ()
    """As in the manifest, followed by those that only the operations name."""
    calibration: Mapping[str, Any] | None = None
    """None when nothing was calibrated."""
    unreadable: tuple[str, ...] = ()
    """Why existing documents could not be read, one sentence each; these count as never written."""

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def drawn(self) -> tuple[TimelineEvent, ...]:
        """The events that plots show: each takes a line of its own."""
        return self.events[:MOST_DRAWN]

    @property
    def completed(self) -> bool:
        return self.end is not None and self.end.get("reason") == "completed"

    @property
    def ending(self) -> str:
        """Why the run ended, in the words of `end.json`; `aborted` when it was never written."""
        return "aborted" if self.end is None else str(self.end.get("reason", "unknown"))

    @property
    def judged(self) -> tuple[Window, ...]:
        """The windows that count: the judged stages, or the whole run where none is marked."""
        return judged(self.stages) or merged((s.started_ns, s.ended_ns) for s in self.stages)

    @property
    def started_ns(self) -> int:
        return min((s.started_ns for s in self.stages), default=0)

    @property
    def ended_ns(self) -> int:
        ends = [s.ended_ns for s in self.stages]
        return max([*ends, int((self.end or {}).get("ended_ns") or 0)], default=0)


def ledger_checks(run: StudyRun) -> list[Mapping[str, object]]:
    return [c for c in (run.ledger or {}).get("checks") or () if isinstance(c, dict)]


@dataclass(frozen=True)
class Calibrated:
    """One figure of a run's `calibration.json`; `value` and the tolerance `bar` are None where there is no number."""

    run: str
    engine: str
    database: str
    source: str
    figure: str
    value: float | None
    unit: str
    bar: float | None
    verdict: str
    n: int
    reason: str


WHOLE = 0.9
"""Share of the judged time from which on growth counts as that of all of it."""


@dataclass(frozen=True)
class CounterGrowth:
    """Totals of one database. `grown` is by counter, over `seen_s` of the `judged_s`; counters that the server does not
    have are missing, and all are when `seen_s` is 0. `spans` are the times covered in a run, `resets` the resets."""

    engine: str
    judged_s: float
    seen_s: float = 0.0
    resets: int = 0
    grown: Mapping[str, int] = field(default_factory=dict)
    spans: tuple[Window, ...] = ()

    def __add__(self, other: "CounterGrowth") -> "CounterGrowth":
        """That of two runs."""
        grown = {name: self.grown.get(name, 0) + other.grown.get(name, 0) for name in {**self.grown, **other.grown}}
        times = self.judged_s + other.judged_s, self.seen_s + other.seen_s
        return CounterGrowth(self.engine or other.engine, *times, self.resets + other.resets, grown)

    @property
    def seen(self) -> float:
        """The share of the judged time that the growth covers."""
        return min(self.seen_s / self.judged_s, 1.0) if self.judged_s else 0.0

    @property
    def whole(self) -> bool:
        return self.seen >= WHOLE and not self.resets

    def per_s(self, counter: str) -> float | None:
        grown = self.grown.get(counter)
        return None if grown is None or not self.seen_s else grown / self.seen_s


@dataclass(frozen=True)
class Handshakes:
    """Of a storage's rounds together. `judged` and `whole` are HTTP statuses → how often, in the judged stages and in
    the whole run; `details` are error and sentence → how often, in the whole run. `exact`: false when a worker was lost
    or a run does not record it."""

    judged: Mapping[str, int]
    whole: Mapping[str, int]
    details: Mapping[tuple[str, str], int]
    exact: bool


UNNAMED = "not told"

NO_HOLDER = "none (between retries)"

WRITE_LOCK = "write lock"
