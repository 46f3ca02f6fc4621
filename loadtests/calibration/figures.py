"""What a calibration found: figures with a bar and a verdict. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb, sqrt
from typing import Literal, NamedTuple

from loadtests.calibration.bars import BARS, CHANCE, FEWEST, HIDES, Bars
from loadtests.calibration.matching import Matched, Told, match
from loadtests.calibration.plan import Form
from loadtests.calibration.timekeeping import percentile
from loadtests.calibration.truth import Expected

_P95 = 0.95

Verdict = Literal["pass", "fail", "unknown"]
Pair = tuple[Expected, Told]


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


class Said(NamedTuple):
    """What is said of a figure, but for its name and its bar."""

    value: float | None
    verdict: Verdict
    n: int
    reason: str


def _too_few(n: int, what: str) -> Said:
    return Said(None, "unknown", n, f"{n} {what} are too few to judge by")


@dataclass(frozen=True)
class Case:
    """One source, what there was to see, and what it told. `known`: its words, the best first; times in ns.

    `error_ns`: how far the truth of one wait may be off.
    """

    engine: str
    database: str
    form: Form
    known: Sequence[str]
    period_ns: int
    threshold_ns: int | None
    error_ns: int
    expected: Sequence[Expected]
    told: Sequence[Told]

    @property
    def bars(self) -> Bars:
        return BARS[self.engine, self.known[0]]

    @property
    def rows(self) -> list[str]:
        """The words that rows have; a counter makes none."""
        return [word for word in self.known if word != "counter"]

    @property
    def from_ns(self) -> int:
        """Waits that are certainly longer than this must be found."""
        from_ms = self.bars.from_ms
        return (self.threshold_ns or 0) if from_ms is None else round(from_ms * 1e6)

    def figure(self, name: str, bar: float, said: Said) -> Figure:
        unit = "ms" if name == "wait error p95" else "ratio"
        source = " and ".join(self.rows) if name == "total recovered" else self.known[0]
        return Figure(
            self.engine, self.database, source, name, said.value, unit, bar, said.verdict, said.n, said.reason
        )


def figures(case: Case) -> list[Figure]:
    """Everything that can be said of a source."""
    matched = match(case.expected, case.told, case.error_ns)
    due = [(wait, row) for wait, row in matched.pairs if wait.lasted_ns - wait.error_ns > case.from_ns]
    found = [(wait, row) for wait, row in due if row is not None]
    first = [_found(case, due), _total(case, matched), _error(case, found)]
    return [*first, *_culprits(case, found)]


def _found(case: Case, due: Sequence[tuple[Expected, Told | None]]) -> Figure:
    what = f"waits certainly longer than {case.from_ns / 1e6:g} ms"
    return _share(case, "waits found", case.bars.found, [row is not None for _, row in due], what)


def _culprits(case: Case, found: Sequence[Pair]) -> Iterator[Figure]:
    blockers = [row.blocker in wait.blocker for wait, row in found]
    roots = [row.root in wait.root for wait, row in found]
    if case.bars.blocker is not None:
        yield _share(case, "blocker right", case.bars.blocker, blockers, "waits found")
    if case.bars.root is not None:
        yield _share(case, "root right", case.bars.root, roots, "waits found")


def _share(case: Case, name: str, bar: float, good: Sequence[bool], what: str) -> Figure:
    return case.figure(name, bar, _said_of_share(case.form, bar, good, what))


def _said_of_share(form: Form, bar: float, good: Sequence[bool], what: str) -> Said:
    n = len(good)
    if n < FEWEST:
        return _too_few(n, what)
    value, reason = sum(good) / n, f"{sum(good)} of {n} {what}"
    if value >= bar:
        return Said(value, "pass", n, reason)
    if form == "short" and chance_of(n - sum(good), n, 1 - bar) >= CHANCE:
        return Said(value, "pass", n, f"{reason}, which chance may do to a source that keeps its bar")
    return Said(value, "fail", n, reason)


def chance_of(misses: int, n: int, rate: float) -> float:
    """How likely so many misses or more are among n when each is as likely as `rate`."""
    return 1 - sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(misses))


def _total(case: Case, matched: Matched) -> Figure:
    """What was told of the sessions, rows about no wait included: what is told twice counts twice."""
    sessions = {wait.session for wait in case.expected}
    rows = [row for row in case.told if row.session in sessions]
    truth_ns = sum(wait.lasted_ns for wait in case.expected)
    bar, n = case.bars.total, len(case.expected)
    if n < FEWEST or not truth_ns:
        return case.figure("total recovered", bar, _too_few(n, "waits"))
    told_ns = sum(row.worth_ns(case.period_ns) for row in rows)
    value = told_ns / truth_ns
    reason = f"{told_ns / 1e9:.3f} s told of {truth_ns / 1e9:.3f} s"
    reason += f", {len(matched.left)} rows about none of these waits" if matched.left else ""
    off, excused = abs(value - 1), sum(wait.error_ns for wait in case.expected) / truth_ns
    verdict: Verdict = "pass" if off <= bar else "unknown" if off <= bar + excused else "fail"
    if verdict == "unknown":
        reason += f"; the truth itself may be off by {excused:.1%}"
    if verdict != "pass" and case.form == "short" and _within_interval(case, rows, truth_ns):
        verdict, reason = "pass", f"{reason}; the sights' 95 % interval holds the truth"
    return case.figure("total recovered", bar, Said(value, verdict, n, reason))


def _within_interval(case: Case, rows: Sequence[Told], truth_ns: int) -> bool:
    """Whether the truth is what was timed, give or take its bar, and the interval of what was sampled."""
    sampled = [row for row in rows if row.known == "sampled" and row.hits is not None]
    if "sampled" not in case.known:
        return False
    timed_ns = sum(row.worth_ns(case.period_ns) for row in rows if row not in sampled)
    low, high = sights_interval(sum(row.hits or 0 for row in sampled))
    least_ns = timed_ns * (1 - case.bars.total) + low * case.period_ns
    most_ns = timed_ns * (1 + case.bars.total) + high * case.period_ns
    return least_ns <= truth_ns <= most_ns


def sights_interval(hits: int) -> tuple[float, float]:
    """A 95 % interval of a number of sights, which are Poisson; Byar's approximation of it."""
    high = (hits + 1) * (1 - 1 / (9 * (hits + 1)) + 1.96 / (3 * sqrt(hits + 1))) ** 3
    low = hits * (1 - 1 / (9 * hits) - 1.96 / (3 * sqrt(hits))) ** 3 if hits else 0.0
    return max(low, 0.0), high


def _error(case: Case, found: Sequence[Pair]) -> Figure:
    """Of waits whose truth is good enough to judge by: what its own error does not explain."""
    bar = case.bars.error_ms
    off_ms = [
        max(abs(row.ended_ns - row.started_ns - wait.lasted_ns) - wait.error_ns, 0) / 1e6
        for wait, row in found
        if wait.error_ns / 1e6 <= HIDES * bar
    ]
    n, truth = len(off_ms), f"the truth itself is good to {case.error_ns / 1e6:.1f} ms"
    if n < FEWEST:
        return case.figure("wait error p95", bar, _too_few(n, f"waits whose truth is good to {HIDES * bar:g} ms"))
    value, late = percentile(off_ms, _P95), sum(off > bar for off in off_ms)
    if value <= bar:
        return case.figure("wait error p95", bar, Said(value, "pass", n, truth))
    excused = case.form == "short" and chance_of(late, n, 1 - _P95) >= CHANCE
    verdict: Verdict = "pass" if excused else "fail"
    return case.figure("wait error p95", bar, Said(value, verdict, n, f"{late} are further off; {truth}"))
