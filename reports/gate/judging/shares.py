"""One objective on one storage: the share of good attempts against the target."""

from collections.abc import Sequence

from reports.data.objective import Objective
from reports.gate.inputs.evidence import Counts, RunEvidence
from reports.gate.judging import advice
from reports.gate.judging.rounds import Round, agreed
from reports.gate.judging.soundness import CheckedRun
from reports.gate.judging.statistics import attempts_to_pass, exact_bounds
from reports.gate.judging.verdicts import Bias, Check, CheckFigure, Verdict, objective_check


def check_objective(objective: Objective, runs: Sequence[CheckedRun], storage: str) -> Check:
    """Decided only when each round and all rounds together agree, and the faults of the runs let the verdict stand."""
    runs = [checked.with_unseen(objective.name) for checked in runs]
    counts = [counts_of(objective, checked.run) for checked in runs]
    missing = [missing_of(checked.run) for checked in runs]

    def pool(places: Sequence[int]) -> CheckFigure:
        together = sum((counts[place] for place in places), Counts(0, 0))
        return judge_share(together, objective.target, missing=sum(missing[place] for place in places))

    figures = [judge_share(c, objective.target, r.run, m) for c, r, m in zip(counts, runs, missing, strict=True)]
    rounds = [Round(f, r.bias.lets_pass, r.bias.lets_fail) for f, r in zip(figures, runs, strict=True)]
    verdict, pooled = agreed(rounds, pool), pool(range(len(runs)))
    faults = [fault for checked in runs for fault in checked.faults]
    undecided = ""
    if verdict is Verdict.UNKNOWN:
        blocking = advice.Blocking(
            [fault for fault in faults if not fault.bias.lets_pass],
            [fault for fault in faults if not fault.bias.lets_fail],
            [fault for fault in faults if fault.bias & Bias.EXPLAINS],
        )
        undecided = advice.blocked(rounds, pool, blocking) or advice.contradiction(figures, faults)
        undecided = undecided or _undecided(objective, figures, blocking)
    return Check(
        objective_check(objective.name),
        verdict,
        storage,
        observed=pooled.observed,
        limit=objective.target,
        unit=f"share of {objective}",
        n=pooled.n,
        interval=pooled.bounds if pooled.n else None,
        reason=_reason(objective, verdict, sum(counts, Counts(0, 0)), undecided),
        rounds=tuple(figures),
    )


def judge_share(counts: Counts, target: float, run: RunEvidence | None = None, missing: int = 0) -> CheckFigure:
    """Pass when the lower bound lies above the target, fail when the upper bound lies below it, else unknown. The fail
    is certain when it stays one with every unattributed and every missing attempt counted as good."""
    good, n = counts.good, counts.n
    bounds = exact_bounds(good, n)
    verdict = Verdict.PASS if bounds[0] > target else Verdict.FAIL if bounds[1] < target else Verdict.UNKNOWN
    at_best = exact_bounds(good + counts.unattributed + missing, n + missing)[1]
    return CheckFigure(
        good / n if n else None,
        n,
        bounds,
        verdict,
        certain=at_best < target,
        round=run.round if run else None,
        run=run.run if run else None,
    )


def counts_of(objective: Objective, run: RunEvidence) -> Counts:
    return run.counts.get(objective.name, Counts(0, 0))


def missing_of(run: RunEvidence) -> int:
    return run.kept.missing_at_most if run.kept is not None else 0


def _reason(objective: Objective, verdict: Verdict, counts: Counts, undecided: str) -> str:
    if not counts.n:
        return _no_data(objective, counts)
    why = {
        Verdict.PASS: "the lower bound lies above the target",
        Verdict.FAIL: "the upper bound lies below the target",
        Verdict.UNKNOWN: undecided,
    }
    unattributed = f" ({counts.unattributed} unattributed)" if counts.unattributed else ""
    return f"{counts.good} of {counts.n} good{unattributed}; {why[verdict]}"


def _no_data(objective: Objective, counts: Counts) -> str:
    if counts.refused:
        return f"no data: all {counts.refused} attempts of {objective.operation} in judged time were refused"
    return f"no data: no {objective.operation} was planned in judged time; do the scenario's stages have judge: true?"


def _undecided(objective: Objective, figures: Sequence[CheckFigure], blocking: advice.Blocking) -> str:
    """Why figures that do not contradict each other are undecided, and what would make them pass."""
    target = objective.target
    if empty := advice.without_data(figures):
        return f"no data of {empty}: a pass needs data of every round; make the study again"
    wrong = [f for f in figures if f.observed is not None and f.observed <= target]
    if wrong:
        shares = ", ".join(f"{f.observed:.3%}" for f in wrong)
        where = ", ".join(map(advice.name, wrong))
        return f"not above the target in {where} ({shares}): with the same share more data does not make it pass"
    short = [f for f in figures if f.verdict is Verdict.UNKNOWN]
    needed = [attempts_to_pass(target, 1 - (f.observed or 0.0)) for f in short]
    if not short or None in needed:
        return "no number of attempts is enough to prove this target"
    most, fewest = max(n for n in needed if n is not None), min(short, key=lambda f: f.n)
    share = "all good" if all(f.observed == 1 for f in short) else "with the same share of good"
    enough = f"a round needs {most:,} attempts, {share}, to pass; {advice.name(fewest)} has {fewest.n:,}"
    return advice.longer(enough, figures, blocking)
