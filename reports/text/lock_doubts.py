"""Doubts about lock waits: sources below the best one, gaps in logs, calibrations that did not pass, and servers whose
own totals differ."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.compute as pc

from loadtests.records.probe_coverage import LOG
from reports.data.calibration import doubted, read_calibration
from reports.data.contract import Calibrated, CounterGrowth, StudyRun
from reports.data.tables import table
from reports.findings.locks import SampledRows, counted_wait_s, disagree
from reports.text.wording import digits, duration, times


def lock_doubts(run: StudyRun) -> Iterator[str]:
    sources = run.manifest.get("lock_sources")
    described = {str(name): source for name, source in (sources or {}).items() if isinstance(source, dict)}
    calibrated = {row.database for row in read_calibration(run)}
    for name in sorted({*described, *calibrated}):
        bad = doubted(run, name)
        if bad is not None:
            yield f"{run.name}: lock waits of {name} are unknown: its calibration did not pass ({_why(bad)})."
        elif name not in calibrated:
            yield f"{run.name}: the observation of lock waits of {name} was not calibrated."
        yield from _source(run, name, described.get(name) or {})
    yield from _blind_logs(run)


def _why(bad: Calibrated) -> str:
    value = "unknown" if bad.value is None else _figure(bad.value, bad.unit)
    bar = "" if bad.bar is None else f", tolerance {_figure(bad.bar, bad.unit)}"
    return f"{bad.figure} by {bad.source}: {value}{bar}{f'; {bad.reason}' if bad.reason else ''}"


def _figure(value: float, unit: str) -> str:
    return f"{digits(value)} {unit}" if unit and unit != "ratio" else f"{value:.2%}"


def _source(run: StudyRun, name: str, source: dict[str, Any]) -> Iterator[str]:
    if source.get("reason"):
        words = " and ".join(str(word) for word in source.get("known") or ()) or "unknown"
        yield f"{run.name}: lock waits of {name} do not come from the best source (known: {words}): {source['reason']}."


def _blind_logs(run: StudyRun) -> Iterator[str]:
    """Gaps in servers' logs, with the reason. Waits in a gap are sampled, which is less exact."""
    ticks = table(run.directory, "ticks")
    failed = ticks.filter(pc.and_(pc.ends_with(ticks["probe"], LOG), pc.is_valid(ticks["error"])))
    for probe, error in dict.fromkeys(zip(failed["probe"].to_pylist(), failed["error"].to_pylist(), strict=True)):
        entry = failed.filter(pc.and_(pc.equal(failed["probe"], probe), pc.equal(failed["error"], error)))
        blind_s = entry.num_rows * entry["period_ns"][0].as_py() / 1e9
        since_s = (entry["started_ns"][0].as_py() - run.started_ns) / 1e9
        yield (
            f"{run.name}: {probe.removesuffix(LOG)}'s log could not be read for about {duration(blind_s)}, first "
            f"{digits(since_s)} s into the load ({error}); waits of that time are sampled."
        )


def counter_doubts(
    storage: str, counted: Mapping[str, CounterGrowth], sampled: Mapping[str, SampledRows]
) -> Iterator[str]:
    """Doubts about the totals of all rounds of a storage."""
    for name, entry in counted.items():
        if entry.resets:
            yield (
                f"{storage}: totals of {name} were reset {times(entry.resets)} in the judged time, or the server "
                f"restarted; its totals are known for {entry.seen:.0%} of that time."
            )
        counted_s, seen = counted_wait_s(entry), sampled.get(name)
        if counted_s is not None and seen is not None and disagree(entry, seen):
            low, high = seen.interval_s
            yield (
                f"{storage}: sampled row lock waits of {name} add up to {digits(seen.seconds)} s ({digits(low)} … "
                f"{digits(high)} s), but the server counted {digits(counted_s[0])} … {digits(counted_s[1])} s of the "
                "same waits: lock times are wrong by that much."
            )
