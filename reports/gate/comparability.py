"""Whether the runs of a study may be judged together."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from reports.gate.evidence import RunEvidence
from reports.gate.verdicts import Check, Verdict


def check_likeness(runs: Sequence[RunEvidence]) -> Check:
    """Runs of one study share scenario, host and harness; rounds of one storage share every setting besides."""
    readable = [run for run in runs if not run.broken]
    by_storage = sorted(readable, key=lambda run: run.storage)
    differing = list(_differing(readable, lambda run: run.surroundings))
    for storage, rounds in groupby(by_storage, key=lambda run: run.storage):
        differing += [f"{storage}: {d}" for d in _differing(list(rounds), lambda run: run.settings)]
    reason = f"unlike runs: {'; '.join(differing)}" if differing else ""
    return Check("like runs", Verdict.UNKNOWN if differing else Verdict.PASS, reason=reason)


def _differing(runs: Sequence[RunEvidence], of: Callable[[RunEvidence], Mapping[str, Any]]) -> Iterator[str]:
    for name in dict.fromkeys(name for run in runs for name in of(run)):
        values = list(dict.fromkeys(str(of(run).get(name)) for run in runs))
        if len(values) > 1:
            yield f"{name} is {_either(values)}"


def _either(values: Sequence[str]) -> str:
    return " or ".join(value if len(value) <= 40 else f"{value[:40]}…" for value in values[:3])


def check_durability(runs: Sequence[RunEvidence], allowed: bool) -> Check:
    """Storages whose commits survive different disasters do different work, and are not judged side by side."""
    survives = {run.storage: run.commit_survives for run in runs if not run.broken}
    told = _told(survives.items())
    if len(set(survives.values())) == 1 and None not in survives.values():
        return Check("durability", Verdict.PASS, reason=told)
    if allowed:
        return Check("durability", Verdict.PASS, reason=f"{told}; the objectives allow it")
    why = "it cannot be told what commits survive" if None in survives.values() else "commits survive different things"
    hint = "loadtests/allow-different-durability allows it"
    return Check("durability", Verdict.UNKNOWN, reason=f"{why}: {told} ({hint})")


def _told(survives: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(f"{storage} {disaster or 'unknown'}" for storage, disaster in survives)
