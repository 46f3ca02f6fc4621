"""Kinds of doubts about runs: what was observed of each run, and what it means for the figures.

To add a kind, write a function that yields what one run has of it, and a line in `RUN_KINDS`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from loadtests.records.rundirectory import short_files
from reports.data.calibration import doubted, read_calibration
from reports.data.contract import MOST_DRAWN, Calibrated, StudyRun, ledger_checks
from reports.data.generator import exhausted, listed_errors, local_errors, slowed, strain, untimed
from reports.data.probe_samples import log_failures
from reports.text.contract import MINOR, SERIOUS
from reports.text.wording import digits, duration, listed, span

_BLIND = 0.01
"""Share of a run for which an observer may be blind without a doubt."""


class Seen(NamedTuple):
    """What one run has of a kind: a number, what it is about (a database, a check), and the reason."""

    amount: float | None = None
    subject: str = ""
    reason: str = ""


class RunKind(NamedTuple):
    """`text` may hold `{amount}` (a range over the runs), `{subjects}`, or `{items}`: each subject behind its amount.

    `show` formats an amount.
    """

    severity: str
    find: Callable[[StudyRun, bool], Iterator[Seen]]
    """The second argument: whether the figures come from this run, too."""
    text: str
    consequence: str
    show: Callable[[float], str] = digits


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _end(run: StudyRun, name: str) -> Mapping[str, Any]:
    return (run.end or {}).get(name) or {}


def _incomplete(run: StudyRun) -> Seen:
    return Seen(reason=f"{run.ending}: {(run.end or {}).get('detail') or 'it left no end.json'}")


def _left_out(run: StudyRun, counted: bool) -> Iterator[Seen]:
    if not run.completed and not counted:
        yield _incomplete(run)


def _only_rows(run: StudyRun, counted: bool) -> Iterator[Seen]:
    if not run.completed and counted:
        yield _incomplete(run)


def _unreadable(run: StudyRun, _: bool) -> Iterator[Seen]:
    yield from (Seen(reason=problem) for problem in run.unreadable)


def _many_events(run: StudyRun, _: bool) -> Iterator[Seen]:
    if len(run.events) > MOST_DRAWN:
        yield Seen(len(run.events))


def _no_manifest(run: StudyRun, _: bool) -> Iterator[Seen]:
    if not run.manifest:
        yield Seen()


def _faulty(run: StudyRun, _: bool) -> Iterator[Seen]:
    for fault in run.manifest.get("faults") or ():
        yield Seen(subject=fault["name"], reason=fault.get("title") or "")


def _not_judged(run: StudyRun, _: bool) -> Iterator[Seen]:
    if run.stages and not any(stage.judge for stage in run.stages):
        yield Seen()


def _lost(run: StudyRun, _: bool) -> Iterator[Seen]:
    if lost := _end(run, "operations").get("lost", 0):
        yield Seen(lost)


def _lost_at_most(run: StudyRun, _: bool) -> Iterator[Seen]:
    operations = _end(run, "operations")
    if operations.get("lost", 0) is None:
        yield Seen(operations.get("lost_at_most"))


def _local_errors(run: StudyRun, _: bool) -> Iterator[Seen]:
    if run.end is not None and not slowed(run.end) and local_errors(run.end):
        yield Seen(reason=f"no {listed_errors(local_errors(run.end))}")


def _saturated(run: StudyRun, _: bool) -> Iterator[Seen]:
    if _end(run, "generator").get("saturated") and not any(_local_errors(run, True)):
        yield Seen(reason=strain(run.end or {}) or "no signal is recorded")


def _perhaps_saturated(run: StudyRun, _: bool) -> Iterator[Seen]:
    unknown = run.end is not None and _end(run, "generator").get("saturated") is None
    if unknown and not any(_local_errors(run, True)):
        yield Seen()


def _exhausted(run: StudyRun, _: bool) -> Iterator[Seen]:
    if lacking := exhausted(run.end or {}):
        yield Seen(reason=lacking)


def _busy_host(run: StudyRun, _: bool) -> Iterator[Seen]:
    if reason := _end(run, "host").get("reason"):
        yield Seen(reason=str(reason).removeprefix("the host was under other load "))


def _untimed(run: StudyRun, _: bool) -> Iterator[Seen]:
    if connections := untimed(run.end or {}):
        yield Seen(connections)


def _no_observer(run: StudyRun, _: bool) -> Iterator[Seen]:
    if run.end is not None and not _end(run, "observer"):
        yield Seen()


def _blind(run: StudyRun, _: bool) -> Iterator[Seen]:
    observer = _end(run, "observer")
    if (observer.get("blind_s") or 0) > _BLIND * max(run.ended_ns - run.started_ns, 1) / 1e9:
        yield Seen(observer["blind_s"], reason=str(observer.get("reason") or ""))


def _short_files(run: StudyRun, _: bool) -> Iterator[Seen]:
    if run.end is not None:
        yield from (Seen(reason=str(short)) for short in short_files(run.directory, run.end))


def _sources(run: StudyRun) -> dict[str, Mapping[str, Any]]:
    """Sources of lock waits by database, with those that only a calibration names."""
    sources = (run.manifest.get("lock_sources") or {}).items()
    described = {str(name): source for name, source in sources if isinstance(source, dict)}
    return {n: described.get(n, {}) for n in sorted({*described, *(row.database for row in read_calibration(run))})}


def _badly_calibrated(run: StudyRun, _: bool) -> Iterator[Seen]:
    found = ((name, doubted(run, name)) for name in _sources(run))
    yield from (Seen(subject=name, reason=_outside(bad)) for name, bad in found if bad is not None)


def _outside(bad: Calibrated) -> str:
    value = "unknown" if bad.value is None else _calibrated(bad.value, bad.unit)
    tolerance = "" if bad.bar is None else f", tolerance {_calibrated(bad.bar, bad.unit)}"
    return f"{bad.figure} by {bad.source}: {value}{tolerance}{f'; {bad.reason}' if bad.reason else ''}"


def _calibrated(value: float, unit: str) -> str:
    return f"{digits(value)} {unit}" if unit and unit != "ratio" else f"{value:.2%}"


def _not_calibrated(run: StudyRun, _: bool) -> Iterator[Seen]:
    calibrated = {row.database for row in read_calibration(run)}
    yield from (Seen(subject=name) for name in _sources(run) if name not in calibrated)


def _lesser_source(run: StudyRun, _: bool) -> Iterator[Seen]:
    for name, source in _sources(run).items():
        if source.get("reason"):
            known = " and ".join(str(word) for word in source.get("known") or ()) or "unknown"
            yield Seen(subject=name, reason=f"known: {known}; {source['reason']}")


def _log_gaps(run: StudyRun, _: bool) -> Iterator[Seen]:
    for gap in log_failures(run):
        reason = f"first {digits(gap.since_s)} s into the load: {gap.error}"
        yield Seen(gap.blind_s, gap.database, reason)


def _no_ledger(run: StudyRun, _: bool) -> Iterator[Seen]:
    if not ledger_checks(run):
        yield Seen()


def _unknown_checks(run: StudyRun, _: bool) -> Iterator[Seen]:
    for check in ledger_checks(run):
        if check.get("verdict") not in ("pass", "fail"):
            yield Seen(subject=str(check.get("check")), reason=str(check.get("reason") or ""))


def _failed_checks(run: StudyRun, _: bool) -> Iterator[Seen]:
    for check in ledger_checks(run):
        if check.get("verdict") == "fail":
            count = check.get("count")
            amount = float(count) if isinstance(count, int) else None
            yield Seen(amount, str(check.get("check")), str(check.get("reason") or ""))


_LATENCIES_STAND = "latencies, outcomes and counts are not affected"

RUN_KINDS: tuple[RunKind, ...] = (
    RunKind(SERIOUS, _faulty, "reference pod started with the fault {subjects}",
            "every figure is of a pod that was made faulty on purpose"),
    RunKind(SERIOUS, _only_rows, "run did not complete",
            "its rows are the only ones of this system; what came after its end is missing from every figure"),
    RunKind(MINOR, _left_out, "run did not complete",
            "it is left out of the figures, which come from the other rounds"),
    RunKind(SERIOUS, _unreadable, "document could not be read",
            "it counts as missing; figures from the tables are not affected"),
    RunKind(SERIOUS, _no_manifest, "no manifest",
            "the settings are unknown and were not compared; the rows count all the same"),
    RunKind(SERIOUS, _not_judged, "no stage is marked as judged", "the whole run counts, warm-up included"),
    RunKind(SERIOUS, _lost, "operations lost: {amount}",
            "counts, shares and percentiles lack them; lock waits are not affected", _count),
    RunKind(SERIOUS, _lost_at_most, "operations lost with a killed worker: at most {amount}",
            "counts, shares and percentiles lack them; lock waits are not affected", _count),
    RunKind(SERIOUS, _local_errors, "the load generator's host ran out of resources",
            "less load was made, and these failures are not the system's; other latencies are not affected"),
    RunKind(SERIOUS, _saturated, "load generator saturated",
            "latencies include its own slowness; lock waits and the servers' totals do not"),
    RunKind(SERIOUS, _perhaps_saturated, "it is unknown whether the load generator was saturated",
            "latencies may include its own slowness; lock waits and the servers' totals do not"),
    RunKind(SERIOUS, _exhausted, "a process of the run had no resources of the host left",
            "failures and waits may be the host's, not the system's"),
    RunKind(SERIOUS, _busy_host, "host under other load",
            "latencies and timeouts are worse for that; refusals, errors and ledger are not affected"),
    RunKind(SERIOUS, _short_files, "tables lack rows or have too many", "figures from these tables may be wrong"),
    RunKind(SERIOUS, _blind, "observer blind for {amount}",
            f"lock waits, CPU and who blocked whom may be too low; {_LATENCIES_STAND}", duration),
    RunKind(SERIOUS, _badly_calibrated, "lock waits of {subjects} unknown, because the calibration did not pass",
            f"who blocked whom is not shown for it; {_LATENCIES_STAND}"),
    RunKind(SERIOUS, _failed_checks, "the ledger found {items}",
            "stored data or deliveries are wrong; latencies are not affected", _count),
    RunKind(MINOR, _no_observer, "no observer",
            f"lock waits, CPU and who blocked whom are unknown; {_LATENCIES_STAND}"),
    RunKind(MINOR, _not_calibrated, "observation of lock waits of {subjects} not calibrated",
            f"how exact lock waits are is unknown; {_LATENCIES_STAND}"),
    RunKind(MINOR, _lesser_source, "lock waits of {subjects} not from the best source",
            f"short waits are estimated or missing; {_LATENCIES_STAND}"),
    RunKind(MINOR, _log_gaps, "log of {subjects} not readable for about {amount}",
            f"lock waits of that time are sampled, which is less exact; {_LATENCIES_STAND}", duration),
    RunKind(MINOR, _no_ledger, "no ledger",
            "whether orphans were left or anything was lost is unknown; all other figures are not affected"),
    RunKind(MINOR, _unknown_checks, "the ledger could not determine {subjects}",
            "whether these are right is unknown; all other figures are not affected"),
    RunKind(MINOR, _untimed, "arrivals timed on reading on {amount} connections, without SO_TIMESTAMPNS",
            "latencies include the load generator's own delay; outcomes and counts are not affected", _count),
    RunKind(MINOR, _many_events, "{amount} actions and faults",
            f"plots show the first {MOST_DRAWN}; tables and figures cover all", _count),
)  # fmt: skip


def items(seen: list[Seen], show: Callable[[float], str]) -> str:
    """Each subject behind its amounts: `5 orphans and 3 lost_pushes`."""
    subjects = dict.fromkeys(one.subject for one in seen)
    amounts = {s: [one.amount for one in seen if one.subject == s and one.amount is not None] for s in subjects}
    return listed([f"{spread(amounts[s], show)} {s}".strip() for s in subjects])


def spread(amounts: list[float], show: Callable[[float], str]) -> str:
    """The smallest and the largest, as one range."""
    return span(show(min(amounts)), show(max(amounts))) if amounts else ""
