"""How much this worker had to do without: processor time used and waited for, in its hardest five seconds."""

import os
import time
from collections import deque
from typing import Final, NamedTuple

from loadtests.limits.cgroups import throttling
from loadtests.limits.processors import allowed_share, run_queue_wait_ns

_WINDOW_S: Final = 5
_SHORTEST_S: Final = 2.0


class _Sample(NamedTuple):
    """Totals since this process began, in seconds; `at` is the clock."""

    at: float
    cpu: float
    run_queue: float
    throttled: float


class Strain:
    """Sampled once a second. Shares are of the time that passed, the largest of any five seconds."""

    def __init__(self) -> None:
        self.cpu_allowed = allowed_share()
        self._most = {"cpu_share": 0.0, "run_queue_share": 0.0, "throttled_share": 0.0}
        self._samples: deque[_Sample] = deque(maxlen=_WINDOW_S + 1)

    def sample(self) -> None:
        throttled = throttling()
        throttled_s = throttled.throttled_ns / 1e9 if throttled is not None else 0.0
        waited_s = run_queue_wait_ns(os.getpid()) / 1e9
        self._samples.append(_Sample(time.monotonic(), time.process_time(), waited_s, throttled_s))
        first, last = self._samples[0], self._samples[-1]
        if (passed_s := last.at - first.at) >= _SHORTEST_S:
            spent = (last.cpu - first.cpu, last.run_queue - first.run_queue, last.throttled - first.throttled)
            for name, seconds in zip(self._most, spent, strict=True):
                self._most[name] = max(self._most[name], seconds / passed_s)

    def figures(self) -> dict[str, float]:
        """`cpu_share` of one core used, `cpu_allowed` of it, `run_queue_share` spent waiting for one,
        `throttled_share` held up by the quota of a control group."""
        return {"cpu_allowed": self.cpu_allowed, **{name: round(share, 3) for name, share in self._most.items()}}
