"""SLIs of pods: attempts and bad attempts a second → the times in which too many of them were bad, and which pods
that concerned: the blast radius of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.records.files import UnreadableError
from loadtests.records.vocabulary import OUTCOMES
from reports.data.arrays import Codes, Floats, Ints
from reports.data.contract import StudyRun
from reports.findings.slis import BREACH_RULE, SLIS, Blast, BreachRule, PodBlast, PodSli, Span

MOST_POD_SECONDS = 8_000_000
"""Enough for 200 pods over 11 hours; the counts take 48 bytes for each."""

_OK, _REFUSED = OUTCOMES.index("ok"), OUTCOMES.index("refused")


class SliCounts:
    """Attempts of one run, counted where they were planned. A refusal is an answer, not an attempt."""

    def __init__(self, pods: int, span_s: float, limits_s: Mapping[str, float]) -> None:
        if pods * span_s > MOST_POD_SECONDS:
            raise UnreadableError(f"{pods:,} pods for {span_s:,.0f} s are more than are counted second by second")
        self.limits_s = limits_s
        self.attempts = {name: np.zeros((pods, int(np.ceil(span_s)) or 1), dtype=np.int64) for name in SLIS}
        """By SLI: [pod, second since the load began]."""
        self.bad = {name: np.zeros_like(counts) for name, counts in self.attempts.items()}
        """Attempts that failed, are unknown, or took longer than the limit."""

    def add(self, sli: str, at_ns: Ints, response_ns: Ints, outcome: Codes, pod: Codes) -> None:
        """Counts rows that were due `at_ns` since the load began."""
        pods, seconds = self.attempts[sli].shape
        second = at_ns // 1_000_000_000
        counted = (outcome != _REFUSED) & (pod < pods) & (second >= 0) & (second < seconds)
        bad = counted & ((outcome != _OK) | (response_ns > round(self.limits_s[sli] * 1e9)))
        place = pod.astype(np.int64) * seconds + second
        for counts, mask in ((self.attempts, counted), (self.bad, bad)):
            found = np.bincount(place[mask], minlength=pods * seconds)
            counts[sli] += found.reshape(pods, seconds)


WIDTHS_S: tuple[int, ...] = (1, 2, 5)
_MOSTLY = 0.9
"""Share of bins that must hold enough attempts to be known; otherwise the next width is used."""


@dataclass(frozen=True)
class Breach:
    """Bins from `first` up to `past` (exclusive), and the worst share of bad attempts among them. `past` None: the
    breach had not ended at the end of the load."""

    first: int
    past: int | None
    worst: float


def shares(attempts: Ints, bad: Ints, rule: BreachRule = BREACH_RULE) -> Floats:
    """The share of bad attempts in each bin; NaN where it is unknown."""
    known = attempts >= rule.least
    return np.where(known, bad / np.maximum(attempts, 1), np.nan)


def breaches(share: Floats, rule: BreachRule = BREACH_RULE) -> list[Breach]:
    """The breaches of one SLI of one pod, in order; no two of them touch."""
    known = np.flatnonzero(~np.isnan(share))
    found: list[Breach] = []
    since: int | None = None
    streak: list[int] = []
    for place in known.tolist():
        crossed = share[place] > rule.starts if since is None else share[place] <= rule.ends
        streak = [*streak, place] if crossed else []
        if len(streak) < rule.in_a_row:
            continue
        if since is None:
            since = streak[0]
        else:
            found.append(_breach(share, since, streak[0]))
            since = None
        streak = []
    return found if since is None else [*found, _breach(share, since, None)]


def _breach(share: Floats, first: int, past: int | None) -> Breach:
    return Breach(first, past, float(np.nanmax(share[first:past])))


def width_for(attempts: Ints, rule: BreachRule = BREACH_RULE) -> int:
    """The narrowest of `WIDTHS_S` in which most bins of all pods are known, else the widest.

    `attempts`: [pod, second].
    """
    for width in WIDTHS_S:
        counts = widened(attempts, width)
        if counts.size and np.mean(counts >= rule.least) >= _MOSTLY:
            return width
    return WIDTHS_S[-1]


def widened(counts: Ints, width: int) -> Ints:
    """[pod, second] → [pod, bin of `width` seconds]."""
    pods, seconds = counts.shape
    padded = np.pad(counts, ((0, 0), (0, -seconds % width)))
    return np.asarray(padded.reshape(pods, padded.shape[1] // width, width).sum(axis=2), dtype=np.int64)


def blast(run: StudyRun, pods: Sequence[str], slis: SliCounts) -> Blast:
    since_s = _since_s(run)
    by_sli = [_by_pod(name, slis, (run.ended_ns - run.started_ns) / 1e9) for name in SLIS]
    found = [_pod(run, pod, [by_pod[place] for by_pod in by_sli], since_s) for place, pod in enumerate(pods)]
    return Blast(run, since_s, tuple(found))


def _since_s(run: StudyRun) -> float:
    marks = [e.started_ns for e in run.events if e.kind == "action"] or [s.started_ns for s in run.stages if s.judge]
    return (min(marks) - run.started_ns) / 1e9 if marks else 0.0


def _by_pod(name: str, slis: SliCounts, span_s: float) -> list[PodSli]:
    width = width_for(slis.attempts[name])
    attempts, bad = widened(slis.attempts[name], width), widened(slis.bad[name], width)
    return [_sli(name, width, shares(a, b), span_s) for a, b in zip(attempts, bad, strict=True)]


def _sli(name: str, width: int, share: Floats, span_s: float) -> PodSli:
    spans = [
        Span(name, b.first * width, span_s if b.past is None else b.past * width, b.worst, b.past is not None)
        for b in breaches(share)
    ]
    return PodSli(name, width, share, tuple(spans))


def _pod(run: StudyRun, pod: str, slis: Sequence[PodSli], since_s: float) -> PodBlast:
    spans = sorted((s for one in slis for s in one.spans if s.end_s > since_s), key=lambda s: s.begin_s)
    seen = [~np.isnan(one.share[int(since_s // one.width_s) :]) for one in slis]
    done = tuple(e for e in run.events if pod in e.pods or e.subject == f"pod {pod}")
    return PodBlast(pod, tuple(slis), done, tuple(spans), max((float(s.mean()) for s in seen if s.size), default=0.0))
