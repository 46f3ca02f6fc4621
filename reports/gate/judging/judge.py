"""The judge: objectives and evidence in, judgement out. It reads no files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from reports.data.objective import Objective, Objectives
from reports.gate.inputs.evidence import Evidence, RunEvidence
from reports.gate.judging.comparability import check_durability, check_likeness, check_runs
from reports.gate.judging.family import corrected
from reports.gate.judging.ledgers import check_ledger
from reports.gate.judging.no_worse import check_no_worse
from reports.gate.judging.shares import check_objective
from reports.gate.judging.soundness import CheckedRun, check_run
from reports.gate.judging.verdicts import Bias, Check, Comparison, Judgement, Verdict, compose, guarded, objective_check


def judge(objectives: Objectives, evidence: Evidence, comparison: Comparison | None = None) -> Judgement:
    """Judges every storage of the evidence, or the two of a comparison, of which the candidate decides."""
    storages = evidence.storages() if comparison is None else (comparison.baseline, comparison.candidate)
    runs = {storage: [check_run(run, objectives) for run in evidence.of(storage)] for storage in storages}
    judged_runs = [run for run in evidence.runs if run.storage in storages]
    study = list(_study_checks(objectives, judged_runs, storages, comparison))
    checks, own = list(study), {}
    for storage in storages:
        judged = list(_storage_checks(objectives, runs[storage], storage))
        own[storage] = compose(c.verdict for c in judged if c.decides)
        decides = comparison is None or storage == comparison.candidate
        checks += judged if decides else [replace(check, decides=False) for check in judged]
    if comparison is not None:
        checks += _comparison_checks(objectives, runs, comparison, study)
    overall = compose(c.verdict for c in checks if c.decides)
    return Judgement(overall, own, tuple(checks), comparison, _started(runs))


def _started(runs: Mapping[str, Sequence[CheckedRun]]) -> dict[str, str]:
    starts = {storage: [c.run.started_at for c in of if c.run.started_at] for storage, of in runs.items()}
    return {storage: min(known) for storage, known in starts.items() if known}


def _study_checks(
    objectives: Objectives, runs: Sequence[RunEvidence], storages: Sequence[str], comparison: Comparison | None
) -> Iterator[Check]:
    if not runs:
        yield Check("runs", Verdict.UNKNOWN, observed=0, limit=1, unit="runs", reason="the study holds no run")
        return
    if any(run.manifest.get("planned") for run in runs):
        yield guarded("runs", None, partial(check_runs, runs, storages if comparison else ()))
    yield guarded("like runs", None, partial(check_likeness, runs))
    if len(storages) > 1:
        allowed = objectives.allow_different_durability
        yield guarded("durability", None, partial(check_durability, runs, allowed))


def _storage_checks(objectives: Objectives, runs: Sequence[CheckedRun], storage: str) -> Iterator[Check]:
    checks = [
        guarded(objective_check(objective.name), storage, partial(check_objective, objective, runs, storage))
        for objective in _of_storage(objectives, runs)
    ]
    yield from corrected(checks)
    for checked in runs:
        first, *others = checked.checks
        yield from (replace(first, lasted_s=checked.run.lasted_s or 0.0), *others)
    for checked in runs:
        yield from _ledger_checks(objectives, checked)


def _of_storage(objectives: Objectives, runs: Sequence[CheckedRun]) -> list[Objective]:
    """The objectives without those of pods that the storage does not have."""
    pods = {pod for checked in runs for pod in checked.run.pods}
    return [objective for objective in objectives.objectives if objective.pod is None or objective.pod in pods]


def _ledger_checks(objectives: Objectives, checked: CheckedRun) -> Sequence[Check]:
    run = checked.run
    if run.broken:
        return []
    try:
        return list(check_ledger(run, objectives.ledger_required))
    except Exception as error:  # as in `guarded`, for a check that is many
        reason = f"the check crashed: {type(error).__name__}: {error}"
        return [Check("ledger", Verdict.UNKNOWN, run.storage, run.round, run.run, reason=reason)]


def _comparison_checks(
    objectives: Objectives, runs: Mapping[str, Sequence[CheckedRun]], comparison: Comparison, study: Sequence[Check]
) -> Iterator[Check]:
    unlike = ", ".join(c.check for c in study if c.verdict is not Verdict.PASS and c.bias is not Bias.MISSING)
    why = f"the two cannot be compared: see {unlike}" if unlike else ""
    of_baseline = _of_storage(objectives, runs[comparison.baseline])
    checks = [
        guarded(
            f"no worse: {objective.name}",
            comparison.candidate,
            partial(check_no_worse, objective, runs, comparison, why),
        )
        for objective in _of_storage(objectives, runs[comparison.candidate])
        if objective in of_baseline
    ]
    yield from corrected(checks)
