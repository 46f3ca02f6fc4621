"""Attempts and bad attempts of each objective by bin of the time axis → the budgets of a system."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtests.records.vocabulary import OUTCOMES
from reports.analysis.operations.columns import MeasureColumn
from reports.data.arrays import MISSING, Floats, Ints, Mask
from reports.data.contract import StudyRun, ledger_checks
from reports.data.deliveries import DELIVER, Deliveries, Loss, loss_of, read_deliveries
from reports.data.judged_time import inside
from reports.data.objective import Objective, of_pods
from reports.findings.budgets import Budget
from reports.findings.operations import Axis

_OK, _REFUSED = OUTCOMES.index("ok"), OUTCOMES.index("refused")

LEAST = 5
"""Attempts of a bin from which on its burn rate is known."""


@dataclass
class BudgetCounts:
    """Of one objective in one run: by bin of the axis, the last one being for attempts outside of it."""

    attempts: Ints
    bad: Ints
    unseen: str = ""

    def add(self, bins: Ints, bad: Mask | Ints, attempts: Ints | None = None) -> None:
        """Add rows in these bins (-1: outside); each is one attempt, or as many as `attempts` has."""
        size = len(self.attempts)
        self.attempts += np.bincount(bins % size, attempts, size).astype(np.int64)
        self.bad += np.bincount(bins % size, bad, size).astype(np.int64)


@dataclass
class BudgetPool:
    """The objectives of one system, and what was counted of them, by objective and run."""

    runs: Sequence[StudyRun]
    axis: Axis
    pods: Sequence[str]
    objectives: Sequence[Objective]
    counts: dict[tuple[str, str], BudgetCounts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """With one more objective for each of several pods, where they are judged by pod."""
        self.objectives = of_pods(self.objectives, self.pods if len(self.pods) > 1 else ())

    def add(self, operation: str, columns: Mapping[str, MeasureColumn]) -> None:
        """Count an operation with a row for every attempt, from its rows by run."""
        for objective in (o for o in self.objectives if o.operation == operation != DELIVER):
            for run, column in columns.items():
                self._add_rows(objective, run, column)

    def _add_rows(self, objective: Objective, run: str, column: MeasureColumn) -> None:
        counted = column.judged & (column.outcome != _REFUSED)
        if objective.pod is not None:
            counted &= column.pod == self.pods.index(objective.pod)
        bad = (column.outcome != _OK) | ~_in_time(objective, column.response)
        self._of(objective, run).add(column.bin[counted].astype(np.int64), bad[counted])

    def add_deliveries(self) -> None:
        """Count the delivery of events, for which the operations are read once more."""
        asked = [objective for objective in self.objectives if objective.operation == DELIVER]
        for run in self.runs if asked else ():
            deliveries = read_deliveries(run.directory)
            loss = loss_of(None if run.ledger is None else ledger_checks(run))
            for objective in asked:
                self._add_pushes(objective, run, deliveries, loss)

    def _add_pushes(self, objective: Objective, run: StudyRun, pushes: Deliveries, loss: Loss) -> None:
        counts, of_pod = self._of(objective, run.name), pushes.of_pod(pushes.pod, objective.pod)
        known = (pushes.begun_ns != MISSING) & inside(pushes.begun_ns, run.judged) & of_pod
        late = ~_in_time(objective, pushes.ended_ns - pushes.begun_ns)
        counts.add(self._bins(pushes.begun_ns[known], run), late[known])
        loose = (pushes.begun_ns == MISSING) & inside(pushes.ended_ns, run.judged) & of_pod
        counts.add(self._bins(pushes.ended_ns[loose], run), np.full(int(loose.sum()), objective.within_s is not None))
        gaps = pushes.gaps
        lost = gaps.due_in(run.judged) & pushes.of_pod(gaps.pod, objective.pod)
        counts.add(self._bins(gaps.before_ns[lost], run), gaps.missing[lost], gaps.missing[lost])
        unplaced = np.array([gaps.unplaced(loss.count, run.judged)])
        counts.add(np.array([-1]), unplaced, unplaced)
        counts.unseen = loss.unknown

    def _bins(self, moments_ns: Ints, run: StudyRun) -> Ints:
        return self.axis.bins(moments_ns, run).astype(np.int64)

    def _of(self, objective: Objective, run: str) -> BudgetCounts:
        empty = np.zeros(self.axis.count + 1, np.int64)
        return self.counts.setdefault((objective.name, run), BudgetCounts(empty, empty.copy()))

    def budgets(self) -> tuple[Budget, ...]:
        self.add_deliveries()
        return tuple(self._budget(objective) for objective in self.objectives)

    def _budget(self, objective: Objective) -> Budget:
        by_run = {run.name: self._of(objective, run.name) for run in self.runs}
        attempts, bad = (np.sum([getattr(c, name) for c in by_run.values()], axis=0) for name in ("attempts", "bad"))
        rounds = dict(_burn_rates(by_run, objective.budget))
        unseen = next((counts.unseen for counts in by_run.values() if counts.unseen), "")
        used, burn = _used(attempts, bad, objective.budget), _burn(attempts[:-1], bad[:-1], objective.budget)
        return Budget(objective, int(attempts.sum()), int(bad.sum()), rounds, used, burn, unseen)


def _in_time(objective: Objective, response_ns: Ints) -> Mask:
    if objective.within_s is None:
        return np.ones(len(response_ns), np.bool_)
    return np.asarray(response_ns <= round(objective.within_s * 1e9))


def _burn_rates(by_run: Mapping[str, BudgetCounts], budget: float) -> Iterator[tuple[str, float]]:
    for run, counts in by_run.items():
        if attempts := int(counts.attempts.sum()):
            yield run, int(counts.bad.sum()) / attempts / budget


def _used(attempts: Ints, bad: Ints, budget: float) -> Floats:
    """Bad attempts without a bin, the last, count from the end of the last bin with attempts on."""
    if not attempts.sum():
        return np.full(len(attempts) - 1, np.nan)
    placed = bad[:-1].copy()
    placed[np.flatnonzero(attempts[:-1])[-1:]] += bad[-1]
    return np.asarray(np.cumsum(placed) / (attempts.sum() * budget), np.float64)


def _burn(attempts: Ints, bad: Ints, budget: float) -> Floats:
    return np.where(attempts >= LEAST, bad / np.maximum(attempts, 1) / budget, np.nan)
