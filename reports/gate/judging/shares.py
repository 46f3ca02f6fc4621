"""One objective on one storage: the share of good attempts against the target."""

from collections.abc import Sequence
from dataclasses import replace

from reports.data.objective import Objective
from reports.gate.inputs.evidence import NO_ATTEMPTS, Counts, RunEvidence
from reports.gate.judging import advice
from reports.gate.judging.clusters import Sample, contrast, sample, sample_of_rounds
from reports.gate.judging.rounds import Round, agreed, proof, unanimous
from reports.gate.judging.soundness import CheckedRun
from reports.gate.judging.statistics import ALPHA, exact_bounds, p_below
from reports.gate.judging.verdicts import Check, CheckFigure, Verdict, objective_check

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def check_objective(objective: Objective, runs: Sequence[CheckedRun], storage: str) -> Check:
    """Decided by all rounds together, unless they contradict each other, or faults of the runs invalidate it."""
    runs = [checked.with_unseen(objective.name) for checked in runs]
    counts = [counts_of(objective, checked.run) for checked in runs]
    missing = [missing_of(checked.run) for checked in runs]

    def pool(places: Sequence[int]) -> CheckFigure:
        lost = sum(missing[place] for place in places)
        return judge_shares([counts[place] for place in places], objective.target, lost)

    figures = [judge_share(c, objective.target, r.run, m) for c, r, m in zip(counts, runs, missing, strict=True)]
    rounds = [Round(f, r.bias.lets_pass, r.bias.lets_fail) for f, r in zip(figures, runs, strict=True)]
    verdict, pooled = agreed(rounds, pool), pool(range(len(runs)))
    undecided = ""
    if verdict is UNKNOWN:
        faults = [fault for checked in runs for fault in checked.faults]
        blocking = advice.blocking_faults(faults)
        expected = _expected(pooled, objective.target)
        undecided = advice.blocked(rounds, pool, blocking) or advice.contradiction(figures, expected, faults)
        undecided = undecided or _undecided(objective, counts, figures, blocking)
    return Check(
        objective_check(objective.name),
        verdict,
        storage,
        observed=pooled.observed,
        limit=objective.target,
        unit=f"share of {objective}",
        n=pooled.n,
        interval=pooled.bounds if pooled.n else None,
        reason=_reason(objective, verdict, counts, pooled, undecided),
        rounds=tuple(figures),
        effective_n=pooled.effective_n,
        p_fail=max(pooled.p_fail, pool(proof(rounds)).p_fail) if pooled.n else None,
    )


def judge_share(counts: Counts, target: float, run: RunEvidence | None = None, missing: int = 0) -> CheckFigure:
    """The figure of one round."""
    figure = judge_shares([counts], target, missing)
    return figure if run is None else replace(figure, round=run.round, run=run.run)


def judge_shares(rounds: Sequence[Counts], target: float, missing: int = 0) -> CheckFigure:
    """Pass when the lower bound lies above the target, fail when the upper bound lies below it, else unknown. The fail
    is certain when it stays one with every unattributed and every missing attempt counted as good."""
    found = worth(rounds, target)
    if not found.n:
        return CheckFigure(None, 0, (0.0, 1.0), UNKNOWN)
    effective = found.effective()
    bounds = exact_bounds(found.share * effective, effective)
    weight, excused = effective / found.n, sum(c.unattributed for c in rounds) + missing
    p_fail = p_below((found.good + excused) * weight, (found.n + missing) * weight, target)
    return CheckFigure(
        found.share,
        found.n,
        bounds,
        PASS if bounds[0] > target else FAIL if bounds[1] < target else UNKNOWN,
        certain=p_fail < ALPHA,
        p_fail=p_fail,
        effective_n=effective,
        by_round=found.by_round,
    )


def worth(rounds: Sequence[Counts], target: float) -> Sample:
    """The attempts of all rounds. Where rounds differ by more than chance, and do not all reach the same verdict by
    themselves, a round counts as one observation: how rounds vary is then a part of what is unknown."""
    together = sample(rounds)
    if not contrast(rounds).significant or unanimous(judge_share(c, target) for c in rounds if c.n):
        return together
    return min(together, sample_of_rounds(rounds), key=Sample.effective)


def _expected(pooled: CheckFigure, target: float) -> Verdict:
    """The verdict of more rounds like these."""
    if pooled.verdict is UNKNOWN and pooled.observed is not None and pooled.observed > target:
        return PASS
    return pooled.verdict


def counts_of(objective: Objective, run: RunEvidence) -> Counts:
    """With its time blocks."""
    counts, blocks = run.counts.get(objective.name, NO_ATTEMPTS), run.blocks.get(objective.name, ())
    return replace(counts, blocks=blocks, grid=run.grid)


def missing_of(run: RunEvidence) -> int:
    return run.kept.missing_at_most if run.kept is not None else 0


def _reason(
    objective: Objective, verdict: Verdict, rounds: Sequence[Counts], pooled: CheckFigure, undecided: str
) -> str:
    counts = sum(rounds, NO_ATTEMPTS)
    if not counts.n:
        return _no_data(objective, counts)
    why = {
        PASS: "the lower bound lies above the target",
        FAIL: "the upper bound lies below the target",
        UNKNOWN: undecided,
    }
    remarks = [f"{counts.unattributed} unattributed"] if counts.unattributed else []
    if pooled.effective_n is not None and pooled.effective_n < counts.n and not pooled.by_round:
        remarks.append(f"worth {pooled.effective_n:,.0f} independent ones")
    remark = f" ({', '.join(remarks)})" if remarks else ""
    return f"{counts.good} of {counts.n} good{remark}; {why[verdict]}"


def _no_data(objective: Objective, counts: Counts) -> str:
    if counts.refused:
        return f"no data: all {counts.refused} attempts of {objective.operation} in judged time were refused"
    return f"no data: no {objective.operation} was planned in judged time; do the scenario's stages have judge: true?"


def _undecided(
    objective: Objective, rounds: Sequence[Counts], figures: Sequence[CheckFigure], blocking: advice.Blocking
) -> str:
    """Why figures that do not contradict each other are undecided, and what would make them pass."""
    if empty := advice.without_data(figures):
        return f"no data of {empty}: a pass needs data of every round; make the study again"
    found = worth(rounds, objective.target)
    if found.share <= objective.target:
        return f"{advice.below(figures, objective.target)}: with the same share more data does not make it pass"
    needed = rounds_to_pass(rounds, objective.target)
    if needed is None:
        return "no number of attempts is enough to prove this target"
    attempts = f"{round(found.n / len(rounds) * needed):,} attempts"
    enough = f"{attempts}, {'all good' if found.share == 1 else 'with the same share of good'}"
    return advice.more(enough, needed, figures, contrast(rounds).grows, blocking)


def rounds_to_pass(rounds: Sequence[Counts], target: float) -> int | None:
    """The least number of rounds like these that pass together; any larger number does too. None: no number does."""
    samples = [sample(rounds)]
    if contrast(rounds).grows and not all(judge_share(c, target).verdict is PASS for c in rounds):
        samples.append(sample_of_rounds(rounds))

    def passes(number: int) -> bool:
        return all(_lower(found, number / len(rounds)) > target for found in samples)

    return advice.more_rounds(passes, len(rounds))


def _lower(found: Sample, times: float) -> float:
    effective = found.effective(times)
    return exact_bounds(found.share * effective, effective)[0]
