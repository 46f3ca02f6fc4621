"""Why a verdict is unknown, and what would change that. Advice is computed: it leads to a pass if the shares stay."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from reports.gate.judging.rounds import Pool, Round, agreed
from reports.gate.judging.verdicts import Check, CheckFigure, Verdict

_LONGER = "ask for longer judged stages or more load; more rounds do not help"


class Blocking(NamedTuple):
    """Faults that invalidate a pass, faults that invalidate a fail, and faults that explain single attempts."""

    passes: Sequence[Check]
    fails: Sequence[Check]
    explains: Sequence[Check] = ()


def blocked(rounds: Sequence[Round], pool: Pool, blocking: Blocking) -> str:
    """Why the verdict of the figures does not stand; empty when the figures alone are undecided."""

    def certain(places: Sequence[int]) -> CheckFigure:
        return replace(pool(places), certain=True)

    alone = agreed([Round(replace(r.figure, certain=True)) for r in rounds], certain)
    if alone is Verdict.UNKNOWN:
        return ""
    against = blocking.passes if alone is Verdict.PASS else blocking.fails
    if against:
        return f"the figures alone would {alone.value}, but not with these faults: {names(against)}"
    explained = f" ({'; '.join(f'{f.run}: {f.reason}' for f in blocking.explains)})" if blocking.explains else ""
    return f"the figures alone would fail, but not if all lost and all unattributed attempts had been good{explained}"


def longer(enough: str, figures: Sequence[CheckFigure], blocking: Blocking) -> str:
    """Advice to make more attempts per round; `enough` is the sentence with their number."""
    faults = f"a pass needs runs without these faults: {names(blocking.passes)}" if blocking.passes else ""
    return "; ".join(filter(None, [disagreement(figures), enough, _LONGER, faults]))


def names(faults: Iterable[Check]) -> str:
    """`observer (01-sqlite), generator (02-sqlite)`."""
    return ", ".join(dict.fromkeys(f"{fault.check} ({fault.run})" for fault in faults))


def contradiction(figures: Sequence[CheckFigure], faults: Sequence[Check]) -> str:
    """Which rounds contradict each other, and their faults; empty when none do."""
    verdicts = [figure.verdict for figure in figures]
    if not {Verdict.PASS, Verdict.FAIL} <= set(verdicts):
        return ""
    fewer = min((Verdict.FAIL, Verdict.PASS), key=verdicts.count)
    odd = [figure for figure in figures if figure.verdict is fewer]
    round_faults = [fault for fault in faults if any(_is_of(fault, figure) for figure in odd)]
    found = f" (faults: {names(round_faults)})" if round_faults else ""
    where = f"find what was different in {', '.join(map(name, odd))}{found}"
    return f"{disagreement(figures)}; more data does not reconcile them: {where}"


def _is_of(fault: Check, figure: CheckFigure) -> bool:
    return fault.run == figure.run if figure.run is not None else fault.round == figure.round


def disagreement(figures: Sequence[CheckFigure]) -> str:
    verdicts = [figure.verdict.value for figure in figures]
    return f"the rounds do not agree: {', '.join(verdicts)}" if len(set(verdicts)) > 1 else ""


def without_data(figures: Sequence[CheckFigure]) -> str:
    return ", ".join(name(figure) for figure in figures if not figure.n)


def name(figure: CheckFigure) -> str:
    return figure.run or f"round {figure.round}"
