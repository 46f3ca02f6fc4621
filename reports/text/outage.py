"""The story of an outage: what stopped first, on which pods and after what; which pods followed; when it was over."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reports.data.contract import NO_HOLDER, UNNAMED
from reports.findings.study import Findings, StorageFindings
from reports.text.contract import Bullet, Story
from reports.text.errors import errors_of
from reports.text.outage_course import Course, course_of, event_words, refused_connections
from reports.text.plain_names import few, fit, operation_words, pods
from reports.text.ranking import Entry
from reports.text.sentence import locked_at, sentence, sentence_of
from reports.text.wording import duration, listed, span

_MANY = 10
"""Multiple of its limit from which on a wait is no better than a failure."""
_MUCH = 0.3
"""Share of the lock time from which on its largest root blocker is stated."""
_BEGINNING_S = 10.0
"""The part of a breach that shows whether an operation stopped."""


@dataclass(frozen=True)
class Outage:
    """The courses of the rounds with a breach: `agreeing` are those with the most frequent first pods."""

    storage: StorageFindings
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


def outage_of(storage: StorageFindings) -> Outage | None:
    courses = tuple(course for blast in storage.blasts if (course := course_of(blast)) is not None)
    if not courses:
        return None
    ((most, _),) = Counter(course.first for course in courses).most_common(1)
    agreeing = tuple(course for course in courses if course.first == most)
    return Outage(storage, len(storage.blasts), courses, agreeing)


def outage(findings: Findings) -> Story | None:
    """Some pod breached an SLO."""
    found = [one for storage in findings.storages if (one := outage_of(storage)) is not None]
    if not found:
        return None
    worst = max(found, key=lambda one: one.breached_s)
    lead, brief = (f"{_beginning(findings, worst)}, {_after(worst, brief)}" for brief in (False, True))
    if len(findings.storages) > 1:
        lead, brief = (f"On {worst.storage.label}, {text}" for text in (lead, brief))
    follow, names = _following(worst, pods), _following(worst, few)
    end, over = _ending(worst), _short_ending(worst)
    phases = (
        *((lead, follow, end), (lead, follow, over), (brief, follow, end), (brief, follow, over), (brief, names, over)),
        *((lead, follow), (lead, end), (lead,), (brief,)),
    )
    variants = ("; ".join(part for part in parts if part) for parts in phases)
    bullets = (
        Bullet("why", _why(worst), "who-waited-for-whom"),
        Bullet("since when", radius(findings), "blast-radius"),
        Bullet("next", _next(worst), "story" if worst.storage.acted else "blast-radius"),
    )
    return Story(fit(*variants), bullets, "blast-radius")


def _beginning(findings: Findings, found: Outage) -> str:
    model = found.model
    where, name = pods(model.first), operation_words(model.sli)
    if model.sli == "connection.create" and _refused(found.storage, model.first):
        return f"{where} refused connections"
    return f"{name} {'stopped' if _stopped(findings, found) else 'degraded'} on {where}"


def _stopped(findings: Findings, found: Outage) -> bool:
    """Whether most attempts had no success, or waited for many times their limit, when the breach began."""
    model, width_s = found.model, findings.axis.width_s
    limit_ns = findings.limits_s[model.sli] * 1e9
    past_s = min(model.span.end_s, model.span.begin_s + _BEGINNING_S)
    dead, bins = 0, 0
    for pod in model.first:
        measure = found.storage.pods.get(pod, {}).get(model.sli)
        if measure is None:
            continue
        for place in range(int(model.span.begin_s / width_s), int(past_s / width_s)):
            one, failed = measure.over_time[place], measure.failed[place]
            bins += one is not None or failed > 0
            dead += failed > 0 if one is None else one.at_least[0] or failed > one.n or one.p50 > _MANY * limit_ns
    return 2 * dead >= bins > 0


def _refused(storage: StorageFindings, names: Sequence[str]) -> bool:
    measures = [storage.pods.get(pod, {}).get("connection.create") for pod in names]
    return bool(measures) and all(m is not None and refused_connections(m.errors) for m in measures)


def _after(found: Outage, brief: bool = False) -> str:
    """`brief`: an action that has no short name is named by its number."""
    event, times = found.model.event, [course.after_s for course in found.agreeing]
    if event is None:
        return f"{_seconds(times)} into the load"
    words = event_words(event, brief)
    return f"right after {words}" if max(times) < 1 else f"{_seconds(times)} after {words}"


def _seconds(times: Sequence[float]) -> str:
    return span(f"{min(times):.0f} s", f"{max(times):.0f} s")


def _following(found: Outage, named: Callable[[Iterable[str]], str]) -> str:
    later = found.later
    if not later:
        return ""
    firsts = [pod.spans[0].sli for pod in found.model.blast.pods if pod.pod in later and pod.spans]
    refused = set(firsts) == {"connection.create"} and _refused(found.storage, list(later))
    verb = "refused connections" if refused else "followed"
    return f"{named(later)} {verb} {_seconds([s for times in later.values() for s in times])} later"


def _ending(found: Outage) -> str:
    lasting = [course for course in found.courses if course.lasting]
    if lasting:
        names = pods(dict.fromkeys(pod for course in lasting for pod in course.lasting))
        where = "" if found.rounds == 1 else f" in {len(lasting)} of {found.rounds} rounds"
        return f"{names} did not recover{where}"
    if unclear := dict.fromkeys(pod for course in found.courses for pod in course.unclear):
        return f"the load ended before it was known whether {pods(unclear)} recovered"
    times, remedy = [course.calm_s for course in found.agreeing], found.model.remedy
    after = f"after {event_words(remedy)}" if remedy is not None else "later"
    return f"calm again {_seconds(times)} {after}"


def _short_ending(found: Outage) -> str:
    if any(course.lasting for course in found.courses):
        return "not over at the end"
    if any(course.unclear for course in found.courses):
        return "the load ended before recovery was certain"
    remedy = found.model.remedy
    return f"calm after {event_words(remedy, brief=True)}" if remedy is not None else "calm again"


def _why(found: Outage) -> str:
    """Shares without success, their errors, and where the time went."""
    names = ("chat.accept", "connection.create", "subscription.create")
    entries = [Entry(found.storage, found.storage.measures[name]) for name in names if name in found.storage.measures]
    bad = [entry for entry in entries if entry.failing]
    shares = [f"{entry.bad_share:.0%} of {operation_words(entry.measure.name)}" for entry in bad]
    text = f"{listed(shares)} failed or got no answer" if shares else "Attempts were slower than their limits"
    worst = max(bad, key=lambda entry: entry.bad, default=None)
    errors = f" ({operation_words(worst.measure.name)}: {errors_of(worst.measure)})" if worst is not None else ""
    return f"{text}{errors}. {_locks(found)}"


def _locks(found: Outage) -> str:
    """The root blocker of most lock time; without such a one, where the time went."""
    storage = found.storage
    roots: dict[str, float] = {}
    for (_, holder), seconds in storage.blame.root.items():
        roots[holder] = roots.get(holder, 0.0) + seconds
    whole = sum(roots.values())
    root = max(roots, key=lambda holder: roots[holder], default="")
    if root and root not in (NO_HOLDER, UNNAMED) and roots[root] >= _MUCH * whole:
        share = f"{roots[root] / whole:.0%} of {duration(whole)}"
        return f"{share} of lock waits were behind {operation_words(root)} at the root."
    figures = ((operation, figure) for operation in ("chat.accept", found.model.sli) for figure in ("p99", "p95"))
    locked = next((one for one in figures if locked_at(storage, *one)), None)
    return sentence_of(storage, *locked) if locked is not None else sentence(storage)


def _next(found: Outage) -> str:
    lasting = {pod for course in found.courses for pod in course.lasting}
    if lasting:
        return f"Find out why {pods(sorted(lasting))} did not recover: nothing in this timeline ended it for them."
    event, remedy = found.model.event, found.model.remedy
    if event is None:
        return "Lower the load or enlarge the system until no pod breaches its SLOs, then repeat."
    what = f"{event_words(event)} stops {operation_words(found.model.sli)} on {pods(found.model.first)}"
    if event.do == "hold":
        what = "a transaction may hold its locks for so long"
    ended = f"; {event_words(remedy)} came before the end of it" if remedy is not None else ""
    return f"Find out why {what}{ended}."


def radius(findings: Findings) -> str:
    """Which pods breached their SLOs, when, and after which action, summed up over rounds. Empty with single pods."""
    several = len(findings.storages) > 1
    sentences = [
        f"On {storage.label}, {text}" if several else f"{text[0].upper()}{text[1:]}"
        for storage in findings.storages
        if (text := _radius(storage))
    ]
    return " ".join(sentences)


def _radius(storage: StorageFindings) -> str:
    if not storage.blasts:
        return ""
    found = outage_of(storage)
    if found is None:
        quiet = dict.fromkeys(pod.pod for blast in storage.blasts for pod in blast.pods if not pod.unknown)
        unknown = dict.fromkeys(pod.pod for blast in storage.blasts for pod in blast.pods if pod.unknown)
        parts = [f"{pods(quiet)} breached no SLO"] if quiet else []
        parts += [_unknown(unknown)] if unknown else []
        return f"{'; '.join(parts)}."
    return f"{'; '.join(_course(found))}."


def _course(found: Outage) -> list[str]:
    first = " first" if found.later else ""
    at = f" at {_seconds([course.span.begin_s for course in found.agreeing])}" if found.model.event is not None else ""
    name = operation_words(found.model.sli)
    begin = f"{pods(found.model.first)} breached an SLO{first} ({name}){at}, {_after(found)}"
    if found.rounds > 1:
        begin = f"in {len(found.agreeing)} of {found.rounds} rounds {begin}"
    by_times: dict[str, list[str]] = {}
    for pod, times in found.later.items():
        own = found.model.own_event(pod) if pod in found.model.later else None
        after = f", after {event_words(own)}" if own is not None else ""
        by_times.setdefault(f"{_seconds(times)} later{after}", []).append(pod)
    parts = [begin, *(f"{pods(names)} followed {times}" for times, names in by_times.items())]
    parts += [_otherwise(found)] if len(found.agreeing) < found.rounds else []
    parts.append(_ending(found))
    unbreached = [pod for pod in found.model.unbreached if all(pod in course.unbreached for course in found.courses)]
    unknown = dict.fromkeys(pod for course in found.courses for pod in course.unknown)
    parts += [f"{pods(unbreached)} had no breach"] if unbreached else []
    return [*parts, *([_unknown(unknown)] if unknown else [])]


def _otherwise(found: Outage) -> str:
    """The rounds that went another way."""
    others = Counter(pods(course.first) for course in found.courses if course.first != found.model.first)
    words = [f"{names} first in {count}" for names, count in others.items()]
    without = found.rounds - len(found.courses)
    return listed([*words, *([f"no breach in {without}"] if without else [])])


def _unknown(names: Sequence[str] | dict[str, None]) -> str:
    return f"{pods(names)}: unknown, because too little was observed"
