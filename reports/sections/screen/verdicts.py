"""A judgement as the verdict strip of the page and as a table of checks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reports.data.objective import Objective, Objectives, pod_words
from reports.gate.judging.verdicts import Check, Judgement, Verdict, compose, objective_check
from reports.page.parts import Mark, SystemVerdict
from reports.page.table import Cell, PageTable
from reports.text.plain_names import operation_words

NOT_JUDGED = "Not judged: the scenario names no objectives, and none were given (--objectives FILE)."
_EVIDENCE = "checks of the run"

MOST_MARKS = 4
"""Columns of objectives that fit beside each other at 1,280 pixels. The section on what was judged has all of them."""

_SEVERITY = ("fail", "unknown", "pass")


def judged_by(objectives: Objectives | None) -> str:
    return NOT_JUDGED if objectives is None else f"Judged by {objectives.source}."


def system_verdicts(judgement: Judgement, objectives: Objectives, labels: Mapping[str, str]) -> list[SystemVerdict]:
    """A mark for each objective, one for all pods by which it is judged, and one for all other checks that decide."""
    marks = {system: list(_marks(system, judgement, objectives)) for system in judgement.storages}
    shown = _shown(list(marks.values()))
    return [
        SystemVerdict(system, labels.get(system, system), Mark(verdict.value, "all"), _summed(marks[system], shown))
        for system, verdict in judgement.storages.items()
    ]


def _shown(marks: Sequence[Sequence[Mark]]) -> list[int]:
    """The places of the marks that have a column: all, or the worst ones where a first screen has no room for more."""
    places = range(len(marks[0]) - 1) if marks else range(0)
    if len(places) <= MOST_MARKS:
        return list(places)
    worst = {place: min(_SEVERITY.index(of[place].verdict) for of in marks) for place in places}
    return sorted(sorted(places, key=worst.__getitem__)[: MOST_MARKS - 1])


def _summed(marks: Sequence[Mark], shown: Sequence[int]) -> list[Mark]:
    """The marks of these places, one for all other objectives, and that of the run."""
    *asked, run = marks
    others = [mark for place, mark in enumerate(asked) if place not in shown]
    if not others:
        return [*asked, run]
    verdict = min((mark.verdict for mark in others), key=_SEVERITY.index)
    count = sum(mark.verdict == verdict for mark in others)
    rest = Mark(verdict, f"{len(others)} more objectives", f"{count} of {len(others)}")
    return [*(asked[place] for place in shown), rest, run]


def _marks(system: str, judgement: Judgement, objectives: Objectives) -> Iterator[Mark]:
    checks = {check.check: check for check in judgement.checks if check.storage == system}
    for objective in (o for o in objectives.objectives if o.pod is None):
        yield _mark(objective, checks[objective_check(objective.name)])
        of_pods = [o for o in objectives.objectives if o.of_all_pods == objective.name]
        pods = {o.pod or "": checks[objective_check(o.name)] for o in of_pods if objective_check(o.name) in checks}
        if pods:
            yield _mark_of_pods(objective, pods)
    asked = {objective_check(objective.name) for objective in objectives.objectives}
    others = [c for c in judgement.checks if c.storage in (system, None) and c.check not in asked and c.decides]
    wrong = [check for check in others if check.verdict is not Verdict.PASS]
    figure = f"{_first_words(wrong)} not passed" if wrong else f"{len(others)} passed"
    yield Mark(compose(check.verdict for check in others).value, _EVIDENCE, figure)


def _mark(objective: Objective, check: Check) -> Mark:
    figure = "no data" if check.observed is None else percent(check.observed)
    within = "without failure" if objective.within_s is None else f"in {objective.within_s * 1000:g} ms"
    name = f"{operation_words(objective.operation)} {within}"
    return Mark(check.verdict.value, name, figure, f"at least {percent(objective.target)}", check.reason)


def _mark_of_pods(objective: Objective, pods: Mapping[str, Check]) -> Mark:
    """All pods as one mark, with the pod that has the smallest share of good attempts."""
    worst = min(pods, key=lambda pod: 1.0 if (share := pods[pod].observed) is None else share)
    mark = _mark(objective, pods[worst])
    verdict = compose(check.verdict for check in pods.values()).value
    return replace(mark, verdict=verdict, name=f"{mark.name}, by pod", figure=f"{mark.figure} on {pod_words(worst)}")


def _first_words(checks: Sequence[Check]) -> str:
    """`completed and 2 more`."""
    names = list(dict.fromkeys(check.check for check in checks))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def percent(share: float) -> str:
    """Cut, not rounded: 99.996 % must not read as 100 %."""
    return f"{math.floor(share * 1000 + 1e-6) / 10:g} %"


def checks_table(judgement: Judgement) -> PageTable:
    """The checks that did not pass, and those that passed with a remark."""
    shown = [check for check in judgement.checks if check.verdict is not Verdict.PASS or check.reason]
    rows: list[list[str | Cell]] = [
        [
            check.storage or "study",
            check.check,
            "all" if check.round is None else str(check.round),
            Cell(check.verdict.value, bad=check.verdict is not Verdict.PASS),
            check.reason,
        ]
        for check in shown
    ]
    passed = len(judgement.checks) - len(shown)
    caption = f"The checks of the judgement, the same as of loadtests-gate; {passed:,} more passed."
    return PageTable(caption, ["of", "check", "round", "verdict", "why"], rows, 5, grouped=True)
