"""Runs of a study → its findings: the only place that knows every part of the analysis."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from loadtests.records.files import UnreadableError
from loadtests.records.shapes import MOST_PODS
from loadtests.records.vocabulary import OUTCOMES
from reports.analysis.locks.figures import lock_figures
from reports.analysis.operations.budgets import BudgetPool
from reports.analysis.operations.gathering import axis_for, gather
from reports.analysis.operations.measures import MeasurePool, measured
from reports.analysis.operations.slo_breaches import blast
from reports.analysis.resources import read_usage
from reports.analysis.sessions import read_sessions
from reports.data.calibration import read_calibration
from reports.data.comparability import durability
from reports.data.contract import StudyRun
from reports.data.labels import labels
from reports.data.objective import Objective, Objectives
from reports.data.runs import orphans
from reports.data.tables import trim_memory
from reports.findings.operations import Axis
from reports.findings.slis import LIMITS_S
from reports.findings.study import Findings, StorageFindings, rates_per_s


def find(
    study: str,
    runs: Sequence[StudyRun],
    limits_s: Mapping[str, float] = MappingProxyType({}),
    limits_from: str = "",
    objectives: Objectives | None = None,
) -> Findings:
    """Read every run that counts, one storage after another. `limits_s` overrides the default limits; `objectives` are
    those whose budgets are counted."""
    axis, limits = axis_for(list(runs)), {**LIMITS_S, **limits_s}
    storages = dict.fromkeys(run.storage for run in runs)
    named = labels(runs)
    asked = objectives.objectives if objectives else ()
    found = tuple(_storage((name, named[name]), pooled(runs, name), axis, limits, asked) for name in storages)
    budgets_from = objectives.source if objectives else ""
    return Findings(study, tuple(runs), axis, found, durability(runs), limits, limits_from, budgets_from)


def pooled(runs: Sequence[StudyRun], storage: str) -> list[StudyRun]:
    """The runs that a storage's figures come from: the completed ones, or all without a completed one."""
    selected = [run for run in runs if run.storage == storage]
    return [run for run in selected if run.completed] or selected


def _storage(
    names: tuple[str, str],
    runs: Sequence[StudyRun],
    axis: Axis,
    limits_s: Mapping[str, float],
    objectives: Sequence[Objective],
) -> StorageFindings:
    """`names`: that of the storage, and its label."""
    storage, label = names
    pods = tuple(dict.fromkeys(pod for run in runs for pod in run.pods))
    if len(pods) > MOST_PODS:
        raise UnreadableError(f"the runs of {storage!a} have {len(pods):,} pods; the most is {MOST_PODS}")
    gathered = [gather(run, axis, pods, limits_s) for run in runs]
    judged_s = sum(end - start for run in runs for start, end in run.judged) / 1e9
    bin_s = np.sum([axis.widths_s(run) for run in runs], axis=0)
    planned, ended = (np.sum([getattr(g, name) for g in gathered], axis=0) for name in ("planned", "ended"))
    budgets = BudgetPool(runs, axis, pods, objectives)
    whole, by_pod, responses = measured(MeasurePool(runs, axis, judged_s, limits_s, pods), gathered, budgets)
    trim_memory()
    locks = lock_figures(runs, axis, responses, [g.under_way for g in gathered])
    return StorageFindings(
        storage,
        label,
        tuple(runs),
        judged_s,
        whole,
        by_pod,
        tuple(blast(r, pods, g.slis) for r, g in zip(runs, gathered, strict=True)) if len(pods) > 1 else (),
        locks.waits,
        read_usage(runs, axis),
        read_sessions(runs, axis),
        bin_s,
        rates_per_s(planned, bin_s),
        {name: rates_per_s(ended[:, code], bin_s) for code, name in enumerate(OUTCOMES)},
        orphans(runs),
        locks.causes,
        locks.blame,
        locks.durations,
        tuple(row for run in runs for row in read_calibration(run)),
        locks.counted,
        locks.sampled,
        locks.endings,
        budgets.budgets(),
    )
