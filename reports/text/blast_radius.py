"""Which pods breached an SLO, when, and after which action, in words."""

from collections.abc import Sequence

from reports.findings.slis import Blast, PodBlast, Span
from reports.text.wording import NONE, digits, listed

_TOGETHER_S = 2.0
"""Breaches that begin within this time of each other are reported together."""


def words(found: Blast) -> str:
    """Which pods breached first, after which action, and which followed; then pods without a breach, and unknown
    ones."""
    breached = found.breached
    phrases = [_breach_phrase(found, breached)] if breached else []
    whole = [p.pod for p in found.pods if not p.spans and not p.unknown]
    unknown = [p.pod for p in found.pods if p.unknown]
    if whole:
        phrases.append(f"{listed(whole)} had no breach" if breached else f"{listed(whole)} breached no SLO")
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
