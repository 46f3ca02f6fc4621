"""Which side serves an account in which mode, and which mode each account is to be in. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from loadtests.wire.codecs.shares import bucket

Side = Literal["legacy", "upgraded"]
Mode = Literal["legacy", "dual", "upgraded"]

SIDES: Final[tuple[Side, ...]] = ("legacy", "upgraded")
MODES: Final[tuple[Mode, ...]] = ("legacy", "dual", "upgraded")


def read_from(mode: Mode) -> Side:
    """The side whose answers are given."""
    return "upgraded" if mode == "upgraded" else "legacy"


def written_on(mode: Mode) -> Sequence[Side]:
    """The sides that get every change, in this order."""
    return SIDES if mode == "dual" else (read_from(mode),)


@dataclass(frozen=True)
class Plan:
    """Where all accounts started, and the waves that have gone over them since, each up to its share (0 to 100)."""

    start: Mode
    waves: tuple[tuple[Mode, float], ...] = ()

    def mode(self, account: str) -> Mode:
        """The mode of the last wave that reached the account."""
        place = bucket(account)
        return next((to for to, share in reversed(self.waves) if place < share), self.start)

    def then(self, to: Mode, share: float) -> "Plan":
        """`share` of the accounts are to be on `to`, the others where they came from: a wave to where the last one
        went already only changes its share, and leaves nothing when it goes back to 0."""
        before = self.waves[:-1] if self.waves and self.waves[-1][0] == to else self.waves
        return Plan(self.start, (*before, (to, share)) if share else before)
