"""Deliveries of events → good and bad attempts. An event that was lost has no row: the rows around it and the ledger
show that it was due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reports.data.arrays import MISSING, Ints
from reports.data.contract import Window
from reports.data.deliveries import DELIVER, Deliveries, Loss
from reports.data.judged_time import inside
from reports.data.objective import Objective
from reports.gate.inputs.counting import (
    Excuses,
    JudgedAttempts,
    count,
    count_blocks,
    merge_blocks,
)
from reports.gate.inputs.evidence import BlockCount, BlockGrid, Counts


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
        at = inside(pushes.begun_ns, self.windows) & pushes.of_pod(pushes.pod, pod)
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
        for moment_ns in pushes.ended_ns[at & pushes.of_pod(pushes.pod, objective.pod)].tolist():
            yield self._block(moment_ns, 1, late, late)

    def _lost(self, pod: str | None) -> Iterator[BlockCount]:
        """Lost events that the rows around them assign to judged time. More than the ledger found are not certain."""
        gaps = self.deliveries.gaps
        certain = self.every_row and (bool(self.loss.unknown) or int(gaps.missing.sum()) <= self.loss.count)
        at = gaps.due_in(self.windows) & self.deliveries.of_pod(gaps.pod, pod)
        for moment_ns, missing in zip(gaps.before_ns[at].tolist(), gaps.missing[at].tolist(), strict=True):
            yield self._block(moment_ns, missing, missing, 0 if certain else missing)

    def _unplaced(self) -> Iterator[BlockCount]:
        """Lost events that nothing assigns to a time: unattributed, on any pod."""
        unplaced = self.deliveries.gaps.unplaced(self.loss.count, self.windows)
        if unplaced > 0 and self.windows:
            yield self._block(self.windows[-1][0], unplaced, unplaced, unplaced)

    def _block(self, moment_ns: int, n: int, bad: int, unattributed: int) -> BlockCount:
        return BlockCount(self.grid.begin_of(moment_ns), n, int(bad), int(unattributed))
