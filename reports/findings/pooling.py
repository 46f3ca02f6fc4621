"""How figures of several rounds, runs or databases become one: values are added, and mappings of them by key.

A value whose parts may be unknown is unknown when one of them is.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol, Self, TypeVar


class Addable(Protocol):
    def __add__(self, other: Any, /) -> Self: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Addable)


def summed(parts: Iterable[Mapping[K, V]]) -> dict[K, V]:
    """By key, the sum of the values of the parts that have it."""
    whole: dict[K, V] = {}
    for part in parts:
        for key, value in part.items():
            whole[key] = whole[key] + value if key in whole else value
    return whole


def summed_by(pairs: Mapping[tuple[str, str], float], place: int) -> dict[str, float]:
    """By the first (0) or the second name (1) of the pairs, the sum of their values."""
    return summed({pair[place]: value} for pair, value in pairs.items())


def together_known(words: Iterable[str | None]) -> str | None:
    """How the lock waits of several parts are known; None when those of one are not, or without parts."""
    each = [word.split(" and ") if word else None for word in words]
    known = [one for word in each if word is not None for one in word]
    return " and ".join(sorted(set(known))) if known and None not in each else None


def longest(seconds: Iterable[float | None]) -> float | None:
    return max((s for s in seconds if s is not None), default=None)
