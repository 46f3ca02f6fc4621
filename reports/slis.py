"""SLIs of pods: attempts and bad attempts per second, from which SLO breaches are computed."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from loadtests.records.files import UnreadableError
from loadtests.records.vocabulary import OUTCOMES

SLIS: tuple[str, ...] = ("connection.create", "subscription.create", "chat.accept")
"""Operations whose failure users notice immediately."""
LIMITS_S: Mapping[str, float] = {"connection.create": 0.5, "subscription.create": 0.25, "chat.accept": 0.3}
"""Default time within which an attempt is good: the limits of `scenarios/objectives.yaml`."""

MOST_POD_SECONDS = 8_000_000
"""Enough for 200 pods over 11 hours; the counts take 48 bytes for each."""

Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
_OK, _REFUSED = OUTCOMES.index("ok"), OUTCOMES.index("refused")


class SliCounts:
    """Attempts of one run, counted where they were planned. A refusal is an answer, not an attempt."""

    def __init__(self, pods: int, span_s: float, limits_s: Mapping[str, float]) -> None:
        if pods * span_s > MOST_POD_SECONDS:
            raise UnreadableError(f"{pods:,} pods for {span_s:,.0f} s are more than are counted second by second")
        self.limits_s = limits_s
        self.attempts = {name: np.zeros((pods, int(np.ceil(span_s)) or 1), dtype=np.int64) for name in SLIS}
        """By SLI: [pod, second since the load began]."""
        self.bad = {name: np.zeros_like(counts) for name, counts in self.attempts.items()}
        """Attempts that failed, are unknown, or took longer than the limit."""

    def add(self, sli: str, at_ns: Ints, response_ns: Ints, outcome: Codes, pod: Codes) -> None:
        """Counts rows that were due `at_ns` since the load began."""
        pods, seconds = self.attempts[sli].shape
        second = at_ns // 1_000_000_000
        counted = (outcome != _REFUSED) & (pod < pods) & (second >= 0) & (second < seconds)
        bad = counted & ((outcome != _OK) | (response_ns > round(self.limits_s[sli] * 1e9)))
        place = pod.astype(np.int64) * seconds + second
        for counts, mask in ((self.attempts, counted), (self.bad, bad)):
            found = np.bincount(place[mask], minlength=pods * seconds)
            counts[sli] += found.reshape(pods, seconds)
