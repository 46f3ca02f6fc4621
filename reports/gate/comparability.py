"""Whether the runs of a study may be judged together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from reports.comparability import differences
from reports.gate.evidence import RunEvidence
from reports.gate.verdicts import Bias, Check, Verdict

_TOLD = 3


def check_runs(runs: Sequence[RunEvidence], storages: Sequence[str]) -> Check:
    """Whether there are as many runs of each storage as the runs say that the study was planned to have. `storages`
    empty: of all that were planned."""
    planned: Counter[str] = Counter()
    for plan in (run.manifest["planned"] for run in runs if "planned" in run.manifest):
        planned |= Counter({name: plan["rounds"] for name in plan["storages"] if name in storages or not storages})
    found = Counter(run.storage for run in runs)
    missing = [f"{found[name]} of {n} of {name}" for name, n in planned.items() if found[name] < n]
    figures = partial(Check, "runs", observed=(planned & found).total(), limit=planned.total(), unit="runs")
    if not missing:
        return figures(Verdict.PASS)
    reason = f"runs of the study are missing: there are {', '.join(missing)}; make it again"
    return figures(Verdict.UNKNOWN, bias=Bias.MISSING, reason=reason)


def check_likeness(runs: Sequence[RunEvidence]) -> Check:
    """Runs of one study share scenario, seed, host and harness, down to its commit (a report only tells of another
    commit); rounds of one storage every setting besides."""
    differing = differences([run for run in runs if not run.broken], ("harness.commit",))
    more = f" (and {len(differing) - _TOLD} more)" if len(differing) > _TOLD else ""
    reason = (
        f"unlike runs: {'; '.join(differing[:_TOLD])}{more}; make them again as one study, changing nothing between"
        if differing
        else ""
    )
    if not differing:
        return Check("like runs", Verdict.PASS)
    return Check("like runs", Verdict.UNKNOWN, bias=Bias.EITHER, reason=reason)


def check_durability(runs: Sequence[RunEvidence], allowed: bool) -> Check:
    """Storages whose commits survive different disasters do different work, and are not judged side by side."""
    survives: dict[str, str | None] = {}
    for run in runs:
        survives[run.storage] = survives.get(run.storage) or run.commit_survives
    told = _told(survives.items())
    if len(set(survives.values())) == 1 and None not in survives.values():
        return Check("durability", Verdict.PASS, reason=told)
    if allowed:
        return Check("durability", Verdict.PASS, reason=f"{told}; the objectives allow it")
    why = "it is unknown what commits survive" if None in survives.values() else "commits survive different things"
    hint = "loadtests/allow-different-durability allows it"
    return Check("durability", Verdict.UNKNOWN, bias=Bias.EITHER, reason=f"{why}: {told} ({hint})")


def _told(survives: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(f"{storage} {disaster or 'unknown'}" for storage, disaster in survives)
