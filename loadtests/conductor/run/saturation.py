"""Whether the load generator kept up with its own plan: which of its signals were exceeded. Pure."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from loadtests.conductor.run.live import Worker

CPU_SHARE: Final = 0.9
"""Of what a worker may use."""

RUN_QUEUE_SHARE: Final = 0.5
THROTTLED_SHARE: Final = 0.2
LATE_SHARE: Final = 0.01
STANDSTILL_S: Final = 3.0

_ALPHA: Final = 0.05


def reasons(workers: Sequence[Worker]) -> list[str]:
    """The signals that were exceeded: `cpu`, `run_queue`, `throttling`, `standstill`, `late_starts`,
    `local_errors`."""
    return list(_reasons(workers))


def _reasons(workers: Sequence[Worker]) -> Iterator[str]:
    if any((w.cpu_share or 0.0) > CPU_SHARE * w.cpu_allowed for w in workers):
        yield "cpu"
    if any(w.run_queue_share > RUN_QUEUE_SHARE for w in workers):
        yield "run_queue"
    if any(w.throttled_share > THROTTLED_SHARE for w in workers):
        yield "throttling"
    if any(w.stood_still_s > STANDSTILL_S for w in workers):
        yield "standstill"
    if more_than(LATE_SHARE, sum(w.late_starts for w in workers), sum(w.starts for w in workers)):
        yield "late_starts"
    if local_errors(workers):
        yield "local_errors"


def local_errors(workers: Sequence[Worker]) -> dict[str, int]:
    """By resource, over all workers."""
    total: Counter[str] = Counter()
    for worker in workers:
        total.update(worker.local_errors)
    return dict(sorted(total.items()))


def saturated(workers: Sequence[Worker], drained: bool) -> bool | None:
    """Whether a signal was exceeded; None when a worker was lost before it could report."""
    if reasons(workers):
        return True
    reported = drained and bool(workers) and all(w.drained and w.cpu_share is not None for w in workers)
    return False if reported else None


def more_than(share: float, count: int, of: int) -> bool:
    """Whether `count` of `of` proves a true share above `share`: so many are seen in one case of twenty at most when
    it is not (exact, binomial). One of eight proves nothing about 1 %."""
    if count <= share * of:
        return False
    fewer = sum(_probability(k, of, share) for k in range(count))
    return 1.0 - fewer < _ALPHA


def _probability(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))
