"""What a calibration found: figures with a tolerance (`bar`) and a verdict, and what they say together. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb, sqrt
from typing import Literal, NamedTuple

from loadtests.calibration.contract import Tolerances, calibration_of
from loadtests.calibration.plan import Form
from loadtests.calibration.timekeeping import percentile
from loadtests.calibration.truth import ExpectedWait, MatchedWaits, ReportedWait, match

FEWEST = 3
"""Fewer waits than that give no verdict."""

CHANCE = 0.05
"""In the short form, where one miss of ten means little, a source fails when a source that just meets its tolerance
would do as badly in fewer calibrations than this; and a total of samples, when its 95 % interval does not contain the
truth."""

HIDES = 2
"""A wait whose truth has an error above this many times the tolerance is not used for its error."""

_P95 = 0.95

Verdict = Literal["pass", "fail", "unknown"]
Pair = tuple[ExpectedWait, ReportedWait]


@dataclass(frozen=True)
class Figure:
    """One row of `calibration.json`. `value` is a share (unit: ratio) or in ms; None when there was nothing to see."""

    engine: str
    database: str
    source: str
    figure: str
    value: float | None
    unit: str
    bar: float
    verdict: Verdict
    n: int
    reason: str


class Assessment(NamedTuple):
    """A figure without its name and its bar."""

    value: float | None
    verdict: Verdict
    n: int
    reason: str


def _too_few(n: int, what: str) -> Assessment:
    return Assessment(None, "unknown", n, f"{n} {what} are too few to judge by")


@dataclass(frozen=True)
class Case:
    """One source, the waits that took place, and those that it reported. `known`: as in `lock_waits`, the best first.

    Times in ns. `error_ns`: the greatest error of one wait's truth.
    """

    engine: str
    database: str
    form: Form
    known: Sequence[str]
    period_ns: int
    threshold_ns: int | None
    error_ns: int
    expected: Sequence[ExpectedWait]
    reported: Sequence[ReportedWait]

    @property
    def tolerances(self) -> Tolerances:
        return calibration_of(self.engine).tolerances[self.known[0]]

    @property
    def rows(self) -> list[str]:
        """The values of `known` in rows; a counter makes no rows."""
        return [word for word in self.known if word != "counter"]

    @property
    def from_ns(self) -> int:
        """Waits that certainly last longer must be found."""
        from_ms = self.tolerances.from_ms
        return (self.threshold_ns or 0) if from_ms is None else round(from_ms * 1e6)

    def figure(self, name: str, bar: float, assessment: Assessment) -> Figure:
        unit = "ms" if name == "wait error p95" else "ratio"
        source = " and ".join(self.rows) if name == "total recovered" else self.known[0]
        return Figure(
            self.engine,
            self.database,
            source,
            name,
            assessment.value,
            unit,
            bar,
            assessment.verdict,
            assessment.n,
            assessment.reason,
        )


def figures(case: Case) -> list[Figure]:
    """Every figure of a source."""
    matched = match(case.expected, case.reported, case.error_ns)
    due = [(wait, row) for wait, row in matched.pairs if wait.lasted_ns - wait.error_ns > case.from_ns]
    found = [(wait, row) for wait, row in due if row is not None]
    first = [_found(case, due), _total(case, matched), _error(case, found)]
    return [*first, *_blockers(case, found)]


def _found(case: Case, due: Sequence[tuple[ExpectedWait, ReportedWait | None]]) -> Figure:
    what = f"waits certainly longer than {case.from_ns / 1e6:g} ms"
    return _share(case, "waits found", case.tolerances.found, [row is not None for _, row in due], what)


def _blockers(case: Case, found: Sequence[Pair]) -> Iterator[Figure]:
    blockers = [row.blocker in wait.blocker for wait, row in found]
    roots = [row.root in wait.root for wait, row in found]
    if case.tolerances.blocker is not None:
        yield _share(case, "blocker right", case.tolerances.blocker, blockers, "waits found")
    if case.tolerances.root is not None:
        yield _share(case, "root right", case.tolerances.root, roots, "waits found")


def _share(case: Case, name: str, bar: float, good: Sequence[bool], what: str) -> Figure:
    return case.figure(name, bar, _assess_share(case.form, bar, good, what))


def _assess_share(form: Form, bar: float, good: Sequence[bool], what: str) -> Assessment:
    n = len(good)
    if n < FEWEST:
        return _too_few(n, what)
    value, reason = sum(good) / n, f"{sum(good)} of {n} {what}"
    if value >= bar:
        return Assessment(value, "pass", n, reason)
    if form == "short" and chance_of(n - sum(good), n, 1 - bar) >= CHANCE:
        return Assessment(value, "pass", n, f"{reason}, within chance for a source that meets its tolerance")
    return Assessment(value, "fail", n, reason)


def chance_of(misses: int, n: int, rate: float) -> float:
    """The probability of at least this many misses among n when each has the probability `rate`."""
    return 1 - sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(misses))


def _total(case: Case, matched: MatchedWaits) -> Figure:
    """The time reported for the sessions, unmatched rows included: a wait that is reported twice counts twice."""
    sessions = {wait.session for wait in case.expected}
    rows = [row for row in case.reported if row.session in sessions]
    truth_ns = sum(wait.lasted_ns for wait in case.expected)
    bar, n = case.tolerances.total, len(case.expected)
    if n < FEWEST or not truth_ns:
        return case.figure("total recovered", bar, _too_few(n, "waits"))
    reported_ns = sum(row.duration_ns(case.period_ns) for row in rows)
    value = reported_ns / truth_ns
    reason = f"{reported_ns / 1e9:.3f} s reported of {truth_ns / 1e9:.3f} s"
    reason += f", {len(matched.unmatched)} rows about none of these waits" if matched.unmatched else ""
    off, truth_error = abs(value - 1), sum(wait.error_ns for wait in case.expected) / truth_ns
    verdict: Verdict = "pass" if off <= bar else "unknown" if off <= bar + truth_error else "fail"
    if verdict == "unknown":
        reason += f"; the truth itself may be off by {truth_error:.1%}"
    if verdict != "pass" and case.form == "short" and _within_interval(case, rows, truth_ns):
        verdict, reason = "pass", f"{reason}; the samples' 95 % interval contains the truth"
    return case.figure("total recovered", bar, Assessment(value, verdict, n, reason))


def _within_interval(case: Case, rows: Sequence[ReportedWait], truth_ns: int) -> bool:
    """Whether the truth is within the timed waits, with their tolerance, plus the interval of the sampled ones."""
    sampled = [row for row in rows if row.known == "sampled" and row.hits is not None]
    if "sampled" not in case.known:
        return False
    timed_ns = sum(row.duration_ns(case.period_ns) for row in rows if row not in sampled)
    low, high = samples_interval(sum(row.hits or 0 for row in sampled))
    least_ns = timed_ns * (1 - case.tolerances.total) + low * case.period_ns
    most_ns = timed_ns * (1 + case.tolerances.total) + high * case.period_ns
    return least_ns <= truth_ns <= most_ns


def samples_interval(hits: int) -> tuple[float, float]:
    """A 95 % interval of a number of samples, which are Poisson; Byar's approximation."""
    high = (hits + 1) * (1 - 1 / (9 * (hits + 1)) + 1.96 / (3 * sqrt(hits + 1))) ** 3
    low = hits * (1 - 1 / (9 * hits) - 1.96 / (3 * sqrt(hits))) ** 3 if hits else 0.0
    return max(low, 0.0), high


def _error(case: Case, found: Sequence[Pair]) -> Figure:
    """The error that the truth's own error does not explain, of waits whose truth is exact enough."""
    bar = case.tolerances.error_ms
    off_ms = [
        max(abs(row.ended_ns - row.started_ns - wait.lasted_ns) - wait.error_ns, 0) / 1e6
        for wait, row in found
        if wait.error_ns / 1e6 <= HIDES * bar
    ]
    n, truth = len(off_ms), f"the truth itself is exact to {case.error_ns / 1e6:.1f} ms"
    if n < FEWEST:
        return case.figure("wait error p95", bar, _too_few(n, f"waits whose truth is exact to {HIDES * bar:g} ms"))
    value, late = percentile(off_ms, _P95), sum(off > bar for off in off_ms)
    if value <= bar:
        return case.figure("wait error p95", bar, Assessment(value, "pass", n, truth))
    excused = case.form == "short" and chance_of(late, n, 1 - _P95) >= CHANCE
    verdict: Verdict = "pass" if excused else "fail"
    return case.figure("wait error p95", bar, Assessment(value, verdict, n, f"{late} are further off; {truth}"))


def verdict(figures: Sequence[Figure]) -> Verdict:
    """The worst of them; `unknown` without any."""
    verdicts = {figure.verdict for figure in figures}
    return "fail" if "fail" in verdicts else "unknown" if "unknown" in verdicts or not verdicts else "pass"


def sentence(figures: Sequence[Figure]) -> str:
    """What the lock waits of this run are worth as evidence."""
    bad = [figure for figure in figures if figure.verdict != "pass"]
    if not bad:
        names = " and ".join(dict.fromkeys(figure.database for figure in figures))
        return (
            f"calibration: lock waits of {names} are known as well as they must be" if names else "nothing to calibrate"
        )
    first = next((figure for figure in bad if figure.verdict == "fail"), bad[0])
    return f"calibration: lock waits of {first.database} are no evidence: {_summary(first)}"


def _summary(figure: Figure) -> str:
    """A figure without a value has only a reason."""
    if figure.value is None:
        return figure.reason
    value = f"{figure.value:.1f} ms" if figure.unit == "ms" else f"{figure.value:.2%}"
    return f"{figure.figure} ({figure.source}) {value}: {figure.verdict}, {figure.reason}"
