"""Figures of several rounds of one storage system → one figure."""

from collections.abc import Mapping, Sequence

import numpy as np

from reports.data.arrays import Floats
from reports.data.contract import StudyRun
from reports.findings.operations import Axis


def mean_over_time(runs: Sequence[StudyRun], rounds: Sequence[Mapping[str, Floats]], axis: Axis) -> dict[str, Floats]:
    """The mean of the rounds in each bin, over the time that each lasted."""
    widths = [axis.widths_s(run) for run in runs]
    lasted = np.maximum(np.sum(widths, axis=0), 1e-9)
    whole: dict[str, Floats] = {}
    for part, width in zip(rounds, widths, strict=True):
        for name, seen in part.items():
            whole[name] = whole.get(name, np.zeros(axis.count)) + seen * width / lasted
    return whole
