"""The story of a timeline without failures: how Accept chat went through a migration or other actions."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reports.findings.estimates import Estimate
from reports.findings.operations import StageMeasures
from reports.findings.phases import StudyPhase, phases
from reports.findings.study import Findings, StorageFindings
from reports.text.blast_radius import radius
from reports.text.contract import Bullet, Story
from reports.text.outage_course import event_words
from reports.text.plain_names import cut, fit, operation_words
from reports.text.sentence import sentence as attribution
from reports.text.wording import digits, listed, plain

_NOTICED = 1.2
"""Ratio of latencies from which on a phase is called slower."""
_FEW_MS = 50
"""Milliseconds below which a phase is not called slower, by any ratio."""
_STAGED: tuple[tuple[str, Callable[[StudyPhase], StageMeasures]], ...] = (
    ("chat.accept", lambda phase: phase.accept),
    ("connection.create", lambda phase: phase.connect),
)
"""Operations that have figures of each phase, the preferred one first."""


class Passage(NamedTuple):
    """One system through its actions: a figure of one operation before the first of them, and the worst after it."""

    storage: StorageFindings
    operation: str
    figure: str
    before: Estimate
    worst: Estimate
    phase: StudyPhase

    @property
    def ratio(self) -> float:
        return self.worst.value / max(self.before.value, 1)

    @property
    def slower(self) -> bool:
        return self.ratio >= _NOTICED and self.worst.value >= _FEW_MS * 1e6


def through_actions(findings: Findings) -> Story | None:
    """Systems on which actions ran, and no pod breached an SLO."""
    acted = [storage for storage in findings.storages if storage.acted]
    found = [passage for storage in acted if (passage := passage_of(storage)) is not None]
    if not found:
        return None
    worst = max(found, key=lambda passage: passage.ratio)
    subject, name = _subject(worst.storage), operation_words(worst.operation)
    where = f" on {worst.storage.label}" if len(findings.storages) > 1 else ""
    values = f"{worst.figure} {plain(worst.before)} before, {plain(worst.worst)} in the worst stage{_overall(worst)}"
    stage = cut(worst.phase.name, 24)
    if worst.slower:
        head = f"{subject} made {name} {digits(worst.ratio)} times slower{where}: {values}"
        variants = [f"{head} ({stage})", head]
    else:
        variants = [f"{name} went through {subject[0].lower()}{subject[1:]} {_failures(worst)}{where}: {values}"]
    blasts = radius(findings)
    bullets = (
        Bullet("why", attribution(worst.storage), "where-the-time-went"),
        Bullet("since when", f"Worst in stage {stage}{_events(worst.phase)}. {blasts}".strip(), "story"),
        Bullet("next", _next(worst), "story"),
    )
    return Story(fit(*variants), bullets, "story")


def _failures(found: Passage) -> str:
    outcomes = found.storage.measures[found.operation].outcomes
    bad = outcomes["fail"] + outcomes["unknown"]
    return f"with {bad:,} attempts without success" if bad else "without a failure"


def _overall(found: Passage) -> str:
    """The highest percentile of all stages, where single stages have too few attempts for one."""
    response = found.storage.measures[found.operation].response
    figure = next((name for name in ("p99", "p95") if response[name] is not None), None)
    estimate = response[figure] if figure is not None else None
    return f"; {figure} {plain(estimate)} overall" if estimate is not None and found.figure == "median" else ""


def passage_of(storage: StorageFindings) -> Passage | None:
    """None where no figure is known both before and after the first action."""
    judged = [phase for phase in phases(storage) if phase.judge]
    begin = next((place for place, phase in enumerate(judged) if phase.events), 0)
    for operation, of in _STAGED:
        for figure in ("p99", "p50"):
            before = [e for phase in judged[:begin] if (e := getattr(of(phase), figure)) is not None]
            after = [(e, phase) for phase in judged[begin:] if (e := getattr(of(phase), figure)) is not None]
            if before and len(after) == len(judged) - begin:
                worst, phase = max(after, key=lambda one: one[0].value)
                return Passage(storage, operation, _words(figure), before[-1], worst, phase)
    return None


def _words(figure: str) -> str:
    return "median" if figure == "p50" else figure


def _subject(storage: StorageFindings) -> str:
    kinds = {event.do for run in storage.pooled for event in run.events if event.kind == "action"}
    return "The migration" if "migrate" in kinds else "The actions of the timeline"


def _events(phase: StudyPhase) -> str:
    words = list(dict.fromkeys(event_words(event) for event in phase.events))
    return f", with {listed(_few(words))}" if words else ""


def _few(words: Sequence[str], most: int = 3) -> list[str]:
    return list(words) if len(words) <= most else [*words[:most], f"{len(words) - most} others"]


def _next(found: Passage) -> str:
    if found.slower:
        return f"Find out what stage {cut(found.phase.name, 24)} costs, or migrate in smaller steps."
    return "Repeat under the highest expected load: this one went through without a breach."
