"""Systems ranked by one figure of one operation, and why their order may be uncertain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.findings.estimates import Estimate
from reports.findings.operations import Measure
from reports.findings.study import Findings, StorageFindings
from reports.text.plain_names import ACCEPT

FAILS = 0.01
"""A larger share of attempts without success is reported before any latency."""
_FIGURES = ("p99", "p95", "p50", "max")
"""From the most informative to the one that always exists."""
_MATTERS = 1.2
"""Ratio of latencies below which a difference is too small to notice, even if significant."""


class Entry(NamedTuple):
    system: StorageFindings
    measure: Measure

    @property
    def label(self) -> str:
        return self.system.label

    @property
    def bad(self) -> int:
        """Attempts that failed, or got no answer: those may be fast because they were rejected."""
        return self.measure.outcomes["fail"] + self.measure.outcomes["unknown"]

    @property
    def bad_share(self) -> float:
        return self.bad / self.measure.n if self.measure.n else 0.0

    @property
    def dead(self) -> bool:
        """Whether no attempt succeeded."""
        return not self.measure.outcomes["ok"]

    @property
    def failing(self) -> bool:
        return self.bad_share > FAILS

    def estimate(self, figure: str) -> Estimate:
        found = self.measure.response[figure]
        if found is None:
            raise KeyError(figure)
        return found


@dataclass(frozen=True)
class Ranking:
    """`entries` from the slowest to the fastest; `rejected` are left out, because they only appear fast: most of their
    attempts did not succeed. `missing` are labels of systems without a single attempt. `uncertain` is why the slowest
    is not clearly slower than the fastest; empty if it is."""

    operation: str
    figure: str
    entries: tuple[Entry, ...]
    rejected: tuple[Entry, ...]
    missing: tuple[str, ...]
    uncertain: str

    @property
    def slowest(self) -> Entry:
        return self.entries[0]

    @property
    def fastest(self) -> Entry:
        return self.entries[-1]

    def of(self, entry: Entry) -> Estimate:
        return entry.estimate(self.figure)


def hero_operation(findings: Findings) -> str:
    """Accept chat; without one, the request with the most attempts. Empty when no request was recorded."""
    totals: dict[str, int] = {}
    for storage in findings.storages:
        for measure in storage.requests:
            totals[measure.name] = totals.get(measure.name, 0) + measure.n
    if totals.get(ACCEPT):
        return ACCEPT
    name = max(totals, key=lambda name: totals[name], default="")
    return name if totals.get(name) else ""


def entries_of(findings: Findings, operation: str) -> list[Entry]:
    """The systems that attempted it, in the order of the study."""
    return [Entry(system, measure) for system, measure in findings.of(operation) if measure.n]


def ranked(findings: Findings, operation: str) -> Ranking | None:
    """None where no attempt on any system succeeded."""
    found = [entry for entry in entries_of(findings, operation) if not entry.dead and entry.measure.response["max"]]
    contenders = _contenders(found)
    if not contenders:
        return None
    figure = _figure(contenders)
    order = sorted(contenders, key=lambda entry: -entry.estimate(figure).value)
    rejected = tuple(entry for entry in found if entry not in contenders)
    uncertain = _uncertain(order[0], order[-1], figure) if len(order) > 1 else ""
    tried = {entry.label for entry in entries_of(findings, operation)}
    missing = tuple(storage.label for storage in findings.storages if storage.label not in tried)
    return Ranking(operation, figure, tuple(order), rejected, missing, uncertain)


def _contenders(found: list[Entry]) -> list[Entry]:
    """A system that fails its attempts can be the slowest, not the fastest."""
    sound = [entry for entry in found if not entry.failing]
    if not sound:
        return found
    figure = known_figures(found)[0]
    quickest = min(entry.estimate(figure).value for entry in sound)
    return [entry for entry in found if not entry.failing or entry.estimate(figure).value > quickest]


def known_figures(entries: Sequence[Entry]) -> list[str]:
    """Figures that all have, the most informative first."""
    return [f for f in _FIGURES if all(entry.measure.response[f] for entry in entries)]


def _figure(entries: list[Entry]) -> str:
    """The highest percentile at which one system is clearly slower than another; else the highest with enough rows to
    distinguish them, else the highest available."""
    names = known_figures(entries)
    if len(entries) == 1:
        return names[0]
    bounded = [f for f in names if _bounded(entries, f)]
    clear = [f for f in bounded if not _uncertain(*_extremes(entries, f), f)]
    return next(iter((*clear, *bounded, *names)))


def _extremes(entries: Sequence[Entry], figure: str) -> tuple[Entry, Entry]:
    order = sorted(entries, key=lambda entry: -entry.estimate(figure).value)
    return order[0], order[-1]


def _bounded(entries: Sequence[Entry], figure: str) -> bool:
    fastest = _extremes(entries, figure)[1].estimate(figure)
    return fastest.high is not None and all(entry.estimate(figure).low is not None for entry in entries)


def _uncertain(slow: Entry, fast: Entry, figure: str) -> str:
    """Why one is not slower than the other by enough to matter, beyond chance, in every round."""
    slowest, fastest = slow.estimate(figure), fast.estimate(figure)
    if slowest.low is None or fastest.high is None:
        return "too few requests to be certain"
    if slowest.low <= fastest.high:
        return "their 95% intervals overlap"
    slow_rounds, fast_rounds = _rounds(slow, figure), _rounds(fast, figure)
    if slow_rounds and fast_rounds and min(slow_rounds) <= max(fast_rounds):
        return _reversed(slow_rounds, fast_rounds, fast) or "the rounds disagree"
    return "" if slowest.value >= _MATTERS * fastest.value else "the difference is too small to notice"


def _rounds(entry: Entry, figure: str) -> list[int]:
    return [estimate.value for figures in entry.measure.rounds.values() if (estimate := figures[figure])]


def _reversed(slow: Sequence[int], fast: Sequence[int], fastest: Entry) -> str:
    """In how many rounds the order is the other one, where both have the same rounds."""
    if len(slow) != len(fast):
        return ""
    count = sum(one <= other for one, other in zip(slow, fast, strict=True))
    return f"{fastest.label} was slower in {count} of {len(slow)} rounds" if count else ""
