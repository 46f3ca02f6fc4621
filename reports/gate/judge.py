"""The judge: objectives and evidence in, judgement out. It never fetches anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from reports.gate.comparability import check_durability, check_likeness
from reports.gate.evidence import Counts, Evidence, RunEvidence
from reports.gate.ledgers import check_ledger
from reports.gate.objectives import Objective, Objectives
from reports.gate.soundness import SOUNDNESS, check_observer
from reports.gate.statistics import attempts_to_pass, difference_bounds, exact_bounds
from reports.gate.verdicts import (
    Check,
    Comparison,
    Judgement,
    Share,
    Verdict,
    agree,
    compose,
    guarded,
    objective_check,
)


def judge(objectives: Objectives, evidence: Evidence, comparison: Comparison | None = None) -> Judgement:
    """Judges every storage of the evidence, or the two of a comparison, of which the candidate decides."""
    storages = evidence.storages() if comparison is None else (comparison.baseline, comparison.candidate)
    runs = tuple(run for run in evidence.runs if run.storage in storages)
    checks = [*_study_checks(objectives, runs, len(storages))]
    own, sound = {}, True
    for storage in storages:
        health = list(_health_checks(objectives, evidence.of(storage), storage))
        healthy = compose(c.verdict for c in health) is Verdict.PASS
        judged = [*_objective_checks(objectives, evidence.of(storage), storage, healthy), *health]
        judged += _ledger_checks(objectives, evidence.of(storage), storage)
        own[storage] = compose(c.verdict for c in judged if c.decides)
        decides = comparison is None or storage == comparison.candidate
        checks += judged if decides else [replace(check, decides=False) for check in judged]
        sound &= healthy
    if comparison is not None:
        checks += _comparison_checks(objectives, evidence, comparison, sound)
    return Judgement(compose(c.verdict for c in checks if c.decides), own, tuple(checks), comparison)


def _study_checks(objectives: Objectives, runs: Sequence[RunEvidence], storages: int) -> Iterator[Check]:
    if not runs:
        yield Check("runs", Verdict.UNKNOWN, observed=0, limit=1, unit="runs", reason="the study holds no run")
        return
    yield guarded("like runs", None, partial(check_likeness, runs))
    if storages > 1:
        allowed = objectives.allow_different_durability
        yield guarded("durability", None, partial(check_durability, runs, allowed))


def _health_checks(objectives: Objectives, runs: Sequence[RunEvidence], storage: str) -> Iterator[Check]:
    """Whether the runs can be believed at all. One that is not sound leaves its storage's objectives unknown."""
    for run in runs:
        if run.broken:
            yield Check("readable", Verdict.UNKNOWN, storage, run.round, run.run, reason=run.broken)
            continue
        checks: dict[str, Callable[[RunEvidence], Check]] = dict(SOUNDNESS)
        if objectives.observer_required or run.sight is not None:
            checks["observer"] = check_observer
        for name, check in checks.items():
            yield guarded(name, storage, partial(check, run))


def _ledger_checks(objectives: Objectives, runs: Sequence[RunEvidence], storage: str) -> Iterator[Check]:
    for run in (r for r in runs if not r.broken):
        try:
            yield from list(check_ledger(run, objectives.ledger_required))
        except Exception as error:  # as in `guarded`, for a check that is many
            yield Check("ledger", Verdict.UNKNOWN, storage, run.round, run.run, reason=f"the check crashed: {error}")


def _objective_checks(
    objectives: Objectives, runs: Sequence[RunEvidence], storage: str, sound: bool
) -> Iterator[Check]:
    for objective in objectives.objectives:
        yield guarded(
            objective_check(objective.name), storage, partial(check_objective, objective, runs, storage, sound)
        )


def check_objective(objective: Objective, runs: Sequence[RunEvidence], storage: str, sound: bool) -> Check:
    """One objective on one storage: decided only when each round, and all together, say the same."""
    rounds = tuple(judge_share(r.counts.get(objective.name, Counts(0, 0)), objective.target, r) for r in runs)
    pooled = judge_share(_pooled(objective, runs), objective.target)
    agreed = agree([pooled.verdict, *(r.verdict for r in rounds)])
    return Check(
        objective_check(objective.name),
        agreed if sound else Verdict.UNKNOWN,
        storage,
        observed=pooled.share,
        limit=objective.target,
        unit=f"share of {objective}",
        n=pooled.n,
        interval=pooled.bounds if pooled.n else None,
        reason=_why(objective, pooled, rounds, agreed) if sound else "the runs are not sound: see their own checks",
        rounds=rounds,
    )


def judge_share(counts: Counts, target: float, run: RunEvidence | None = None) -> Share:
    """Pass when the lower bound lies above the target, fail when the upper bound lies below it, else unknown."""
    bounds = exact_bounds(counts.good, counts.n)
    verdict = Verdict.PASS if bounds[0] > target else Verdict.FAIL if bounds[1] < target else Verdict.UNKNOWN
    return Share(counts.good, counts.n, bounds, verdict, run.round if run else None, run.run if run else None)


_MORE = "longer judged stages or more rounds tell better"


def _pooled(objective: Objective, runs: Iterable[RunEvidence]) -> Counts:
    return sum((r.counts.get(objective.name, Counts(0, 0)) for r in runs), Counts(0, 0))


def _why(objective: Objective, pooled: Share, rounds: Sequence[Share], agreed: Verdict) -> str:
    if not pooled.n:
        return (
            f"no data: no {objective.operation} was planned in judged time; do the scenario's stages say judge: true?"
        )
    told = f"{pooled.good} of {pooled.n} good"
    if agreed is Verdict.PASS:
        return f"{told}; the lower bound lies above the target"
    if agreed is Verdict.FAIL:
        return f"{told}; the upper bound lies below the target"
    verdicts = [r.verdict for r in rounds]
    if len(set(verdicts)) > 1:
        return f"{told}; the rounds do not agree: {', '.join(v.value for v in verdicts)}; {_MORE}"
    few = attempts_to_pass(objective.target)
    short = f"; a round needs {few} attempts, all good, to pass" if min(r.n for r in rounds) < few else ""
    return f"{told}; {_undecided(pooled)}{short}; {_MORE}"


def _undecided(pooled: Share) -> str:
    if pooled.verdict is Verdict.UNKNOWN:
        return "the interval holds the target"
    return f"all rounds together would {pooled.verdict.value}, but the interval of each alone holds the target"


def _comparison_checks(
    objectives: Objectives, evidence: Evidence, comparison: Comparison, sound: bool
) -> Iterator[Check]:
    for objective in objectives.objectives:
        check = partial(check_no_worse, objective, evidence, comparison, sound)
        yield guarded(f"no worse: {objective.name}", comparison.candidate, check)


def check_no_worse(objective: Objective, evidence: Evidence, comparison: Comparison, sound: bool) -> Check:
    """The candidate's share of good against the baseline's (Newcombe's interval of the difference): fail when the
    candidate is worse beyond the interval, pass when it cannot be worse by the whole error budget, else unknown."""
    candidate = _pooled(objective, evidence.of(comparison.candidate))
    baseline = _pooled(objective, evidence.of(comparison.baseline))
    name, margin = f"no worse: {objective.name}", 1 - objective.target
    if not sound or not candidate.n or not baseline.n:
        reason = "the runs are not sound: see their own checks" if not sound else "no data on one side"
        return Check(name, Verdict.UNKNOWN, comparison.candidate, limit=-margin, unit="difference", reason=reason)
    bounds = difference_bounds(candidate.good, candidate.n, baseline.good, baseline.n)
    worse, alike = bounds[1] < 0, bounds[0] > -margin
    return Check(
        name,
        Verdict.FAIL if worse else Verdict.PASS if alike else Verdict.UNKNOWN,
        comparison.candidate,
        observed=candidate.good / candidate.n - baseline.good / baseline.n,
        limit=-margin,
        unit=f"difference in the share of {objective}, {comparison.candidate} - {comparison.baseline}",
        n=candidate.n + baseline.n,
        interval=bounds,
        reason=f"{candidate.good} of {candidate.n} good against {baseline.good} of {baseline.n}",
    )
