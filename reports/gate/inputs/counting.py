"""Operations → good and bad attempts, batch by batch."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.records.files import UnreadableError
from loadtests.records.tables import codes_of
from loadtests.records.vocabulary import LOCAL_ERRORS
from reports.data.arrays import Ints, Mask
from reports.data.contract import Window
from reports.data.contract import length_ns as total_ns
from reports.data.judged_time import inside, touching
from reports.data.objective import Objective
from reports.gate.inputs.delays import UNKNOWN_DELAY, DelayBound
from reports.gate.inputs.evidence import BLOCK_NS, NO_ATTEMPTS, BlockCount, BlockGrid, Counts

_NEVER = np.iinfo(np.int64).min
_EARLIEST_NS = -1_000_000_000
"""How long before the moment for which it was planned an operation may have ended: by no more than clocks differ."""


@dataclass(frozen=True)
class JudgedAttempts:
    """Attempts of one operation in judged time: outcome names by code, the response of each in ns, and which were cut
    off by the end of the run or failed by a limit of the generator's host (None: none)."""

    outcomes: Sequence[str]
    outcome: npt.NDArray[np.uint8]
    response_ns: npt.NDArray[np.int64]
    cut_off: npt.NDArray[np.bool_] | None = None
    local: npt.NDArray[np.bool_] | None = None
    explained: npt.NDArray[np.bool_] | None = None
    """Which wait for what a local error kept away."""
    undelayed_ns: npt.NDArray[np.int64] | None = None
    """The least that each would have taken without the delays of generator and host (None: none were delayed)."""


class _Judged(NamedTuple):
    """Which attempts were good, bad, refused; and which of the bad ones might have become good."""

    good: Mask
    bad: Mask
    refused: Mask
    unattributed: Mask


def _judged(attempts: JudgedAttempts, within_s: float | None) -> _Judged:
    """Good is ok within the time, which may be any; a definite refusal counts for nothing; anything else is bad. The
    bad ones that the end of the run cut off within the time, or that failed locally, might have become good."""
    code = {name: i for i, name in enumerate(attempts.outcomes)}
    limit_ns = np.iinfo(np.int64).max if within_s is None else round(within_s * 1e9)
    in_time = attempts.response_ns <= limit_ns
    good = (attempts.outcome == code["ok"]) & in_time
    refused = attempts.outcome == code["refused"]
    bad = ~good & ~refused
    unattributed = np.zeros_like(bad)
    if attempts.cut_off is not None:
        unattributed |= attempts.cut_off & in_time
    if attempts.local is not None:
        unattributed |= attempts.local
    if attempts.explained is not None:
        unattributed |= attempts.explained
    if attempts.undelayed_ns is not None:
        # Without a limit, any delay by the generator may have let an attempt time out.
        unattributed |= attempts.undelayed_ns <= (attempts.response_ns - 1 if within_s is None else limit_ns)
    return _Judged(good, bad, refused, unattributed & bad)


def count(attempts: JudgedAttempts, within_s: float | None) -> Counts:
    good, bad, refused, unattributed = (int(np.count_nonzero(mask)) for mask in _judged(attempts, within_s))
    return Counts(good, bad, refused, unattributed)


_FEWEST_BLOCKS = 12
_SHORTEST_BLOCK_NS = 500_000_000


def grid_of(windows: Sequence[Window]) -> BlockGrid:
    """Blocks of `BLOCK_NS` from the first judged moment on. Where judged time has fewer than twelve of these, which
    say little of how much blocks differ, blocks are shorter."""
    length_ns = max(min(BLOCK_NS, total_ns(windows) // _FEWEST_BLOCKS), _SHORTEST_BLOCK_NS)
    return BlockGrid(first_ns(windows), length_ns)


def first_ns(windows: Sequence[Window]) -> int:
    return windows[0][0] if windows else 0


def count_blocks(
    attempts: JudgedAttempts, planned_ns: Ints, within_s: float | None, grid: BlockGrid
) -> dict[int, BlockCount]:
    """The counts of each time block in which attempts were planned, by its beginning in ns."""
    masks = _judged(attempts, within_s)
    positions, place = np.unique((planned_ns - grid.begins_ns) // grid.length_ns, return_inverse=True)
    begins = positions * grid.length_ns + grid.begins_ns
    good, bad, unattributed = (
        np.bincount(place, mask, len(begins)).astype(int) for mask in (masks.good, masks.bad, masks.unattributed)
    )
    columns = zip(begins.tolist(), (good + bad).tolist(), bad.tolist(), unattributed.tolist(), strict=True)
    return {begin: BlockCount(begin, *counts) for begin, *counts in columns if counts[0]}


_LATE = frozenset({"", "timeout", "cut_off", "run_ended"})
"""Errors of attempts that took too long; the empty name is that of one that ended `ok`."""

_OVERLOADED = _LATE | {
    *("storage_unavailable", "storage_conflict", "handshake_rejected"),
    *("no_such_chat", "no_such_connection"),
}
"""Errors that a pod returns because it is slow, and what follows from them. A refused connection or an internal error
is not among them: no load of the host causes it."""


@dataclass(frozen=True)
class Excuses:
    """What may have failed without the storage: all attempts of `operations`, and those that would have been good
    without the time that something else may have added to them. `generator` bounds that time for a generator that was
    saturated, `host` for attempts in progress in one of `windows`, while the host was under other load."""

    operations: frozenset[str] = frozenset()
    generator: DelayBound | None = None
    windows: Sequence[Window] = ()
    host: DelayBound = UNKNOWN_DELAY

    def undelayed_ns(self, planned: Ints, ended: Ints, late: Mask, overloaded: Mask) -> Ints | None:
        """The least that each attempt would have taken without its delays; that of one which nothing delayed is never
        short, and None stands for no delays at all. `late` and `overloaded`: which failed as a slow generator, and as
        slow pods, let them fail."""
        delay, delayed = np.zeros(len(planned), np.int64), np.zeros(len(planned), np.bool_)
        if self.generator is not None:
            delayed |= late
            delay += np.where(late, self.generator.most_ns(planned, ended), 0)
        if self.windows:
            under_load = touching(planned, ended + 1, self.windows) & overloaded
            delay += np.where(under_load, self.host.most_ns(planned, ended), 0)
            delayed |= under_load
        return np.where(delayed, ended - planned - delay, np.iinfo(np.int64).max) if delayed.any() else None


NO_EXCUSES = Excuses()


class Counted(NamedTuple):
    """Of every objective by name: its counts, and its time blocks in order. `rows` is how many rows were read, and
    `last_ns` when the last of their operations ended."""

    counts: dict[str, Counts]
    blocks: dict[str, tuple[BlockCount, ...]]
    rows: int
    last_ns: int


def count_batches(
    batches: Iterable[pa.RecordBatch],
    windows: Sequence[Window],
    objectives: Sequence[Objective],
    excuses: Excuses = NO_EXCUSES,
    grid: BlockGrid | None = None,
) -> Counted:
    """`grid`: its time blocks; None: those of `BLOCK_NS` from the first judged moment on."""
    grid = grid or BlockGrid(first_ns(windows))
    counts = {objective.name: NO_ATTEMPTS for objective in objectives}
    blocks: dict[str, dict[int, BlockCount]] = {objective.name: {} for objective in objectives}
    rows = last_ns = 0
    for batch in batches:
        rows += batch.num_rows
        last_ns = max(last_ns, pc.max(batch.column("ended_ns")).as_py() or 0)
        asked = {(o.operation, o.pod) for o in objectives}
        judged = {each: _attempts(batch, *each, windows, excuses) for each in asked}
        for objective in objectives:
            attempts, planned_ns = judged[objective.operation, objective.pod]
            counts[objective.name] += count(attempts, objective.within_s)
            merge_blocks(blocks[objective.name], count_blocks(attempts, planned_ns, objective.within_s, grid))
    ordered = {name: tuple(found[begin] for begin in sorted(found)) for name, found in blocks.items()}
    return Counted(counts, ordered, rows, last_ns)


def merge_blocks(blocks: dict[int, BlockCount], more: Mapping[int, BlockCount]) -> None:
    """Add the attempts of more blocks."""
    for begin, block in more.items():
        blocks[begin] = blocks[begin] + block if begin in blocks else block


def _attempts(
    batch: pa.RecordBatch, operation: str, pod: str | None, windows: Sequence[Window], excuses: Excuses
) -> tuple[JudgedAttempts, Ints]:
    """The attempts, of one pod or of all (None), and when each was planned."""
    codes = codes_of(batch.schema)
    planned = pc.fill_null(batch.column("planned_ns"), _NEVER).to_numpy(zero_copy_only=False)
    if operation not in codes["operation"] or "run_ended" not in codes["error"]:
        raise UnreadableError(f"the operations table has no code for {operation}, or for run_ended")
    at = batch.column("operation").to_numpy() == codes["operation"].index(operation)
    at &= inside(planned, windows)
    if pod is not None:
        at &= batch.column("pod").to_numpy() == _place(codes.get("pod", []), pod)
    planned, ended = planned[at], batch.column("ended_ns").to_numpy()[at]
    if (ended - planned).min(initial=0) < _EARLIEST_NS:
        raise UnreadableError(f"a row of {operation} ended before the moment for which it was planned")
    outcome, error = (batch.column(name).to_numpy()[at] for name in ("outcome", "error"))

    def with_error(names: Set[str]) -> Mask:
        return np.isin(error, [code for code, name in enumerate(codes["error"]) if name in names])

    attempts = JudgedAttempts(
        codes["outcome"],
        outcome,
        ended - planned,
        cut_off=with_error({"run_ended"}),
        local=with_error(LOCAL_ERRORS),
        explained=np.full(len(planned), operation in excuses.operations),
        undelayed_ns=excuses.undelayed_ns(planned, ended, with_error(_LATE), with_error(_OVERLOADED)),
    )
    return attempts, planned


def _place(names: Sequence[str], name: str) -> int:
    """The code of a name; -1, which is no code, where it has none."""
    return names.index(name) if name in names else -1
