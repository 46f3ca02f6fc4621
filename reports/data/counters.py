"""Growth of the servers' own totals in the judged time, from readings about once a second.

Growth is taken between two readings of the same server process. Where any total of a database fell or disappeared
between two readings, the totals were reset or the server restarted, and the growth in between is unknown.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from loadtests.records.files import UnreadableError
from reports.data.arrays import Floats, Ints, Mask
from reports.data.contract import CounterGrowth, StudyRun, Window, length_ns, merged
from reports.data.tables import table

_NEAR_NS = 600_000_000
"""A reading this near to a boundary of judged time counts as at the boundary: one a second, at most one late."""
_MOST_CELLS = 25_000_000
"""Enough for 800 counters over eight hours."""


def counted(run: StudyRun) -> dict[str, CounterGrowth]:
    """By database. Databases whose totals were not requested are missing; those that could not be reached have a
    `seen_s` of 0."""
    rows = table(run.directory, "counters").to_pandas()
    if "database" not in rows:  # of an older version, which watched one database
        rows["database"] = rows["engine"]
    if rows["counter"].nunique() * rows["t_ns"].nunique() > _MOST_CELLS:
        raise UnreadableError("counters.arrows has more counters and moments than are put into one table")
    asked = {
        str(name): CounterGrowth("", length_ns(run.judged) / 1e9) for name in run.manifest.get("lock_sources") or {}
    }
    return asked | {
        str(database): growth(
            np.asarray(readings.index, dtype=np.int64), readings.to_numpy(), list(readings), run.judged, engine
        )
        for (database, engine), group in rows.groupby(["database", "engine"])
        for readings in [group.pivot_table(index="t_ns", columns="counter", values="value", aggfunc="last")]
    }


def growth(at: Ints, totals: Floats, names: Sequence[str], judged: Sequence[Window], engine: str = "") -> CounterGrowth:
    """`totals`: [reading, counter]; NaN for a counter that is missing and so has counted nothing yet."""
    judged_s = length_ns(judged) / 1e9
    here, there = totals[:-1], totals[1:]
    fell = ((there < here) | (np.isnan(there) & ~np.isnan(here))).any(axis=1)
    selected = _between(at, judged)
    good = selected & ~fell
    grew = np.nan_to_num(there[good]) - np.nan_to_num(here[good])
    present = np.asarray((~np.isnan(there[good])).any(axis=0))
    return CounterGrowth(
        engine,
        judged_s,
        float(np.diff(at)[good].sum()) / 1e9,
        int((selected & fell).sum()),
        {name: int(grew[:, place].sum()) for place, name in enumerate(names) if present[place]},
        merged((int(at[place]), int(at[place + 1])) for place in np.flatnonzero(good)),
    )


def _between(at: Ints, judged: Sequence[Window]) -> Mask:
    """Which intervals between readings are judged time, to the reading nearest to its beginning and its end."""
    inside = np.zeros(max(len(at) - 1, 0), dtype=np.bool_)
    for begin, end in judged:
        inside |= (at[:-1] >= begin - _NEAR_NS) & (at[1:] <= end + _NEAR_NS)
    return inside


def counted_together(
    rounds: Sequence[Mapping[str, CounterGrowth]], judged_s: Sequence[float]
) -> dict[str, CounterGrowth]:
    """The sum of the rounds; a round without counters of a database adds only its judged time."""
    whole: dict[str, CounterGrowth] = {}
    for name in dict.fromkeys(name for found in rounds for name in found):
        parts = [found.get(name, CounterGrowth("", its_s)) for found, its_s in zip(rounds, judged_s, strict=True)]
        whole[name] = sum(parts[1:], parts[0])
    return whole
