"""A judgement as Markdown for people: the verdict, the objectives, and all other checks that did not pass."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from reports.data.objective import Objectives
from reports.gate.judging.verdicts import Check, Judgement, Verdict, objective_check
from reports.text.wording import one_line


def as_markdown(judgement: Judgement, objectives: Objectives, study: str) -> str:
    return "\n".join([*_head(judgement, study), *_objectives(judgement, objectives), *_others(judgement, objectives)])


def _head(judgement: Judgement, study: str) -> Iterator[str]:
    yield f"# {judgement.overall.value.upper()}: {plain(study)}"
    yield ""
    comparison = judgement.comparison
    if comparison is not None:
        yield f"The candidate {plain(comparison.candidate)} decides; {plain(comparison.baseline)} is the baseline."
    else:
        yield "; ".join(f"{plain(s)}: {v.value}" for s, v in judgement.storages.items()) or "There is no run."


def _objectives(judgement: Judgement, objectives: Objectives) -> Iterator[str]:
    asked = {objective_check(objective.name): objective for objective in objectives.objectives}
    rows = [
        (check.storage or "", str(asked[check.check]), _percent(asked[check.check].target), *_figures(check))
        for check in judgement.checks
        if check.check in asked
    ]
    yield from _table(("storage", "objective", "target", "good", "interval", "n", "verdict", "why"), rows)


def _figures(check: Check) -> tuple[str, ...]:
    good = "-" if check.observed is None else _percent(check.observed)
    interval = "-" if check.interval is None else f"{_percent(check.interval[0])} to {_percent(check.interval[1])}"
    return good, interval, "-" if check.n is None else str(check.n), _verdict(check), check.reason


def _verdict(check: Check) -> str:
    return (
        check.verdict.value if check.decides or check.verdict is Verdict.PASS else f"{check.verdict.value}, shown only"
    )


def _others(judgement: Judgement, objectives: Objectives) -> Iterator[str]:
    asked = {objective_check(objective.name) for objective in objectives.objectives}
    others = [check for check in judgement.checks if check.check not in asked]
    passed = [check for check in others if check.verdict is Verdict.PASS]
    rows = [
        (c.storage or "study", c.check, "-" if c.round is None else str(c.round), _verdict(c), c.reason)
        for c in others
        if c.verdict is not Verdict.PASS or c.reason
    ]
    yield from _table(("of", "check", "round", "verdict", "why"), rows)
    yield ""
    yield f"{len(passed)} of {len(others)} other checks passed. Each bound of an interval is at 95 %."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = list(rows)
    if rows:
        yield ""
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        yield from (f"| {' | '.join(map(plain, row))} |" for row in rows)


def _percent(share: float) -> str:
    """Cut, not rounded: 99.996 % must not read as 100 %."""
    return f"{math.floor(share * 100_000 + 1e-6) / 1000:g} %"


def plain(text: str) -> str:
    """Text that Markdown, HTML and terminals show as it is, on one line."""
    line = one_line(text, word=200).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|#~]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", line)
