"""The blast radius of a run: which pods breached an SLO, when, and after which action."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.analysis.operations.slo_breaches import (
    SLIS,
    SliCounts,
    breaches,
    joined,
    shares,
    widened,
    width_for,
)
from reports.data.arrays import Floats
from reports.data.runs import StudyRun
from reports.data.timeline import TimelineEvent
from reports.text.wording import NONE, digits, listed

_TOGETHER_S = 2.0
"""Breaches that begin within this time of each other are reported together."""
_SEEN = 0.8
"""A pod without a breach that was observed for a smaller share of the time is reported as unknown."""


@dataclass(frozen=True)
class Span:
    """One SLO breach, in s since the load began. `ended` False: it lasted until the end of the load, `end_s`."""

    sli: str
    begin_s: float
    end_s: float
    worst: float
    ended: bool = True


@dataclass(frozen=True)
class PodSli:
    """One SLI of a pod: the share of bad attempts in each bin (NaN: unknown), and its breaches."""

    sli: str
    width_s: int
    share: Floats
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class PodBlast:
    """`spans` are the breaches that lasted into the time that counts, in order. `seen` is the share of that time for
    which the SLI is known."""

    pod: str
    slis: tuple[PodSli, ...]
    done_to_it: tuple[TimelineEvent, ...]
    spans: tuple[Span, ...]
    seen: float

    @property
    def first_s(self) -> float | None:
        return self.spans[0].begin_s if self.spans else None

    @property
    def breached_s(self) -> float:
        return sum(end - begin for begin, end in joined([(s.begin_s, s.end_s) for s in self.spans]))

    @property
    def unknown(self) -> bool:
        return not self.spans and self.seen < _SEEN


@dataclass(frozen=True)
class Blast:
    """The blast radius of one run, from its first action on or, without actions, from the first judged stage."""

    run: StudyRun
    since_s: float
    pods: tuple[PodBlast, ...]

    @property
    def breached(self) -> list[PodBlast]:
        """Pods with a breach, in the order in which the breaches began."""
        return sorted((p for p in self.pods if p.spans), key=lambda p: p.spans[0].begin_s)

    def moment_s(self, event: TimelineEvent) -> float:
        return (event.started_ns - self.run.started_ns) / 1e9

    def before(self, span: Span, width_s: float) -> TimelineEvent | None:
        """The last action that began before the breach, to within a bin."""
        acted = [e for e in self.run.events if self.moment_s(e) < span.begin_s + width_s]
        return acted[-1] if acted else None

    def width_s(self, sli: str) -> int:
        return next((s.width_s for pod in self.pods for s in pod.slis if s.sli == sli), 1)


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


def words(found: Blast) -> str:
    """Which pods breached first, after which action, and which followed; then pods without a breach, and unknown
    ones."""
    breached = found.breached
    phrases = [_breach_phrase(found, breached)] if breached else []
    whole = [p.pod for p in found.pods if not p.spans and not p.unknown]
    unknown = [p.pod for p in found.pods if p.unknown]
    if whole:
        phrases.append(f"{listed(whole)} had no breach" if breached else f"no pod breached an SLO: {listed(whole)}")
    if unknown:
        phrases.append(f"{listed(unknown)}: unknown, because too little was observed")
    return "; ".join(phrases)


def _breach_phrase(found: Blast, breached: Sequence[PodBlast]) -> str:
    waves = _waves(breached)
    first = waves[0][0].spans[0]
    first_phrase = f"{_names(waves[0])} breached an SLO {_after(found, first)}"
    later = [
        f"{_names(wave)} followed {digits(wave[0].spans[0].begin_s - first.begin_s)} s later" for wave in waves[1:]
    ]
    return "; ".join([first_phrase, *later])


def _waves(breached: Sequence[PodBlast]) -> list[list[PodBlast]]:
    """Pods in the order of their first breach; those within `_TOGETHER_S` of each other form one group."""
    waves: list[list[PodBlast]] = []
    for pod in breached:
        if waves and pod.spans[0].begin_s - waves[-1][0].spans[0].begin_s <= _TOGETHER_S:
            waves[-1].append(pod)
        else:
            waves.append([pod])
    return waves


def _after(found: Blast, span: Span) -> str:
    event = found.before(span, found.width_s(span.sli))
    if event is None:
        return f"{digits(span.begin_s)} s into the load, before any action"
    after_s = max(span.begin_s - found.moment_s(event), 0.0)
    return f"{digits(after_s)} s after “{event.words}”" if after_s >= 1 else f"immediately after “{event.words}”"


def _names(pods: Sequence[PodBlast]) -> str:
    return listed([p.pod for p in pods])


def after_another(found: Blast, pod: PodBlast) -> str:
    """How long after the first action on another component its first breach began."""
    others = [e for e in found.run.events if e.kind == "action" and e not in pod.done_to_it]
    if pod.first_s is None or not others:
        return NONE
    return f"{digits(pod.first_s - found.moment_s(others[0]))} s after {others[0].number}"
