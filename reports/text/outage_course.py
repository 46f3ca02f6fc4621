"""The course of an outage in one run: which pods breached an SLO first, after which action, which followed, its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.data.contract import TimelineEvent
from reports.findings.slis import BREACH_RULE, Blast, PodBlast, Span
from reports.text.plain_names import ACCEPT, cut, pods

_TOGETHER_S = 2.0
"""Breaches that begin within this time of the first one belong to it."""
_HARMFUL = ("hold", "kill", "pause", "cut")
"""Actions that never end an outage."""
_LAST = 3
"""Bins at the end of the load that show whether a breach had ended."""


@dataclass(frozen=True)
class Course:
    """Times in s. `span` is the breach with which it began, `event` the last action before it, None without any;
    `after_s` is since that action, or since the load began. `later` are the pods that followed, with the time since the
    first breach. `lasting` had not recovered when the load ended, of `unclear` too little was observed at the end; when
    all had recovered, the last one did so `calm_s` after `remedy` began."""

    blast: Blast
    first: tuple[str, ...]
    span: Span
    event: TimelineEvent | None
    after_s: float
    later: Mapping[str, float]
    lasting: tuple[str, ...]
    unclear: tuple[str, ...]
    remedy: TimelineEvent | None
    calm_s: float

    @property
    def sli(self) -> str:
        return self.span.sli

    def own_event(self, name: str) -> TimelineEvent | None:
        """The action on that pod itself that preceded its first breach, such as its kill, if it was the last one."""
        pod = next(pod for pod in self.blast.pods if pod.pod == name)
        before = self.blast.before(pod.spans[0], self.blast.width_s(pod.spans[0].sli)) if pod.spans else None
        own = before is not None and before is not self.event and any(before is event for event in pod.done_to_it)
        return before if own else None


def course_of(blast: Blast) -> Course | None:
    """None where no pod breached an SLO."""
    breached = blast.breached
    if not breached:
        return None
    begin_s = breached[0].spans[0].begin_s
    first = [pod for pod in breached if pod.spans[0].begin_s - begin_s <= _TOGETHER_S]
    span = _leading(first, begin_s)
    event = blast.before(breached[0].spans[0], blast.width_s(breached[0].spans[0].sli))
    end_s = max(one.end_s for pod in breached for one in pod.spans)
    remedy = _remedy(blast, end_s)
    open_ended = [pod for pod in breached if not all(one.ended for one in pod.spans)]
    lasting = [pod for pod in open_ended if _bad_at_the_end(pod)]
    return Course(
        blast,
        tuple(sorted(pod.pod for pod in first)),
        span,
        event,
        max(begin_s - (0.0 if event is None else blast.moment_s(event)), 0.0),
        {pod.pod: pod.spans[0].begin_s - begin_s for pod in breached[len(first) :]},
        tuple(pod.pod for pod in lasting),
        tuple(pod.pod for pod in open_ended if not _bad_at_the_end(pod)),
        remedy if remedy is not event and not open_ended else None,
        end_s - (begin_s if remedy is None or remedy is event else blast.moment_s(remedy)),
    )


def _leading(first: Sequence[PodBlast], begin_s: float) -> Span:
    """The breach that users notice most, among those with which the outage began: Accept chat before all others."""
    spans = [span for pod in first for span in pod.spans if span.begin_s - begin_s <= _TOGETHER_S]
    return next((span for span in spans if span.sli == ACCEPT), spans[0])


def _bad_at_the_end(pod: PodBlast) -> bool:
    """Whether an SLI was bad in one of the last bins, and good in none after it. A breach also counts as open where the
    load ended, or too little was observed, before enough good bins were known."""
    for span in pod.spans:
        share = next(one.share for one in pod.slis if one.sli == span.sli)[-_LAST:]
        known = share[~np.isnan(share)]
        if not span.ended and known.size and known[-1] > BREACH_RULE.ends:
            return True
    return False


def _remedy(blast: Blast, end_s: float) -> TimelineEvent | None:
    """The action that preceded the end of the last breach; of a series in one stage its beginning."""
    events = [e for e in blast.run.events if e.kind == "action" and e.do not in _HARMFUL]
    acted = [e for e in events if blast.moment_s(e) <= end_s]
    if not acted:
        return None
    last = acted[-1]
    return next(e for e in acted if (e.do, e.stage) == (last.do, last.stage)) if last.stage else last


_SIDES = {
    "the legacy storage": "the rollback",
    "both storages": "the move to both storages",
    "the upgraded storage": "the move to the upgraded storage",
}


def event_words(event: TimelineEvent, brief: bool = False) -> str:
    """An action in a few words; one without such words as it is, quoted and cut or, if `brief`, by its number."""
    subject = pods(event.pods) if event.pods else cut(event.subject, 24)
    words = {
        "hold": "the stuck transaction",
        "kill": f"the kill of {subject}",
        "pause": f"the pause of {subject}",
        "cut": "the network cut",
        "migrate": _SIDES.get(event.words.rpartition(" to ")[2], ""),
        "relock": "the change of locking",
        "sweep": "the sweep of orphans",
        "resize": "the resize of the database",
        "recreate": "the re-creation of the database",
    }
    return words.get(event.do) or (f"action {event.number}" if brief else f"“{cut(event.words)}”")


def refused_connections(storage_errors: Mapping[str, int]) -> bool:
    """Whether most errors of connecting were refusals by the host: nothing listened."""
    return 2 * storage_errors.get("connect_refused", 0) > sum(storage_errors.values())
