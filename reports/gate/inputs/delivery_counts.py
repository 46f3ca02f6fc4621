"""Deliveries of events → good and bad attempts. An event that was lost has no row: the rows around it and the ledger
show that it was due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reports.data.arrays import MISSING, Ints, Mask
from reports.data.contract import Window
from reports.data.deliveries import DELIVER, Deliveries
from reports.data.judged_time import inside, touching
from reports.data.objective import Objective
from reports.gate.inputs.counting import (
    Excuses,
    JudgedAttempts,
    count,
    count_blocks,
    merge_blocks,
)
from reports.gate.inputs.evidence import BlockCount, BlockGrid, Counts, LedgerCheck

LOST = "lost_pushes"


@dataclass(frozen=True)
class Loss:
    """Events of a run that were lost, at least so many. `unknown`: why more may have been; empty when none were."""

    count: int
    unknown: str = ""


def loss_of(ledger: Sequence[LedgerCheck] | None) -> Loss:
    """What the ledger found. Events that its reason counts beside may have been under way when their subscription
    ended: it was not to get them any more."""
    if ledger is None:
        return Loss(0, "there is no ledger.json")
    check = next((check for check in ledger if check.check == LOST), None)
    if check is None:
        return Loss(0, "the ledger did not search for lost events")
    if check.count is None:
        return Loss(0, check.reason or "the ledger could not count lost events")
    return Loss(check.count, "" if check.known != "rows" else "the ledger compared rows alone")


class DeliveryCounts(NamedTuple):
    counts: Counts
    blocks: tuple[BlockCount, ...]


@dataclass(frozen=True)
class DeliveryCounting:
    """What the counts of one run depend on. `every_row`: no row of the run is missing."""

    deliveries: Deliveries
    windows: Sequence[Window]
    excuses: Excuses
    loss: Loss
    every_row: bool
    grid: BlockGrid

    def count(self, objective: Objective) -> DeliveryCounts:
        """Events whose cause began in judged time, and those that were lost then."""
        attempts, begun_ns = self._came(objective.pod)
        counts, blocks = (
            count(attempts, objective.within_s),
            count_blocks(attempts, begun_ns, objective.within_s, self.grid),
        )
        for block in (*self._of_unknown_cause(objective), *self._lost(objective.pod), *self._unplaced()):
            counts += Counts(block.n - block.bad, block.bad, 0, block.unattributed)
            merge_blocks(blocks, {block.begins_ns: block})
        return DeliveryCounts(counts, tuple(blocks[begin] for begin in sorted(blocks)))

    def _came(self, pod: str | None) -> tuple[JudgedAttempts, Ints]:
        pushes = self.deliveries
        at = inside(pushes.begun_ns, self.windows) & self._of_pod(pushes.pod, pod)
        begun_ns, ended_ns = pushes.begun_ns[at], pushes.ended_ns[at]
        every = np.ones(len(begun_ns), np.bool_)
        attempts = JudgedAttempts(
            ("ok", "refused"),
            np.zeros(len(begun_ns), np.uint8),
            ended_ns - begun_ns,
            explained=np.full(len(begun_ns), DELIVER in self.excuses.operations),
            undelayed_ns=self.excuses.undelayed_ns(begun_ns, ended_ns, every, every),
        )
        return attempts, begun_ns

    def _of_unknown_cause(self, objective: Objective) -> Iterator[BlockCount]:
        """Events that came in judged time, in time or not: unattributed where that counts."""
        pushes, late = self.deliveries, objective.within_s is not None
        at = (pushes.begun_ns == MISSING) & inside(pushes.ended_ns, self.windows)
        for moment_ns in pushes.ended_ns[at & self._of_pod(pushes.pod, objective.pod)].tolist():
            yield self._block(moment_ns, 1, late, late)

    def _lost(self, pod: str | None) -> Iterator[BlockCount]:
        """Lost events that the rows around them assign to judged time. More than the ledger found are not certain."""
        gaps = self.deliveries.gaps
        certain = self.every_row and (bool(self.loss.unknown) or int(gaps.missing.sum()) <= self.loss.count)
        at = self._judged_gaps() & self._of_pod(gaps.pod, pod)
        for moment_ns, missing in zip(gaps.before_ns[at].tolist(), gaps.missing[at].tolist(), strict=True):
            yield self._block(moment_ns, missing, missing, 0 if certain else missing)

    def _unplaced(self) -> Iterator[BlockCount]:
        """Lost events that nothing assigns to a time: unattributed, on any pod."""
        gaps = self.deliveries.gaps
        first_ns = np.minimum(gaps.after_ns, gaps.before_ns)
        elsewhere = ~touching(first_ns, gaps.before_ns + 1, self.windows)
        placed = int(gaps.missing[self._judged_gaps() | elsewhere].sum())
        unplaced = max(self.loss.count, int(gaps.missing.sum())) - placed
        if unplaced > 0 and self.windows:
            yield self._block(self.windows[-1][0], unplaced, unplaced, unplaced)

    def _judged_gaps(self) -> Mask:
        inside_any = np.zeros(len(self.deliveries.gaps.missing), np.bool_)
        for window in self.windows:
            inside_any |= self.deliveries.gaps.inside(*window)
        return inside_any

    def _of_pod(self, pod: Ints, name: str | None) -> Mask:
        pods = self.deliveries.pods
        if name is None:
            return np.ones(len(pod), np.bool_)
        return pod == pods.index(name) if name in pods else np.zeros(len(pod), np.bool_)

    def _block(self, moment_ns: int, n: int, bad: int, unattributed: int) -> BlockCount:
        return BlockCount(self.grid.begin_of(moment_ns), n, int(bad), int(unattributed))
