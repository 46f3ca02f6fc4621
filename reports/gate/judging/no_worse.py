"""The candidate against the baseline, objective by objective, paired by round."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from reports.data.objective import Objective
from reports.gate.inputs.evidence import NO_ATTEMPTS, Counts
from reports.gate.judging import advice
from reports.gate.judging.differences import Difference, Excused, difference
from reports.gate.judging.rounds import Round, agreed, proof, unanimous
from reports.gate.judging.shares import counts_of, missing_of
from reports.gate.judging.soundness import CheckedRun
from reports.gate.judging.statistics import ALPHA
from reports.gate.judging.verdicts import Bias, Check, CheckFigure, Comparison, Verdict

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


class Side(NamedTuple):
    """The attempts of one storage in one round, by run; how many more may have gone missing."""

    runs: tuple[Counts, ...] = ()
    missing: int = 0
    bias: Bias = Bias.NONE

    @property
    def counts(self) -> Counts:
        return sum(self.runs, NO_ATTEMPTS)


class Pair(NamedTuple):
    """Both storages in one round."""

    candidate: Side
    baseline: Side
    round: int | None = None

    @property
    def whole(self) -> bool:
        """Whether both sides have data."""
        return bool(self.candidate.counts.n and self.baseline.counts.n)

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
    figures = [judge_difference(objective, [pair]) for pair in pairs]
    rounds = [Round(f, p.lets_pass, p.lets_fail) for f, p in zip(figures, pairs, strict=True)]
    verdict, pooled = agreed(rounds, pool), pool(range(len(pairs)))
    undecided = ""
    if verdict is UNKNOWN:
        new, old = (
            [f for c in storages[s] for f in c.with_unseen(objective.name).faults]
            for s in (comparison.candidate, comparison.baseline)
        )
        blocking = _blocking(new, old)
        expected = _expected(objective, pooled)
        undecided = advice.blocked(rounds, pool, blocking) or advice.contradiction(figures, expected, [*new, *old])
        undecided = undecided or _undecided(objective, pairs, figures, blocking)
    return Check(
        f"no worse: {objective.name}",
        UNKNOWN if unlike else verdict,
        comparison.candidate,
        observed=pooled.observed,
        limit=-objective.margin * objective.budget,
        unit=f"difference in the share of {objective}, {comparison.candidate} - {comparison.baseline}",
        n=pooled.n,
        interval=pooled.bounds if pooled.n else None,
        reason=unlike or _reason(objective, verdict, pairs, pooled, undecided),
        rounds=tuple(figures),
        p_fail=max(pooled.p_fail, pool(proof(rounds)).p_fail) if pooled.n else None,
    )


def _expected(objective: Objective, pooled: CheckFigure) -> Verdict:
    """The verdict of more rounds like these."""
    if pooled.observed is None or pooled.verdict is not UNKNOWN:
        return pooled.verdict
    return PASS if pooled.observed >= -objective.margin * objective.budget else UNKNOWN


def _blocking(candidate: Sequence[Check], baseline: Sequence[Check]) -> advice.Blocking:
    """As `Pair` lets verdicts stand."""
    return advice.Blocking(
        [*(f for f in candidate if not f.bias.lets_pass), *(f for f in baseline if f.bias & ~Bias.EXPLAINS)],
        [*(f for f in candidate if not f.bias.lets_fail), *(f for f in baseline if f.bias & Bias.HIDES)],
        [f for f in (*candidate, *baseline) if f.bias & Bias.EXPLAINS],
    )


def _pooled(objective: Objective, pairs: Sequence[Pair], places: Sequence[int]) -> CheckFigure:
    return judge_difference(objective, [pairs[place] for place in places])


def paired(objective: Objective, candidate: Sequence[CheckedRun], baseline: Sequence[CheckedRun]) -> tuple[Pair, ...]:
    """Both sides by the number of their round, in that order; a side that has no run in a round is empty."""
    rounds = dict.fromkeys(checked.run.round for checked in (*candidate, *baseline))
    return tuple(
        Pair(_side(objective, candidate, number), _side(objective, baseline, number), number)
        for number in sorted(rounds, key=lambda n: (n is None, n or 0))
    )


def _side(objective: Objective, runs: Sequence[CheckedRun], number: int | None) -> Side:
    chosen = [checked.with_unseen(objective.name) for checked in runs if checked.run.round == number]
    bias = Bias.NONE
    for checked in chosen:
        bias |= checked.bias
    counts = tuple(counts_of(objective, checked.run) for checked in chosen)
    return Side(counts, sum(missing_of(checked.run) for checked in chosen), bias)


def judge_difference(objective: Objective, pairs: Sequence[Pair]) -> CheckFigure:
    """Fail when the candidate is worse by more than the margin, beyond the interval. Pass when it cannot be worse by
    the whole error budget, unless it is shown to be worse and seems so by more than the margin. Else unknown."""
    whole, number = [pair for pair in pairs if pair.whole], pairs[0].round if len(pairs) == 1 else None
    if not whole:
        return CheckFigure(None, 0, (-1.0, 1.0), UNKNOWN, round=number)
    found, margin = _difference(objective, whole), objective.margin * objective.budget
    bounds = found.bounds()
    p_fail = found.excusing(_in_favour(whole)).p_below(-margin)
    verdict = FAIL if bounds[1] < -margin else PASS if _passes(objective, found, whole) else UNKNOWN
    return CheckFigure(found.observed, found.n, bounds, verdict, p_fail < ALPHA, number, p_fail=p_fail)


def _passes(objective: Objective, found: Difference, whole: Sequence[Pair], times: float = 1.0) -> bool:
    """Attempts of the baseline that the harness may have made bad count as good."""
    unattributed = sum(pair.baseline.counts.unattributed for pair in whole)
    lowest = found.excusing(Excused(old_good=unattributed)).bounds(times)[0]
    alike = found.bounds(times)[1] >= 0 or found.observed >= -objective.margin * objective.budget
    return lowest > -objective.budget and alike


def _in_favour(whole: Sequence[Pair]) -> Excused:
    """In favour of the candidate: its attempts that may have been good, those without a row among them, and the
    attempts of the baseline without a row, which may have been bad."""
    missing = sum(pair.candidate.missing for pair in whole)
    unattributed = sum(pair.candidate.counts.unattributed for pair in whole)
    return Excused(unattributed + missing, missing, 0, sum(pair.baseline.missing for pair in whole))


def _difference(objective: Objective, whole: Sequence[Pair]) -> Difference:
    """Rounds that differ by more than chance, and do not all reach the same verdict, count as one observation each."""
    found = difference([(pair.candidate.runs, pair.baseline.runs) for pair in whole])
    vary = found.contrast.significant and not unanimous(judge_difference(objective, [pair]) for pair in whole)
    return found.of_rounds() if vary else found


def _reason(objective: Objective, verdict: Verdict, pairs: Sequence[Pair], pooled: CheckFigure, undecided: str) -> str:
    if not pooled.n:
        return "no data of both storages in any round"
    whole = [pair for pair in pairs if pair.whole]
    new = sum((pair.candidate.counts for pair in whole), NO_ATTEMPTS)
    old = sum((pair.baseline.counts for pair in whole), NO_ATTEMPTS)
    (lowest, highest), margin = pooled.bounds, objective.margin * objective.budget
    why = {
        PASS: f"at most {max(-lowest, 0):.3%} worse, which is within the error budget of {objective.budget:.3%}",
        FAIL: f"at least {-highest:.3%} worse, which is more than the margin of {margin:.3%}",
        UNKNOWN: undecided,
    }
    return f"{new.good} of {new.n} good against {old.good} of {old.n}; {why[verdict]}"


def _undecided(
    objective: Objective, pairs: Sequence[Pair], figures: Sequence[CheckFigure], blocking: advice.Blocking
) -> str:
    """Why pairs that do not contradict each other are undecided, and what would make them pass."""
    if empty := advice.without_data(figures):
        return f"no data of both storages in {empty}: a pass needs both in every round; make the study again"
    found = difference([(pair.candidate.runs, pair.baseline.runs) for pair in pairs])
    vary = found.contrast.grows and not all(figure.verdict is PASS for figure in figures)
    expected = found.of_rounds() if vary else found

    def passes(number: int) -> bool:
        return _passes(objective, expected, pairs, number / len(pairs))

    if (
        found.observed < -objective.margin * objective.budget
        or (needed := advice.more_rounds(passes, len(pairs))) is None
    ):
        return _too_much_worse(objective, figures)
    attempts = f"{round(found.n / len(pairs) * needed):,} attempts, with the same shares"
    return advice.more(attempts, needed, figures, vary, blocking)


def _too_much_worse(objective: Objective, figures: Sequence[CheckFigure]) -> str:
    margin = objective.margin * objective.budget
    by = [(-f.observed, advice.name(f)) for f in figures if f.observed is not None and f.observed <= -margin]
    where = ", ".join(f"{share:.3%} in {name}" for share, name in by) or "more than that in all rounds together"
    return (
        f"seems worse by {where}, where {margin:.3%} is the margin: "
        "with the same shares more data does not make it pass"
    )
