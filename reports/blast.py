"""The blast radius of a run: which pods burnt, when, and what had been done to whom before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.burning import Floats, burns, joined, shares, widened, width_for
from reports.frames import Run
from reports.signals import SIGNALS, Signals
from reports.timeline import Event
from reports.wording import NONE, digits, listed

_TOGETHER_S = 2.0
"""Pods that begin to burn within this time of each other burn together."""
_SEEN = 0.8
"""Whoever was seen for less of the time cannot be said not to have burnt."""


@dataclass(frozen=True)
class Span:
    """One burn, in s since the load began. `ended` False: nobody saw its end, and `end_s` is that of the load."""

    signal: str
    begin_s: float
    end_s: float
    worst: float
    ended: bool = True


@dataclass(frozen=True)
class PodSignal:
    """A pod by one signal: the share of bad attempts in each bin (NaN: unknown), and when it burnt."""

    signal: str
    width_s: int
    share: Floats
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class PodBlast:
    """`spans` are its burns that lasted into the time that counts, the first one first; `seen` is how much of that
    time it was known whether it burnt."""

    pod: str
    signals: tuple[PodSignal, ...]
    done_to_it: tuple[Event, ...]
    spans: tuple[Span, ...]
    seen: float

    @property
    def first_s(self) -> float | None:
        return self.spans[0].begin_s if self.spans else None

    @property
    def burnt_s(self) -> float:
        return sum(end - begin for begin, end in joined([(s.begin_s, s.end_s) for s in self.spans]))

    @property
    def unknown(self) -> bool:
        return not self.spans and self.seen < _SEEN


@dataclass(frozen=True)
class Blast:
    """What counts is the time from the first action on or, where there is none, from the first judged stage."""

    run: Run
    since_s: float
    pods: tuple[PodBlast, ...]

    @property
    def burnt(self) -> list[PodBlast]:
        """Those that burnt, in the order in which they began."""
        return sorted((p for p in self.pods if p.spans), key=lambda p: p.spans[0].begin_s)

    def moment_s(self, event: Event) -> float:
        return (event.started_ns - self.run.started_ns) / 1e9

    def before(self, span: Span, width_s: float) -> Event | None:
        """The last action that began before the burn did, to within a bin."""
        acted = [e for e in self.run.events if self.moment_s(e) < span.begin_s + width_s]
        return acted[-1] if acted else None

    def width_s(self, signal: str) -> int:
        return next((s.width_s for pod in self.pods for s in pod.signals if s.signal == signal), 1)


def blast(run: Run, pods: Sequence[str], signals: Signals) -> Blast:
    since_s = _since_s(run)
    by_signal = [_by_pod(name, signals, (run.ended_ns - run.started_ns) / 1e9) for name in SIGNALS]
    found = [_pod(run, pod, [by_pod[place] for by_pod in by_signal], since_s) for place, pod in enumerate(pods)]
    return Blast(run, since_s, tuple(found))


def _since_s(run: Run) -> float:
    marks = [e.started_ns for e in run.events if e.kind == "action"] or [s.started_ns for s in run.stages if s.judge]
    return (min(marks) - run.started_ns) / 1e9 if marks else 0.0


def _by_pod(name: str, signals: Signals, span_s: float) -> list[PodSignal]:
    width = width_for(signals.attempts[name])
    attempts, bad = widened(signals.attempts[name], width), widened(signals.bad[name], width)
    return [_signal(name, width, shares(a, b), span_s) for a, b in zip(attempts, bad, strict=True)]


def _signal(name: str, width: int, share: Floats, span_s: float) -> PodSignal:
    spans = [
        Span(name, b.first * width, span_s if b.past is None else b.past * width, b.worst, b.past is not None)
        for b in burns(share)
    ]
    return PodSignal(name, width, share, tuple(spans))


def _pod(run: Run, pod: str, signals: Sequence[PodSignal], since_s: float) -> PodBlast:
    spans = sorted((s for one in signals for s in one.spans if s.end_s > since_s), key=lambda s: s.begin_s)
    seen = [~np.isnan(one.share[int(since_s // one.width_s) :]) for one in signals]
    done = tuple(e for e in run.events if pod in e.pods or e.subject == f"pod {pod}")
    return PodBlast(
        pod, tuple(signals), done, tuple(spans), max((float(s.mean()) for s in seen if s.size), default=0.0)
    )


def words(found: Blast) -> str:
    """Who burnt first, after what, and who followed; then who did not, and of whom it is not known."""
    burnt = found.burnt
    told = [_burnt(found, burnt)] if burnt else []
    whole = [p.pod for p in found.pods if not p.spans and not p.unknown]
    unknown = [p.pod for p in found.pods if p.unknown]
    if whole:
        told.append(f"{listed(whole)} did not burn" if burnt else f"no pod burnt: {listed(whole)}")
    if unknown:
        told.append(f"of {listed(unknown)} too little was seen to tell")
    return "; ".join(told)


def _burnt(found: Blast, burnt: Sequence[PodBlast]) -> str:
    waves = _waves(burnt)
    first = waves[0][0].spans[0]
    told = f"{_names(waves[0])} began to burn {_after(found, first)}"
    later = [
        f"{_names(wave)} followed {digits(wave[0].spans[0].begin_s - first.begin_s)} s later" for wave in waves[1:]
    ]
    return "; ".join([told, *later])


def _waves(burnt: Sequence[PodBlast]) -> list[list[PodBlast]]:
    """Pods in the order in which they began, those together that began together."""
    waves: list[list[PodBlast]] = []
    for pod in burnt:
        if waves and pod.spans[0].begin_s - waves[-1][0].spans[0].begin_s <= _TOGETHER_S:
            waves[-1].append(pod)
        else:
            waves.append([pod])
    return waves


def _after(found: Blast, span: Span) -> str:
    event = found.before(span, found.width_s(span.signal))
    if event is None:
        return f"{digits(span.begin_s)} s into the load, before anything was done"
    after_s = max(span.begin_s - found.moment_s(event), 0.0)
    return f"{digits(after_s)} s after “{event.words}”" if after_s >= 1 else f"at once after “{event.words}”"


def _names(pods: Sequence[PodBlast]) -> str:
    return listed([p.pod for p in pods])


def after_another(found: Blast, pod: PodBlast) -> str:
    """How long after the first action on something else it began to burn."""
    others = [e for e in found.run.events if e.kind == "action" and e not in pod.done_to_it]
    if pod.first_s is None or not others:
        return NONE
    return f"{digits(pod.first_s - found.moment_s(others[0]))} s after {others[0].number}"
