"""The candidate against the baseline, objective by objective, paired by round."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from reports.data.objective import Objective
from reports.gate.inputs.evidence import Counts
from reports.gate.judging import advice
from reports.gate.judging.rounds import Round, agreed
from reports.gate.judging.shares import counts_of, missing_of
from reports.gate.judging.soundness import CheckedRun
from reports.gate.judging.statistics import difference_bounds, least
from reports.gate.judging.verdicts import Bias, Check, CheckFigure, Comparison, Verdict

_MANY = 1 << 24
"""Factor for attempts that makes the intervals of shares negligible."""


class Side(NamedTuple):
    """The attempts of one storage in one round, and how many more may have gone missing."""

    counts: Counts = Counts(0, 0)
    missing: int = 0
    bias: Bias = Bias.NONE


class Pair(NamedTuple):
    """Both storages in one round. `run` is the candidate's."""

    candidate: Side
    baseline: Side
    round: int | None = None

    @property
    def lets_pass(self) -> bool:
        """A baseline with any fault may be better than its figures; what a host explains counts as good already."""
        return self.candidate.bias.lets_pass and not self.baseline.bias & ~Bias.EXPLAINS

    @property
    def lets_fail(self) -> bool:
        """A baseline whose failures are hidden may be worse than its figures."""
        return self.candidate.bias.lets_fail and not self.baseline.bias & Bias.HIDES


def check_no_worse(
    objective: Objective,
    storages: Mapping[str, Sequence[CheckedRun]],
    comparison: Comparison,
    unlike: str = "",
) -> Check:
    """The candidate's share of good attempts minus the baseline's. `unlike`: why the two cannot be
    compared."""
    pairs = paired(objective, storages[comparison.candidate], storages[comparison.baseline])
    pool = partial(_pooled, objective, pairs)
    figures = [judge_difference(objective, pair) for pair in pairs]
    rounds = [Round(f, p.lets_pass, p.lets_fail) for f, p in zip(figures, pairs, strict=True)]
    verdict, pooled = agreed(rounds, pool), pool(range(len(pairs)))
    undecided = ""
    if verdict is Verdict.UNKNOWN:
        new, old = (
            [f for c in storages[s] for f in c.with_unseen(objective.name).faults]
            for s in (comparison.candidate, comparison.baseline)
        )
        blocking = _blocking(new, old)
        undecided = advice.blocked(rounds, pool, blocking) or advice.contradiction(figures, [*new, *old])
        undecided = undecided or _undecided(objective, pairs, blocking)
    return Check(
        f"no worse: {objective.name}",
        Verdict.UNKNOWN if unlike else verdict,
        comparison.candidate,
        observed=pooled.observed,
        limit=-objective.margin * (1 - objective.target),
        unit=f"difference in the share of {objective}, {comparison.candidate} - {comparison.baseline}",
        n=pooled.n,
        interval=pooled.bounds if pooled.n else None,
        reason=unlike or _reason(objective, verdict, pairs, undecided),
        rounds=tuple(figures),
    )


def _blocking(candidate: Sequence[Check], baseline: Sequence[Check]) -> advice.Blocking:
    """As `Pair` lets verdicts stand."""
    return advice.Blocking(
        [*(f for f in candidate if not f.bias.lets_pass), *(f for f in baseline if f.bias & ~Bias.EXPLAINS)],
        [*(f for f in candidate if not f.bias.lets_fail), *(f for f in baseline if f.bias & Bias.HIDES)],
        [f for f in (*candidate, *baseline) if f.bias & Bias.EXPLAINS],
    )


def _pooled(objective: Objective, pairs: Sequence[Pair], places: Sequence[int]) -> CheckFigure:
    return judge_difference(objective, together([pairs[place] for place in places]))


def paired(objective: Objective, candidate: Sequence[CheckedRun], baseline: Sequence[CheckedRun]) -> tuple[Pair, ...]:
    """Both sides by the number of their round, in that order; a side that has no run in a round is empty."""
    rounds = dict.fromkeys(checked.run.round for checked in (*candidate, *baseline))
    return tuple(
        Pair(_side(objective, candidate, number), _side(objective, baseline, number), number)
        for number in sorted(rounds, key=lambda n: (n is None, n or 0))
    )


def together(pairs: Sequence[Pair]) -> Pair:
    """The sum of the rounds that both sides have data of."""
    whole = [pair for pair in pairs if pair.candidate.counts.n and pair.baseline.counts.n]
    return Pair(_sum([pair.candidate for pair in whole]), _sum([pair.baseline for pair in whole]))


def judge_difference(objective: Objective, pair: Pair) -> CheckFigure:
    """Fail when the candidate is worse by more than the margin, beyond the interval. Pass when it cannot be worse by
    the whole error budget, unless it is shown to be worse and seems so by more than the margin. Else unknown."""
    (new, old), budget = (side.counts for side in pair[:2]), 1 - objective.target
    if not new.n or not old.n:
        return CheckFigure(None, 0, (-1.0, 1.0), Verdict.UNKNOWN, round=pair.round)
    observed = new.good / new.n - old.good / old.n
    bounds = difference_bounds(new.good, new.n, old.good, old.n)
    lowest = difference_bounds(new.good, new.n, old.good + old.unattributed, old.n)[0]
    margin = objective.margin * budget
    alike = lowest > -budget and (bounds[1] >= 0 or observed >= -margin)
    verdict = Verdict.FAIL if bounds[1] < -margin else Verdict.PASS if alike else Verdict.UNKNOWN
    certain = _highest(pair) < -margin
    return CheckFigure(observed, new.n + old.n, bounds, verdict, certain, pair.round)


def _highest(pair: Pair) -> float:
    """The upper bound of the difference with every attempt whose outcome is unknown in the candidate's favour."""
    (new, missing, _), (old, old_missing, _) = pair[:2]
    good = new.good + new.unattributed + missing
    return difference_bounds(good, new.n + missing, old.good, old.n + old_missing)[1]


def _side(objective: Objective, runs: Sequence[CheckedRun], number: int | None) -> Side:
    return _sum([_of_run(objective, checked) for checked in runs if checked.run.round == number])


def _of_run(objective: Objective, checked: CheckedRun) -> Side:
    bias = checked.with_unseen(objective.name).bias
    return Side(counts_of(objective, checked.run), missing_of(checked.run), bias)


def _sum(sides: Sequence[Side]) -> Side:
    bias = Bias.NONE
    for side in sides:
        bias |= side.bias
    return Side(sum((s.counts for s in sides), Counts(0, 0)), sum(s.missing for s in sides), bias)


def _reason(objective: Objective, verdict: Verdict, pairs: Sequence[Pair], undecided: str) -> str:
    whole = together(pairs)
    new, old = (side.counts for side in whole[:2])
    if not new.n or not old.n:
        return "no data of both storages in any round"
    budget, (lowest, highest) = 1 - objective.target, judge_difference(objective, whole).bounds
    margin = objective.margin * budget
    why = {
        Verdict.PASS: f"at most {max(-lowest, 0):.3%} worse, which is within the error budget of {budget:.3%}",
        Verdict.FAIL: f"at least {-highest:.3%} worse, which is more than the margin of {margin:.3%}",
        Verdict.UNKNOWN: undecided,
    }
    return f"{new.good} of {new.n} good against {old.good} of {old.n}; {why[verdict]}"


def _undecided(objective: Objective, pairs: Sequence[Pair], blocking: advice.Blocking) -> str:
    """Why pairs that do not contradict each other are undecided, and what would make them pass."""
    figures = [judge_difference(objective, pair) for pair in pairs]
    if empty := advice.without_data(figures):
        return f"no data of both storages in {empty}: a pass needs both in every round; make the study again"

    def passes(times: int) -> bool:
        scaled = [_scaled(pair, times) for pair in pairs]
        rounds = [Round(judge_difference(objective, pair)) for pair in scaled]
        return agreed(rounds, partial(_pooled, objective, scaled)) is Verdict.PASS

    if not passes(_MANY) or (times := least(passes, 2)) is None:
        return "; ".join(filter(None, [advice.disagreement(figures), _too_much_worse(objective, figures)]))
    enough = f"{times:,} times as many attempts a round, with the same shares, are enough to pass"
    return advice.longer(enough, figures, blocking)


def _too_much_worse(objective: Objective, figures: Sequence[CheckFigure]) -> str:
    margin = objective.margin * (1 - objective.target)
    by = [(-f.observed, advice.name(f)) for f in figures if f.observed is not None and f.observed <= -margin]
    where = ", ".join(f"{share:.3%} in {name}" for share, name in by) or "more than that in all rounds together"
    return (
        f"seems worse by {where}, where {margin:.3%} is the margin: "
        "with the same shares more data does not make it pass"
    )


def _scaled(pair: Pair, times: int) -> Pair:
    new, old = (
        side._replace(counts=Counts(*(times * n for n in (c.good, c.bad, c.refused, c.unattributed))))
        for side in pair[:2]
        for c in [side.counts]
    )
    return pair._replace(candidate=new, baseline=old)
