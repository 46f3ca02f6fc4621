"""The story of an outage: what stopped first, on which pods and after what; which pods followed; when it was over."""

from collections.abc import Callable, Iterable, Sequence

from reports.data.contract import NO_HOLDER, UNNAMED
from reports.findings.pooling import summed_by
from reports.findings.study import Findings, StorageFindings
from reports.text.blast_radius import Outage, after_words, ending_words, outage_of, radius, time_words
from reports.text.contract import Bullet, Story
from reports.text.outage_course import Course, event_words, refused_connections
from reports.text.phrases import errors_of
from reports.text.plain_names import few, fit, operation_words, pods
from reports.text.ranking import Entry
from reports.text.sentence import locked_at, sentence, sentence_of
from reports.text.wording import duration, listed

_MANY = 10
"""Multiple of its limit from which on a wait is no better than a failure."""
_MUCH = 0.3
"""Share of the lock time from which on its largest root blocker is stated."""
_BEGINNING_S = 10.0
"""The part of a breach that shows whether an operation stopped."""


def outage(findings: Findings) -> Story | None:
    """Some pod breached an SLO."""
    outages = [(storage, one) for storage in findings.storages if (one := outage_of(storage.blasts)) is not None]
    if not outages:
        return None
    storage, found = max(outages, key=lambda one: one[1].breached_s)
    lead, brief = (f"{_beginning(findings, storage, found)}, {after_words(found, brief)}" for brief in (False, True))
    if len(findings.storages) > 1:
        lead, brief = (f"On {storage.label}, {text}" for text in (lead, brief))
    follow, names = (_following(storage, found, named) for named in (pods, few))
    end, over = ending_words(found), _short_ending(found)
    phases = (
        *((lead, follow, end), (lead, follow, over), (brief, follow, end), (brief, follow, over), (brief, names, over)),
        *((lead, follow), (lead, end), (lead,), (brief,)),
    )
    variants = ("; ".join(part for part in parts if part) for parts in phases)
    bullets = (
        Bullet("why", _why(storage, found), "who-waited-for-whom"),
        Bullet("since when", radius(findings), "blast-radius"),
        Bullet("next", _next(found), "story" if storage.acted else "blast-radius"),
    )
    return Story(fit(*variants), bullets, "blast-radius")


def _beginning(findings: Findings, storage: StorageFindings, found: Outage) -> str:
    model = found.model
    where, name = pods(model.first), operation_words(model.sli)
    if model.sli == "connection.create" and _refused(storage, model.first):
        return f"{where} refused connections"
    return f"{name} {'stopped' if _stopped(findings, storage, found.model) else 'degraded'} on {where}"


def _stopped(findings: Findings, storage: StorageFindings, model: Course) -> bool:
    """Whether most attempts had no success, or waited for many times their limit, when the breach began."""
    width_s, limit_ns = findings.axis.width_s, findings.limits_s[model.sli] * 1e9
    past_s = min(model.span.end_s, model.span.begin_s + _BEGINNING_S)
    dead, bins = 0, 0
    for pod in model.first:
        measure = storage.pods.get(pod, {}).get(model.sli)
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


def _following(storage: StorageFindings, found: Outage, named: Callable[[Iterable[str]], str]) -> str:
    later = found.later
    if not later:
        return ""
    firsts = [pod.spans[0].sli for pod in found.model.blast.pods if pod.pod in later and pod.spans]
    refused = set(firsts) == {"connection.create"} and _refused(storage, list(later))
    verb = "refused connections" if refused else "followed"
    return f"{named(later)} {verb} {time_words([s for times in later.values() for s in times])} later"


def _short_ending(found: Outage) -> str:
    if any(course.lasting for course in found.courses):
        return "not over at the end"
    if any(course.unclear for course in found.courses):
        return "the load ended before recovery was certain"
    remedy = found.model.remedy
    return f"calm after {event_words(remedy, brief=True)}" if remedy is not None else "calm again"


def _why(storage: StorageFindings, found: Outage) -> str:
    """Shares without success, their errors, and where the time went."""
    names = ("chat.accept", "connection.create", "subscription.create")
    entries = [Entry(storage, storage.measures[name]) for name in names if name in storage.measures]
    bad = [entry for entry in entries if entry.failing]
    shares = [f"{entry.bad_share:.0%} of {operation_words(entry.measure.name)}" for entry in bad]
    text = f"{listed(shares)} failed or got no answer" if shares else "Attempts were slower than their limits"
    worst = max(bad, key=lambda entry: entry.bad, default=None)
    errors = f" ({operation_words(worst.measure.name)}: {errors_of(worst.measure)})" if worst is not None else ""
    return f"{text}{errors}. {_locks(storage, found.model.sli)}"


def _locks(storage: StorageFindings, sli: str) -> str:
    """The root blocker of most lock time; without such a one, where the time went."""
    roots = summed_by(storage.blame.root, 1)
    whole, root = sum(roots.values()), max(roots, key=lambda holder: roots[holder], default="")
    if root and root not in (NO_HOLDER, UNNAMED) and roots[root] >= _MUCH * whole:
        share = f"{roots[root] / whole:.0%} of {duration(whole)}"
        return f"{share} of lock waits were behind {operation_words(root)} at the root."
    figures = ((operation, figure) for operation in ("chat.accept", sli) for figure in ("p99", "p95"))
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
