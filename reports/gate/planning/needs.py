"""How many rounds of a scenario decide an objective, and whether any number does. Pure."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from reports.data.objective import Objective
from reports.gate.inputs.evidence import BLOCK_NS
from reports.gate.judging.clusters import effective_number
from reports.gate.judging.statistics import ALPHA, attempts_to_pass, exact_bounds, least, p_below

PASSING: Final = 0.5
FAILING: Final = 2.0
"""The share of bad attempts that is to pass, and the one that is to fail, as multiples of the error budget."""

_FEWEST_BLOCKS: Final = 12
_MOST_ROUNDS: Final = 1 << 30


class PlannedRound(NamedTuple):
    """The attempts of an objective in one round, and the length of the judged time."""

    attempts: float
    judged_s: float

    @property
    def blocks(self) -> float:
        """Time blocks that have attempts."""
        return min(max(self.judged_s * 1e9 / BLOCK_NS, _FEWEST_BLOCKS), self.attempts)


class Amount(NamedTuple):
    """What decides an objective: so many attempts, so many rounds."""

    attempts: int
    rounds: int


class Need(NamedTuple):
    """What decides one objective; None: no amount does. `all_good`: without a bad attempt it passes. `independent`,
    `correlated`: with `PASSING` it passes, at a design effect of 1 and at the given one. `failing`: with `FAILING` it
    fails, at the given one."""

    objective: Objective
    planned: PlannedRound | None
    all_good: Amount | None = None
    independent: Amount | None = None
    correlated: Amount | None = None
    failing: Amount | None = None


def need(objective: Objective, planned: PlannedRound | None, design_effect: float, members: int) -> Need:
    """`planned` None: the number of attempts is not known. `members`: how many objectives are judged at once."""
    if planned is None or planned.attempts <= 0:
        return Need(objective, planned)
    target, budget = objective.target, objective.budget

    def passes(n: float) -> bool:
        return exact_bounds((1 - PASSING * budget) * n, n)[0] > target

    def fails(n: float) -> bool:
        return p_below(max(1 - FAILING * budget, 0.0) * n, n, target) <= ALPHA / members

    return Need(
        objective,
        planned,
        _all_good(planned, target),
        _amount(planned, passes, 1.0),
        _amount(planned, passes, design_effect),
        _amount(planned, fails, design_effect),
    )


def _all_good(planned: PlannedRound, target: float) -> Amount | None:
    attempts = attempts_to_pass(target)
    return None if attempts is None else Amount(attempts, max(math.ceil(attempts / planned.attempts), 1))


def _amount(planned: PlannedRound, decides: Callable[[float], bool], design_effect: float) -> Amount | None:
    """`decides`: whether so many independent attempts do. Rounds count as the judge counts them, with the degrees of
    freedom of their time blocks."""
    attempts = least(decides)

    def enough(rounds: int) -> bool:
        n, blocks = rounds * planned.attempts, rounds * planned.blocks
        freedom = blocks / 2 if rounds == 1 else blocks - planned.blocks
        return decides(effective_number(n, design_effect, freedom, blocks))

    rounds = None if attempts is None else least(enough, 1, _MOST_ROUNDS)
    return None if attempts is None or rounds is None else Amount(math.ceil(attempts * design_effect), rounds)
