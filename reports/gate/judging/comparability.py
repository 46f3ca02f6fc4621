"""Whether the runs of a study may be judged together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from reports.data.comparability import differences
from reports.gate.inputs.evidence import RunEvidence
from reports.gate.judging.verdicts import Bias, Check, Verdict

_MOST_SHOWN = 3


def check_runs(runs: Sequence[RunEvidence], storages: Sequence[str]) -> Check:
    """Whether each storage has as many runs as the study planned, by the runs' manifests. `storages` empty: all planned
    storages."""
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
    """Runs of one study share scenario, seed, host and harness, including its commit (where the report only adds a
    doubt). Rounds of one storage also share every setting."""
    differing = differences([run for run in runs if not run.broken], ("harness.commit",))
    more = f" (and {len(differing) - _MOST_SHOWN} more)" if len(differing) > _MOST_SHOWN else ""
    reason = (
        f"unlike runs: {'; '.join(differing[:_MOST_SHOWN])}{more}; repeat them as one study without changes"
        if differing
        else ""
    )
    if not differing:
        return Check("like runs", Verdict.PASS)
    return Check("like runs", Verdict.UNKNOWN, bias=Bias.EITHER, reason=reason)


def check_durability(runs: Sequence[RunEvidence], allowed: bool) -> Check:
    """Storages whose commits survive different failures do different work and are not compared."""
    survives: dict[str, str | None] = {}
    for run in runs:
        survives[run.storage] = survives.get(run.storage) or run.commit_survives
    text = _listed(survives.items())
    if len(set(survives.values())) == 1 and None not in survives.values():
        return Check("durability", Verdict.PASS, reason=text)
    if allowed:
        return Check("durability", Verdict.PASS, reason=f"{text}; the objectives allow it")
    why = "it is unknown what commits survive" if None in survives.values() else "commits survive different things"
    hint = "loadtests/allow-different-durability allows it"
    return Check("durability", Verdict.UNKNOWN, bias=Bias.EITHER, reason=f"{why}: {text} ({hint})")


def _listed(survives: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(f"{storage} {disaster or 'unknown'}" for storage, disaster in survives)
