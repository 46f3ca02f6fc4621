"""What objectives ask for: the share of an operation's attempts that are to be good, and when alerts fire."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

DEFAULT_MARGIN = 0.1
DAY_S = 86_400.0
DEFAULT_WINDOW_S = 28 * DAY_S
"""The window of an SLO that states none."""


@dataclass(frozen=True)
class BurnAlert:
    """Fires when the burn rate exceeds `threshold` over `long_s`, and over `short_s` where there is one, for `after_s`.

    `inclusive`: also where the burn rate equals the threshold.
    """

    name: str
    severity: str
    threshold: float
    long_s: float
    short_s: float | None = None
    after_s: float = 0.0
    inclusive: bool = False

    def exceeded_by(self, burn_rate: float) -> bool:
        return burn_rate > self.threshold or (self.inclusive and burn_rate == self.threshold)


@dataclass(frozen=True)
class Objective:
    """At least the share `target` of the operation's attempts ends ok within `within_s` of its planned moment.

    `within_s` None: success is enough. `pod`: only attempts of this pod; None: of all pods.
    """

    name: str
    title: str
    operation: str
    within_s: float | None
    target: float
    margin: float = DEFAULT_MARGIN
    """By how much of the error budget, 1 - `target`, a candidate may be worse than its baseline."""
    pod: str | None = None
    of_all_pods: str = ""
    """With `pod`: the name of the objective over all pods."""
    by_pod: bool = False
    """Whether each pod of a run with several pods is judged by itself, too."""
    window_s: float = DEFAULT_WINDOW_S
    """The window of the SLO in production, in which the error budget may be used up."""
    alerts: tuple[BurnAlert, ...] = ()

    @property
    def budget(self) -> float:
        """The error budget: the share of attempts that may be bad."""
        return 1 - self.target

    def __str__(self) -> str:
        within = "without failure" if self.within_s is None else f"within {self.within_s * 1000:g} ms"
        return f"{self.operation} {within}" + (f" on {pod_words(self.pod)}" if self.pod is not None else "")


def pod_words(pod: str) -> str:
    """`pod 17`, and `pod-1` as it is."""
    return pod if pod.startswith("pod") else f"pod {pod}"


def of_pods(objectives: Sequence[Objective], pods: Iterable[str]) -> tuple[Objective, ...]:
    """The objectives, each that is also judged by pod followed by one for each of these pods."""
    return tuple(one for objective in objectives for one in _with_pods(objective, tuple(pods)))


def _with_pods(objective: Objective, pods: Iterable[str]) -> Iterator[Objective]:
    yield objective
    for pod in pods if objective.by_pod else ():
        name, title = (f"{text} on {pod_words(pod)}" for text in (objective.name, objective.title))
        yield replace(objective, name=name, title=title, pod=pod, of_all_pods=objective.name)


@dataclass(frozen=True)
class Objectives:
    """The objectives of a file. `sha256` is that of the file, so that a verdict identifies its objectives."""

    source: str
    sha256: str
    objectives: tuple[Objective, ...]
    allow_different_durability: bool = False
    observer_required: bool = True
    ledger_required: bool = True
