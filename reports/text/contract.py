"""What the first screen states: the headline, three bullets at most, and the doubts."""

from collections.abc import Sequence
from dataclasses import dataclass

SERIOUS, MINOR = "serious", "minor"
"""Severities of a doubt: a figure may be wrong; a figure is right, with a limit worth knowing."""


@dataclass(frozen=True)
class Doubt:
    """One kind of doubt, over all rounds. `text` states what happened and in how many rounds; `consequence` which
    figures it affects and which not; `runs` are the names of the runs concerned, empty when it is about the study."""

    severity: str
    text: str
    consequence: str
    runs: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return f"{self.text}: {self.consequence}" if self.consequence else self.text


@dataclass(frozen=True)
class Bullet:
    """`label` is "why", "since when" or "next"; `section` the anchor of the section with the evidence."""

    label: str
    text: str
    section: str


@dataclass(frozen=True)
class Story:
    """The first screen in words. `headline` has at most 25 words; `hero` is the name of the section whose plot is shown
    large; `answered` is False where no request was answered. `durability` is empty when the promises are equal.

    `radius` states which pods breached their SLOs, when, and after which action; empty when no run had several pods.
    """

    headline: str
    bullets: tuple[Bullet, ...]
    hero: str
    durability: str = ""
    doubts: tuple[Doubt, ...] = ()
    answered: bool = True
    radius: str = ""

    @property
    def reason(self) -> str:
        """The bullet that states why; empty without one."""
        return next((bullet.text for bullet in self.bullets if bullet.label == "why"), "")


def doubts_counted(doubts: Sequence[Doubt]) -> str:
    """`2 serious doubts, 1 minor`; empty without any."""
    counts = {severity: sum(doubt.severity == severity for doubt in doubts) for severity in (SERIOUS, MINOR)}
    words = [f"{count} {severity}" for severity, count in counts.items() if count]
    if not words:
        return ""
    plural = "doubt" if next(count for count in counts.values() if count) == 1 else "doubts"
    return ", ".join([f"{words[0]} {plural}", *words[1:]])
