"""Accounts of a pod: their tokens, and how they move between the sides of a dual storage. Pure; a leaf.

A token is the account's name, signed with the pod's secret.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from loadtests.storagenames import SIDES, Side

Mode = Literal["legacy", "dual", "upgraded"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

_GOLDEN_RATIO: Final = (5**0.5 - 1) / 2
_NUMBER: Final = re.compile(r"([0-9]{1,9})$")


def read_from(mode: Mode) -> Side:
    """The side whose answers are given."""
    return "upgraded" if mode == "upgraded" else "legacy"


def written_on(mode: Mode) -> Sequence[Side]:
    """The sides that get every change, in this order."""
    return SIDES if mode == "dual" else (read_from(mode),)


def bucket(account: str) -> float:
    """The account's position, from 0 to below 100: it belongs to every share that is larger.

    By the number at the end of its name, times the golden ratio: neighbouring numbers are spread so evenly that a share
    of a few accounts, too, has about as many as it says. Without a number, by a checksum of the name.
    """
    number = _NUMBER.search(account)
    if number is None:
        return float(zlib.crc32(account.encode()) % 100)
    return int(number[1]) * _GOLDEN_RATIO % 1 * 100


@dataclass(frozen=True)
class MigrationPlan:
    """Where all accounts started, and the waves of moves since, each up to its share (0 to 100)."""

    start: Mode
    waves: tuple[tuple[Mode, float], ...] = ()

    def mode(self, account: str) -> Mode:
        """The mode of the last wave that reached the account."""
        position = bucket(account)
        return next((to for to, share in reversed(self.waves) if position < share), self.start)

    def then(self, to: Mode, share: float) -> "MigrationPlan":
        """The plan after a move of `share` of the accounts to `to`; the others stay where they came from.

        A wave to where the last one went only changes its share, and disappears when it goes back to 0.
        """
        before = self.waves[:-1] if self.waves and self.waves[-1][0] == to else self.waves
        return MigrationPlan(self.start, (*before, (to, share)) if share else before)


def token_for(account: str, secret: str) -> str:
    return f"{account}.{hmac.new(secret.encode(), account.encode(), hashlib.sha256).hexdigest()}"


def account_of(token: str, secret: str) -> str | None:
    """The account that a token speaks for; None when it is not signed with this secret."""
    account, dot, _ = token.rpartition(".")
    return account if dot and hmac.compare_digest(token.encode(), token_for(account, secret).encode()) else None
