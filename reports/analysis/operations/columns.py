"""One run's rows by measure: durations with the attributes that figures need of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reports.data.arrays import Codes, Ints, Mask, rows_of


@dataclass
class MeasureColumn:
    """One measure's rows of a run: durations in ns, and for each its outcome, its bin, whether it counts, the place of
    its stage (-1 for none) and of its pod."""

    response: Ints
    service: Ints
    outcome: Codes
    bin: npt.NDArray[np.int16]
    judged: Mask
    stage: npt.NDArray[np.int8]
    pod: Codes

    def by_pod(self, pods: int) -> "list[MeasureColumn]":
        """The same rows, each pod's apart: sorted once, because picking them pod by pod takes twice as long."""
        ordered = rows_of(self, np.argsort(self.pod, kind="stable"))
        edges = np.searchsorted(ordered.pod, np.arange(pods + 1))
        return [rows_of(ordered, slice(start, end)) for start, end in pairwise(edges)]


@dataclass
class RequestIdentity:
    """Key, user and planned time of requests, row by row as in the column: what they are joined by."""

    key: npt.NDArray[np.uint64]
    user: Ints
    planned: Ints


@dataclass(frozen=True)
class Exemplars:
    """Operations of one run, one array per column, times in ns. Each stands for `worth` operations."""

    key: npt.NDArray[np.uint64]
    user: Ints
    planned: Ints
    started: Ints
    ended: Ints
    worth: float = 1.0


ExemplarsByFigure = Mapping[str, Mapping[str, Exemplars]]
"""Figure → run → operations around it; for the mean, a sample of all."""


@dataclass(frozen=True)
class OperationResponses:
    """Figures from an operation's own rows: number, sums of response and client backlog (ns), whether the end of any
    was not observed, and its percentiles with their exemplars, by run."""

    n: int
    response: float
    client_backlog: float
    at_least: bool
    values: Mapping[str, tuple[float, bool]]
    exemplars: ExemplarsByFigure
