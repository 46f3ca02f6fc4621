"""Times in which a server's log could not be read."""

from typing import NamedTuple

import pyarrow.compute as pc

from loadtests.records.probe_coverage import LOG
from reports.data.contract import StudyRun
from reports.data.tables import table


class LogGap(NamedTuple):
    """All failures of one kind of a database's log: how long together, and when the first began, in s of the load."""

    database: str
    error: str
    blind_s: float
    since_s: float


def log_gaps(run: StudyRun) -> list[LogGap]:
    ticks = table(run.directory, "ticks")
    failed = ticks.filter(pc.and_(pc.ends_with(ticks["probe"], LOG), pc.is_valid(ticks["error"])))
    kinds = dict.fromkeys(zip(failed["probe"].to_pylist(), failed["error"].to_pylist(), strict=True))
    gaps = []
    for probe, error in kinds:
        entry = failed.filter(pc.and_(pc.equal(failed["probe"], probe), pc.equal(failed["error"], error)))
        blind_s = entry.num_rows * entry["period_ns"][0].as_py() / 1e9
        since_s = (entry["started_ns"][0].as_py() - run.started_ns) / 1e9
        gaps.append(LogGap(probe.removesuffix(LOG), error, blind_s, since_s))
    return gaps
