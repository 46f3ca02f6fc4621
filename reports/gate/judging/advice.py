"""Why a verdict is unknown, and what would change that. Advice is computed: it leads to a pass if the shares stay."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from reports.gate.judging.rounds import Pool, Round, agreed, opposed
from reports.gate.judging.statistics import least
from reports.gate.judging.verdicts import Bias, Check, CheckFigure, Verdict


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


def blocking_faults(faults: Iterable[Check]) -> Blocking:
    """Of one storage, judged by itself."""
    found = list(faults)
    return Blocking(
        [fault for fault in found if not fault.bias.lets_pass],
        [fault for fault in found if not fault.bias.lets_fail],
        [fault for fault in found if fault.bias & Bias.EXPLAINS],
    )


def more(attempts: str, rounds: int, figures: Sequence[CheckFigure], vary: bool, blocking: Blocking) -> str:
    """Advice to make more rounds. `attempts`: how many would be enough, as text; `rounds`: in how many rounds like
    these; `vary`: whether they vary, so that a round is one observation."""
    longer = f"judged stages {rounds / len(figures):,.1f} times as long"
    advised = f"make {rounds:,} rounds instead of {len(figures)}{'' if vary else f', or {longer}'}"
    why = f"the rounds vary ({shares(figures)}), so that each is one observation" if vary else ""
    faults = f"a pass needs runs without these faults: {names(blocking.passes)}" if blocking.passes else ""
    return "; ".join(filter(None, [why, f"{attempts}, are enough to pass: {advised}", faults]))


def more_rounds(passes: Callable[[int], bool], rounds: int) -> int | None:
    """The least number of rounds, more than there are, that passes."""
    return least(passes, rounds + 1)


def shares(figures: Iterable[CheckFigure]) -> str:
    """`99.900%, 93.900%`."""
    return ", ".join(f"{figure.observed:.3%}" for figure in figures if figure.observed is not None)


def below(figures: Sequence[CheckFigure], target: float) -> str:
    """Which rounds are not above the target."""
    wrong = [f for f in figures if f.observed is not None and f.observed <= target]
    return f"not above the target in {', '.join(map(name, wrong))} ({shares(wrong)})"


def names(faults: Iterable[Check]) -> str:
    """`observer (01-sqlite), generator (02-sqlite)`."""
    return ", ".join(dict.fromkeys(f"{fault.check} ({fault.run})" for fault in faults))


def contradiction(figures: Sequence[CheckFigure], expected: Verdict, faults: Sequence[Check]) -> str:
    """Which rounds contradict the others, and their faults; empty when none do. `expected`: the verdict of all rounds
    together, also if there were more like these."""
    if not opposed(figures, expected):
        return ""
    groups = [[figure for figure in figures if figure.verdict is verdict] for verdict in (Verdict.FAIL, Verdict.PASS)]
    odd = min(filter(None, groups), key=len)
    round_faults = [fault for fault in faults if any(_is_of(fault, figure) for figure in odd)]
    found = f" (faults: {names(round_faults)})" if round_faults else ""
    where = f"find what was different in {', '.join(map(name, odd))}{found}"
    return f"{disagreement(figures)}; more data does not reconcile them: {where}, and make the study again"


def _is_of(fault: Check, figure: CheckFigure) -> bool:
    return fault.run == figure.run if figure.run is not None else fault.round == figure.round


def disagreement(figures: Sequence[CheckFigure]) -> str:
    verdicts = [figure.verdict.value for figure in figures]
    return f"the rounds do not agree: {', '.join(verdicts)}" if len(set(verdicts)) > 1 else ""


def without_data(figures: Sequence[CheckFigure]) -> str:
    return ", ".join(name(figure) for figure in figures if not figure.n)


def name(figure: CheckFigure) -> str:
    return figure.run or f"round {figure.round}"
