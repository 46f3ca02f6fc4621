"""When other processes of the host, or its control groups, kept pod, database and load from running. Pure, but for
reading the table; the one reading that conductor, report and gate share."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from loadtests.records.rundirectory import RunDirectory

FOREIGN_SHARE: Final = 0.2
"""Of the host's processors, used by processes that are not of the run."""

RUN_QUEUE_SHARE: Final = 0.4
"""Of the time in which threads of pod, database and load could have run, spent waiting for a processor."""

THROTTLED_SHARE: Final = 0.1
"""Of the time, held up by the quota of a control group."""

MEMORY_SHARE: Final = 0.1
"""Of the time, in which all tasks stood still for want of memory."""

LEAST_NS: Final = 1_000_000_000
"""A shorter stretch is a passing moment."""

AFTERWARDS_NS: Final = 5_000_000_000
"""What had piled up meanwhile is still late for so long."""

_FIGURES: Final = ("foreign_cores", "run_queue_share", "throttled_share", "memory_share")

Sample = tuple[int, Mapping[str, int]]
"""Time since the run's origin, and the counters by name."""


class Stretch(NamedTuple):
    """The time between two samples of which the host took something away from the run."""

    begins_ns: int
    ends_ns: int
    foreign_cores: float
    processors: int
    run_queue_share: float
    throttled_share: float
    memory_share: float

    @property
    def crowded(self) -> bool:
        """Whether processes that are not of the run kept it from running."""
        foreign = self.foreign_cores >= FOREIGN_SHARE * self.processors
        return foreign and self.run_queue_share >= RUN_QUEUE_SHARE

    @property
    def starved(self) -> bool:
        return self.crowded or self.throttled_share >= THROTTLED_SHARE or self.memory_share >= MEMORY_SHARE


@dataclass(frozen=True)
class HostLoad:
    """Of a span of time: when the run was starved (`windows`, in order), for how long, and by what."""

    windows: tuple[tuple[int, int], ...]
    of_s: float
    stretches: tuple[Stretch, ...]

    @property
    def starved_s(self) -> float:
        return sum(end - begin for begin, end in self.windows) / 1e9

    def mean(self, figure: str) -> float:
        """Over the starved time."""
        lengths = [s.ends_ns - s.begins_ns for s in self.stretches]
        total = sum(getattr(s, figure) * n for s, n in zip(self.stretches, lengths, strict=True))
        return total / sum(lengths) if lengths else 0.0

    def document(self) -> dict[str, Any]:
        """As end.json has it."""
        return {
            "starved_s": round(self.starved_s, 3),
            "of_s": round(self.of_s, 3),
            **{name: round(self.mean(name), 3) for name in _FIGURES},
            "reason": self.reason,
        }

    @property
    def reason(self) -> str:
        """One sentence without its end; empty when the run was never starved."""
        causes = list(self._causes())
        if not causes:
            return ""
        return f"the host was under other load for {self.starved_s:.1f} s of {self.of_s:.1f} s: {' and '.join(causes)}"

    def _causes(self) -> Iterator[str]:
        crowded = [s for s in self.stretches if s.crowded]
        if crowded:
            shown = HostLoad((), 0.0, tuple(crowded))
            yield (
                f"processes that are not of the run used {shown.mean('foreign_cores'):.1f} of {crowded[0].processors} "
                f"processors, and its own waited for one in {shown.mean('run_queue_share'):.0%} of the time in which "
                "they could have run"
            )
        if any(s.throttled_share >= THROTTLED_SHARE for s in self.stretches):
            share = self.mean("throttled_share")
            yield f"the CPU quota of its control group stopped the run for {share:.0%} of that time"
        if any(s.memory_share >= MEMORY_SHARE for s in self.stretches):
            yield f"all of it stood still for want of memory for {self.mean('memory_share'):.0%} of that time"

    def affected(self) -> tuple[tuple[int, int], ...]:
        """The windows, and what follows each for as long as its backlog may last; merged."""
        found: list[tuple[int, int]] = []
        for begin, end in self.windows:
            if found and begin <= found[-1][1]:
                found[-1] = found[-1][0], end + AFTERWARDS_NS
            else:
                found.append((begin, end + AFTERWARDS_NS))
        return tuple(found)


def read_host(directory: RunDirectory) -> list[Sample]:
    """In order of time; empty for a run that has no such table."""
    samples: dict[int, dict[str, int]] = defaultdict(dict)
    for batch in directory.batches("host"):
        columns = (batch.column(name).to_pylist() for name in ("t_ns", "counter", "value"))
        for t_ns, counter, value in zip(*columns, strict=True):
            samples[t_ns][counter] = value
    return sorted(samples.items())


def host_load(samples: Sequence[Sample], begins_ns: int, ends_ns: int) -> HostLoad:
    """The host's load between the two moments; nothing starved where there are no samples."""
    pairs = [(a, b) for a, b in pairwise(samples) if a[0] < ends_ns and b[0] > begins_ns]
    stretches = [_stretch(before, after) for before, after in pairs]
    starved = [group for group in _consecutive(stretches) if group[-1].ends_ns - group[0].begins_ns >= LEAST_NS]
    windows = tuple((max(g[0].begins_ns, begins_ns), min(g[-1].ends_ns, ends_ns)) for g in starved)
    return HostLoad(windows, max(ends_ns - begins_ns, 0) / 1e9, tuple(s for group in starved for s in group))


def _consecutive(stretches: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """Starved stretches that follow each other."""
    group: list[Stretch] = []
    for stretch in stretches:
        if stretch.starved:
            group.append(stretch)
        elif group:
            yield group
            group = []
    if group:
        yield group


def _stretch(before: Sample, after: Sample) -> Stretch:
    (begins_ns, earlier), (ends_ns, later) = before, after
    length_ns = max(ends_ns - begins_ns, 1)

    def grown(counter: str) -> int:
        """0 where one of the samples lacks the counter: a total since the host began is no growth."""
        return max(later[counter] - earlier[counter], 0) if counter in earlier and counter in later else 0

    waited_ns, ran_ns = grown("run_queue_ns"), grown("measured_cpu_ns")
    return Stretch(
        begins_ns,
        ends_ns,
        foreign_cores=max(grown("busy_ns") - grown("own_cpu_ns"), 0) / length_ns,
        processors=max(later.get("processors", 1), 1),
        run_queue_share=waited_ns / (waited_ns + ran_ns) if waited_ns + ran_ns else 0.0,
        throttled_share=grown("throttled_ns") / length_ns,
        memory_share=grown("memory_full_pressure_us") * 1000 / length_ns,
    )
