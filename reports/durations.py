"""How long waits for locks lasted: timed ones by length, those below the threshold as a total."""

from dataclasses import dataclass, field

import numpy as np

from reports.frames import Floats


@dataclass(frozen=True)
class WaitDurations:
    """Waits that began in the judged stages, all rounds together.

    `counts` are timed waits between the `edges_s` (one more than counts, evenly spread over the logarithm). Where there
    is a `threshold_s`, shorter ones were not timed: together they lasted `sampled_s`, by sampling, with its 95 %
    interval. Where nothing was timed, all is in `sampled_s`. `open` is how many were not seen to end. `known` None:
    nothing could see them.
    """

    known: str | None = None
    threshold_s: float | None = None
    edges_s: Floats = field(default_factory=lambda: np.zeros(0))
    counts: Floats = field(default_factory=lambda: np.zeros(0))
    sampled_s: float = 0.0
    sampled_interval_s: tuple[float, float] | None = None
    open: int = 0
