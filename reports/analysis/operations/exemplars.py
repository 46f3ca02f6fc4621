"""Exemplars: the operations around a percentile, whose split by cause explains it."""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

import numpy as np
import numpy.typing as npt

from loadtests.records.vocabulary import OUTCOMES
from reports.analysis.operations.columns import Exemplars, ExemplarsByFigure, MeasureColumn, RequestIdentity
from reports.analysis.operations.statistics import PERCENTILES, rank_of
from reports.data.arrays import Ints
from reports.findings.estimates import Estimate

NEAREST_SHARE = 0.01
AT_LEAST = 20
"""The nearest ranks: one in a hundred of all, at least twenty. Fewer rows have no exemplars."""
OF_MEAN = 5_000
"""Exemplars of the mean in each run, evenly spread."""
_COUNTED = tuple(OUTCOMES.index(name) for name in ("ok", "unknown"))
_FIGURES = ("p50", "p95", "p99")


def exemplars(
    response: Mapping[str, Estimate | None],
    columns: Mapping[str, MeasureColumn],
    identities: Mapping[str, RequestIdentity],
) -> ExemplarsByFigure:
    """Exemplars of one operation. `columns` and `identities` by run."""
    counted = {run: column.judged & np.isin(column.outcome, _COUNTED) for run, column in columns.items()}
    durations = np.concatenate([columns[run].response[mask] for run, mask in counted.items()])
    shares = {name: p for name, p in PERCENTILES if name in _FIGURES and response.get(name)}
    found = {"mean": {run: _spread(column, identities[run]) for run, column in columns.items()}}
    if len(durations) < AT_LEAST:
        return found
    for name, share in shares.items():
        low, high = _bounds(durations, share)
        found[name] = {
            run: _group(column, identities[run], np.flatnonzero(counted[run] & _between(column, low, high)))
            for run, column in columns.items()
        }
    return found


def _spread(column: MeasureColumn, identity: RequestIdentity) -> Exemplars:
    places = np.flatnonzero(column.judged)
    some = places[np.linspace(0, len(places) - 1, min(len(places), OF_MEAN)).astype(np.int64)]
    return replace(_group(column, identity, some), worth=len(places) / max(len(some), 1))


def _bounds(durations: Ints, share: float) -> tuple[int, int]:
    """The shortest and the longest response among the nearest ranks."""
    n = len(durations)
    some = min(max(AT_LEAST, ceil(NEAREST_SHARE * n)), n)
    first = min(max(rank_of(share, n) - 1 - some // 2, 0), n - some)
    edges = np.partition(durations, [first, first + some - 1])
    return int(edges[first]), int(edges[first + some - 1])


def _between(column: MeasureColumn, low: int, high: int) -> npt.NDArray[np.bool_]:
    return np.asarray((column.response >= low) & (column.response <= high))


def _group(column: MeasureColumn, identity: RequestIdentity, places: Ints) -> Exemplars:
    planned, response, service = identity.planned[places], column.response[places], column.service[places]
    ended = planned + response
    return Exemplars(identity.key[places], identity.user[places], planned, ended - service, ended)
