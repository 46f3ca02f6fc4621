"""Which pods breached their SLOs, when, after which action, and when that was over: in words, summed up over rounds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.data.contract import TimelineEvent
from reports.findings.slis import Blast
from reports.findings.study import Findings, StorageFindings
from reports.text.outage_course import Course, course_of, event_words
from reports.text.plain_names import operation_words, pods
from reports.text.wording import listed, span

_FEW_KINDS = 3
"""Kinds of actions that are all named in the first plot of a run without a breach."""


@dataclass(frozen=True)
class Outage:
    """The courses of the rounds with a breach: `agreeing` are those with the most frequent first pods."""

    rounds: int
    courses: tuple[Course, ...]
    agreeing: tuple[Course, ...]

    @property
    def model(self) -> Course:
        return self.agreeing[0]

    @property
    def later(self) -> dict[str, list[float]]:
        """Pods that followed, with the times of each agreeing round, the earliest first."""
        found: dict[str, list[float]] = {}
        for course in self.agreeing:
            for pod, seconds in course.later.items():
                found.setdefault(pod, []).append(seconds)
        return dict(sorted(found.items(), key=lambda one: min(one[1])))

    @property
    def breached_s(self) -> float:
        return sum(pod.breached_s for course in self.courses for pod in course.blast.pods)


def outage_of(rounds: Sequence[Blast]) -> Outage | None:
    """None where no pod breached an SLO."""
    courses = tuple(course for blast in rounds if (course := course_of(blast)) is not None)
    if not courses:
        return None
    ((most, _),) = Counter(course.first for course in courses).most_common(1)
    agreeing = tuple(course for course in courses if course.first == most)
    return Outage(len(rounds), courses, agreeing)


def radius(findings: Findings) -> str:
    """Which pods breached their SLOs, when, and after which action, summed up over rounds. Empty with single pods."""
    several = len(findings.storages) > 1
    sentences = [
        f"On {storage.label}, {text}." if several else f"{text[0].upper()}{text[1:]}."
        for storage in findings.storages
        if (text := radius_of(storage.blasts))
    ]
    return " ".join(sentences)


def radius_of(rounds: Sequence[Blast]) -> str:
    """That of one system, in some of its rounds; empty without any."""
    found = outage_of(rounds)
    every = [pod for blast in rounds for pod in blast.pods]
    other = {pod.pod for pod in every if pod.spans or pod.unknown}
    whole = dict.fromkeys(pod.pod for pod in every if pod.pod not in other)
    unknown = dict.fromkeys(pod.pod for pod in every if pod.unknown)
    parts = [] if found is None else _course(found)
    parts += [f"{pods(whole)} {'breached no SLO' if found is None else 'had no breach'}"] if whole else []
    return "; ".join([*parts, *([f"{pods(unknown)}: unknown, because too little was observed"] if unknown else [])])


def _course(found: Outage) -> list[str]:
    first, name = " first" if found.later else "", operation_words(found.model.sli)
    at = "" if found.model.event is None else f" at {time_words([course.span.begin_s for course in found.agreeing])}"
    begin = f"{pods(found.model.first)} breached an SLO{first} ({name}){at}, {after_words(found)}"
    if found.rounds > 1:
        begin = f"in {len(found.agreeing)} of {found.rounds} rounds {begin}"
    by_times: dict[str, list[str]] = {}
    for pod, times in found.later.items():
        own = found.model.own_event(pod) if pod in found.model.later else None
        after = f", after {event_words(own)}" if own is not None else ""
        by_times.setdefault(f"{time_words(times)} later{after}", []).append(pod)
    spread = [f"{pods(names)} followed {times}" for times, names in by_times.items()]
    return [begin, *spread, *([_otherwise(found)] if len(found.agreeing) < found.rounds else []), ending_words(found)]


def _otherwise(found: Outage) -> str:
    """The rounds that went another way."""
    others = Counter(pods(course.first) for course in found.courses if course.first != found.model.first)
    words = [f"{names} first in {count}" for names, count in others.items()]
    without = found.rounds - len(found.courses)
    return listed([*words, *([f"no breach in {without}"] if without else [])])


def after_words(found: Outage, brief: bool = False) -> str:
    """`brief`: an action that has no short name is named by its number."""
    event, times = found.model.event, [course.after_s for course in found.agreeing]
    if event is None:
        return f"{time_words(times)} into the load"
    words = event_words(event, brief)
    return f"right after {words}" if max(times) < 1 else f"{time_words(times)} after {words}"


def time_words(times: Sequence[float]) -> str:
    """The range of times in s."""
    return span(f"{min(times):.0f} s", f"{max(times):.0f} s")


def ending_words(found: Outage) -> str:
    """When and after which action the last breach ended, or that it did not, or that this is unknown."""
    lasting = [course for course in found.courses if course.lasting]
    if lasting:
        names = pods(dict.fromkeys(pod for course in lasting for pod in course.lasting))
        where = "" if found.rounds == 1 else f" in {len(lasting)} of {found.rounds} rounds"
        return f"{names} did not recover{where}"
    if unclear := dict.fromkeys(pod for course in found.courses for pod in course.unclear):
        return f"the load ended before it was known whether {pods(unclear)} recovered"
    times, remedy = [course.calm_s for course in found.agreeing], found.model.remedy
    after = f"after {event_words(remedy)}" if remedy is not None else "later"
    return f"calm again {time_words(times)} {after}"


def decisive_events(storage: StorageFindings) -> list[TimelineEvent]:
    """Of the first round, the actions before a breach and before the end of the last one; without a breach the first of
    each kind, if these are few."""
    drawn, found = storage.pooled[0].drawn, outage_of(storage.blasts)
    if found is None:
        kinds = {event_words(event): event for event in reversed(drawn)}
        return sorted(kinds.values(), key=lambda event: event.number) if len(kinds) <= _FEW_KINDS else []
    own = (found.model.own_event(pod) for pod in found.model.later)
    decisive = {
        (event.number, event.do) for event in (found.model.event, *own, found.model.remedy) if event is not None
    }
    return [event for event in drawn if (event.number, event.do) in decisive]
