"""`loadtests-gate --watch STUDY`: follows a study while it runs, and decides as soon as the evidence is there."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from loadtests.records.rundirectory import RunDirectory
from reports.data.deliveries import DELIVER
from reports.data.objective import Objective, Objectives
from reports.gate.inputs.evidence import BLOCK_NS, BlockCount
from reports.gate.inputs.reading import study_storages
from reports.gate.inputs.running import RunSoFar, last_change, read_so_far
from reports.gate.judging.sequential import Decision, decide
from reports.gate.judging.verdicts import Verdict, compose

INTERVAL_S: Final = 1.0
_SHARE_OF_TIME: Final = 0.2
"""Reading takes no more of the time than this: the load may run on the same host."""

SILENT_S: Final = 120.0
"""A study in which nothing was written for so long has ended, or was killed: set-up between two runs is shorter."""


@dataclass(frozen=True)
class Standing:
    """What one objective has shown on one storage so far."""

    objective: Objective
    storage: str
    decision: Decision
    blocks: tuple[tuple[str, BlockCount], ...]
    """With the run that each is of, in order."""

    @property
    def sentence(self) -> str:
        """`chat-accept on sqlite: fail after 15 s of judged time, at 0:25 of 01-sqlite: 30 of 120 good, target 95 %`"""
        seen = self.blocks[: self.decision.blocks]
        n, bad = sum(block.n for _, block in seen), sum(block.bad for _, block in seen)
        where = ""
        if seen:
            run, block = seen[-1]
            where = f", at {clock(block.begins_ns + BLOCK_NS)} of {run}"
        judged_s = len(seen) * BLOCK_NS // 10**9
        return (
            f"{self.objective.name} on {self.storage}: {self.decision.verdict.value} after {judged_s} s of judged "
            f"time{where}: {n - bad:,} of {n:,} good, target {self.objective.target:.3%}"
        )


def clock(ns: int) -> str:
    """`1:05`, minutes and seconds."""
    seconds = round(ns / 1e9)
    return f"{seconds // 60}:{seconds % 60:02d}"


def standings(runs: Sequence[RunSoFar], objectives: Sequence[Objective]) -> list[Standing]:
    """Of each storage and objective, over all runs so far in the order in which they were made."""
    found = []
    for storage in dict.fromkeys(run.storage for run in runs):
        for objective in objectives:
            blocks = tuple(
                (run.run, block) for run in runs if run.storage == storage for block in run.blocks[objective.name]
            )
            decision = decide([block for _, block in blocks], objective.target, len(objectives))
            found.append(Standing(objective, storage, decision, blocks))
    return found


def verdict(runs: Sequence[RunSoFar], found: Sequence[Standing]) -> Verdict:
    """`fail` as soon as one objective fails; `pass` when every objective of every planned storage has passed."""
    planned = {name for run in runs for name in run.planned}
    if not found or planned - {standing.storage for standing in found}:
        return Verdict.FAIL if any(s.decision.verdict is Verdict.FAIL for s in found) else Verdict.UNKNOWN
    return compose(standing.decision.verdict for standing in found)


def _sentences(found: Sequence[Standing], so_far: Verdict) -> tuple[str, ...]:
    """Of the objectives that made the verdict; `unknown` is made by all together."""
    if so_far is Verdict.UNKNOWN:
        return ()
    return tuple(standing.sentence for standing in found if standing.decision.verdict is so_far)


def is_over(runs: Sequence[RunSoFar]) -> bool:
    """Whether every planned run has ended."""
    planned = {name: rounds for run in runs for name, rounds in run.planned.items()}
    ended = [run.storage for run in runs if run.ended]
    return (
        bool(runs) and all(ended.count(name) >= rounds for name, rounds in planned.items()) and len(ended) == len(runs)
    )


class Conclusion(NamedTuple):
    """The verdict, and a sentence for each objective that has it."""

    verdict: Verdict
    sentences: tuple[str, ...]


class Watch:
    """Follows one study. `choose` gives the objectives, once there is a run; `report` takes each new sentence.

    The delivery of events is judged when the study has ended: how many were lost is known then.
    """

    def __init__(
        self,
        study: Path,
        choose: Callable[[Mapping[str, list[RunDirectory]]], Objectives],
        report: Callable[[str], None],
    ) -> None:
        self._study, self._choose, self._report = study, choose, report
        self._finished: dict[str, RunSoFar] = {}
        self._reported: set[str] = set()

    def follow(self) -> Conclusion:
        """Until a verdict is certain, or the study has ended. Raises what reading a study raises."""
        while True:
            started = time.monotonic()
            runs, found = self._read()
            so_far = verdict(runs, found)
            if so_far is not Verdict.UNKNOWN or is_over(runs) or self._is_silent():
                self._report_standings(runs, found)
                return Conclusion(so_far, _sentences(found, so_far))
            spent = time.monotonic() - started
            time.sleep(max(INTERVAL_S, spent / _SHARE_OF_TIME - spent))

    def _read(self) -> tuple[list[RunSoFar], list[Standing]]:
        storages = study_storages(self._study)
        if not any(run.read("manifest") is not None for runs in storages.values() for run in runs):
            return [], []
        objectives = [o for o in self._choose(storages).objectives if o.operation != DELIVER]
        runs = list(self._runs(storages, objectives))
        found = standings(runs, objectives)
        for standing in found:
            if standing.decision.verdict is not Verdict.UNKNOWN:
                self._report_once(standing.sentence)
        return runs, found

    def _runs(self, storages: Mapping[str, list[RunDirectory]], objectives: Sequence[Objective]) -> Iterator[RunSoFar]:
        """Those that have begun, in the order in which they were made. One that has ended is read once."""
        made = sorted(((run, storage) for storage, runs in storages.items() for run in runs), key=lambda r: r[0].number)
        for run, storage in made:
            so_far = self._finished.get(run.name) or read_so_far(run, storage, objectives)
            if so_far is not None:
                if so_far.ended:
                    self._finished[run.name] = so_far
                yield so_far

    def _is_silent(self) -> bool:
        return time.time() - max(last_change(self._study), self._study.stat().st_mtime) > SILENT_S

    def _report_standings(self, runs: Sequence[RunSoFar], found: Sequence[Standing]) -> None:
        if not runs:
            self._report_once(f"no run of {self._study.name} has begun")
        for standing in found:
            self._report_once(standing.sentence)

    def _report_once(self, sentence: str) -> None:
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._report(sentence)
