"""Processor time, memory and database sessions over time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from reports.data.arrays import Floats, Mask

Process = tuple[str, str]
"""Role and name."""

ROLES: tuple[str, ...] = ("pod", "database", "generator", "observer")


@dataclass(frozen=True)
class ResourceUsage:
    """By role, mean of the rounds: cores used and bytes resident in each bin (NaN where not observed), and the
    processor time of the judged stages in s, all rounds. A role that was not observed is missing.

    `processes` are the cores of each process by role and name, `stage_cores` its mean over each stage.
    """

    cores: Mapping[str, Floats]
    rss: Mapping[str, Floats]
    judged_cpu_s: Mapping[str, float]
    processes: Mapping[Process, Floats]
    stage_cores: Mapping[Process, Floats]


CLASSES: tuple[str, ...] = ("running", "io", "idle in transaction", "other", "lock")
"""In the order stacked: work at the bottom, lock waits on top. Idle sessions, which wait for their client, are left
out."""

State = tuple[str, str]
"""Wait class and operation."""


@dataclass(frozen=True)
class SessionActivity:
    """Mean number of sessions in each bin (NaN without a sample), by wait class and operation. `observed` marks the
    bins with a sample; None when sessions were never sampled.

    `judged_states` is the mean over the judged time; None without a sample in it. `databases` is the same by wait class
    for each of several databases; empty for one that was not sampled. `cores` is the number of processors of the host;
    None when it is not in the manifest.
    """

    states: Mapping[State, Floats] = field(default_factory=dict)
    observed: Mask | None = None
    judged_states: Mapping[State, float] | None = None
    databases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cores: int | None = None

    @property
    def seen(self) -> bool:
        return self.observed is not None

    @property
    def by_class(self) -> dict[str, Floats]:
        """Every class; empty without samples."""
        if self.observed is None:
            return {}
        none = np.where(self.observed, 0.0, np.nan)
        return {name: none + sum(mean for (c, _), mean in self.states.items() if c == name) for name in CLASSES}

    @property
    def judged(self) -> dict[str, float]:
        """Every class; empty without samples in the judged time."""
        return sessions_by_class(self.judged_states)

    @property
    def total(self) -> Floats:
        """Sessions at work in each bin; 0 without a sample."""
        return np.asarray(np.nan_to_num(sum(self.by_class.values(), np.zeros(1))))


def sessions_by_class(judged: Mapping[State, float] | None) -> dict[str, float]:
    if judged is None:
        return {}
    return {name: sum(mean for (c, _), mean in judged.items() if c == name) for name in CLASSES}
