"""SLIs of pods: limits, when a breach begins and ends, and the blast radius of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.data.arrays import Floats
from reports.data.contract import StudyRun, TimelineEvent

SLIS: tuple[str, ...] = ("connection.create", "subscription.create", "chat.accept")
"""Operations whose failure users notice immediately."""

LIMITS_S: Mapping[str, float] = {"connection.create": 0.5, "subscription.create": 0.25, "chat.accept": 0.3}
"""Default time within which an attempt is good: the limits of `scenarios/objectives.yaml`."""


@dataclass(frozen=True)
class BreachRule:
    """When a breach begins and ends. A bin with fewer than `least` attempts is unknown and does neither."""

    least: int = 5
    starts: float = 0.2
    """A breach begins with the first of `in_a_row` known bins that each have a larger share of bad attempts ..."""
    ends: float = 0.1
    """... and ends with the first of `in_a_row` known bins that each have no larger share than this."""
    in_a_row: int = 2

    def __str__(self) -> str:
        return (
            f"a breach begins with the first of {self.in_a_row} bins in a row in each of which more than "
            f"{self.starts:.0%} of the attempts are bad, and ends with the first of {self.in_a_row} in a row in which "
            f"no more than {self.ends:.0%} are; a bin of fewer than {self.least} attempts is unknown and is skipped"
        )


BREACH_RULE = BreachRule()


def joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same time in spans that do not overlap."""
    out: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((begin, end))
    return out


_SEEN = 0.8
"""A pod without a breach that was observed for a smaller share of the time is reported as unknown."""


@dataclass(frozen=True)
class Span:
    """One SLO breach, in s since the load began. `ended` False: it lasted until the end of the load, `end_s`."""

    sli: str
    begin_s: float
    end_s: float
    worst: float
    ended: bool = True


@dataclass(frozen=True)
class PodSli:
    """One SLI of a pod: the share of bad attempts in each bin (NaN: unknown), and its breaches."""

    sli: str
    width_s: int
    share: Floats
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class PodBlast:
    """`spans` are the breaches that lasted into the time that counts, in order. `seen` is the share of that time for
    which the SLI is known."""

    pod: str
    slis: tuple[PodSli, ...]
    done_to_it: tuple[TimelineEvent, ...]
    spans: tuple[Span, ...]
    seen: float

    @property
    def first_s(self) -> float | None:
        return self.spans[0].begin_s if self.spans else None

    @property
    def breached_s(self) -> float:
        return sum(end - begin for begin, end in joined([(s.begin_s, s.end_s) for s in self.spans]))

    @property
    def unknown(self) -> bool:
        return not self.spans and self.seen < _SEEN


@dataclass(frozen=True)
class Blast:
    """The blast radius of one run, from its first action on or, without actions, from the first judged stage."""

    run: StudyRun
    since_s: float
    pods: tuple[PodBlast, ...]

    @property
    def breached(self) -> list[PodBlast]:
        """Pods with a breach, in the order in which the breaches began."""
        return sorted((p for p in self.pods if p.spans), key=lambda p: p.spans[0].begin_s)

    def moment_s(self, event: TimelineEvent) -> float:
        return (event.started_ns - self.run.started_ns) / 1e9

    def before(self, span: Span, width_s: float) -> TimelineEvent | None:
        """The last action that began before the breach, to within a bin."""
        acted = [e for e in self.run.events if self.moment_s(e) < span.begin_s + width_s]
        return acted[-1] if acted else None

    def width_s(self, sli: str) -> int:
        return next((s.width_s for pod in self.pods for s in pod.slis if s.sli == sli), 1)
