"""Verdicts that may be asked for at any moment of a run without being misled by asking often.

Each time block of judged time is a bet against a hypothesis. Against "the target is met" the stake grows with every
attempt that is bad, against "the target is missed" with every one that is good. While the hypothesis is true the
expected wealth never grows, so it reaches 1 / alpha with probability alpha at most, however often it is checked
(Ville's inequality; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", 2024).

The unit of a bet is the block, not the attempt: attempts of one block may fail together. What is assumed is that the
expected share of a block, given the blocks before it, is on the hypothesis' side of the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from reports.data.arrays import Floats, Ints
from reports.gate.inputs.evidence import BlockCount
from reports.gate.judging.verdicts import Verdict

ALPHA: Final = 0.05
"""Probability at most that a storage which meets all of its objectives is ever failed."""

_AGAINST_MET: Final = np.array([1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 0.9])
"""Shares of the greatest stake that cannot be lost as a whole. The mean over them is a bet as well, and within a factor
of seven as good as the best of them: 1.1 % bad and 50 % bad need different ones."""

_AGAINST_MISSED: Final = np.array([0.5, 0.95])
"""Two are enough: a block without a bad attempt gains most with the greatest stake."""


@dataclass(frozen=True)
class Wealth:
    """After each block: wealth of the bets against "the target is met", and against "the target is missed"."""

    against_met: Floats
    against_missed: Floats


class Decision(NamedTuple):
    """The first moment at which a verdict was certain: how many blocks it took. `unknown` after all of them else."""

    verdict: Verdict
    blocks: int


def wealth(blocks: Sequence[BlockCount], target: float) -> Wealth:
    """Unattributed attempts count as good against "the target is met" and as bad against "the target is missed"."""
    n, bad, unattributed = (np.array([block[column] for block in blocks], np.int64) for column in (1, 2, 3))
    budget = 1 - target
    return Wealth(_grown(bad - unattributed, n, budget, _AGAINST_MET), _grown(n - bad, n, target, _AGAINST_MISSED))


def _grown(hits: Ints, n: Ints, share: float, stakes: Floats) -> Floats:
    """The wealth after each block of bets that `hits` exceed `share` of `n`; before the first it is 1."""
    if share >= 1:
        return np.ones(len(n))
    if share <= 0:  # a single hit refutes that there is none
        return np.where(np.cumsum(hits) > 0, np.inf, 1.0)
    largest = np.maximum.accumulate(np.maximum(n, 1))
    gains = (hits - share * n) / largest / share  # never below -1
    with np.errstate(over="ignore"):
        grown: Floats = np.exp(np.cumsum(np.log1p(np.outer(stakes, gains)), axis=1)).mean(axis=0)
    return grown


def decide(blocks: Sequence[BlockCount], target: float, objectives: int = 1) -> Decision:
    """The first verdict on one objective. A fail is certain for all `objectives` of a storage together (Bonferroni); a
    pass needs only the evidence of its own."""
    if not blocks:
        return Decision(Verdict.UNKNOWN, 0)
    found = wealth(blocks, target)
    failed = _first(found.against_met, objectives / ALPHA)
    passed = _first(found.against_missed, 1 / ALPHA)
    if failed is not None and (passed is None or failed <= passed):
        return Decision(Verdict.FAIL, failed)
    return Decision(Verdict.UNKNOWN, len(blocks)) if passed is None else Decision(Verdict.PASS, passed)


def _first(values: Floats, bound: float) -> int | None:
    """How many blocks it took to reach the bound."""
    reached = np.flatnonzero(values >= bound)
    return int(reached[0]) + 1 if len(reached) else None
