"""The blast radius of a run: which pods breached an SLO, when, and after which action."""

from collections.abc import Sequence

import numpy as np

from reports.analysis.operations.slo_breaches import SliCounts, breaches, shares, widened, width_for
from reports.data.arrays import Floats
from reports.data.contract import StudyRun
from reports.findings.slis import SLIS, Blast, PodBlast, PodSli, Span


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
