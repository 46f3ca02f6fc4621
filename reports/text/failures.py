"""Stories of attempts without success: nothing recorded, every attempt without success, some of them, late pushes."""

from collections.abc import Sequence

from loadtests.records.vocabulary import TIMED_OPERATIONS
from reports.findings.study import Findings
from reports.text.causes import cause_sentence
from reports.text.contract import Bullet, Story
from reports.text.phrases import errors_of
from reports.text.plain_names import ACCEPT, fit, operation_words, section_of
from reports.text.ranking import FAILS, Entry, Ranking, entries_of, hero_operation, ranked
from reports.text.wording import digits, duration, listed, plain, possessive

_NAMED = 3
"""Systems whose share is stated one by one; of more the worst and their number."""
_FEW = 3
"""Fewer attempts without success are not reported before latencies, unless they are those of the hero operation."""
_LATE = 0.05
"""A larger share of messages that came late or never is reported before any latency."""
_DELIVERIES = "event.deliver"


def nothing_recorded(findings: Findings) -> Story | None:
    if hero_operation(findings):
        return None
    head = "Unknown: no Accept chat, and no other request, was recorded in the judged stages"
    next_ = Bullet("next", "See how the runs ended, and repeat them.", "runs")
    return Story(fit(head), (next_,), "accept-over-time", answered=False)


def none_succeeded(findings: Findings) -> Story | None:
    """No attempt succeeded on at least one system."""
    operation = hero_operation(findings)
    found = entries_of(findings, operation)
    dead = [entry for entry in found if entry.dead]
    if not dead:
        return None
    name = operation_words(operation)
    subject = f"Every {name}" if operation == ACCEPT else f"Every attempt at {name}"
    labels = [entry.label for entry in dead]
    where = listed(labels) if len(labels) <= _NAMED else f"{len(labels)} of {len(found)} systems"
    head = f"{subject} on {where} {_verb(dead)}"
    others = ranked(findings, operation)
    variants = [f"{head}; {_rest(others)}"] if others is not None else []
    bullets = (*_why(dead, others), _first(dead[0]), Bullet("next", _fix(dead[0]), "figures"))
    return Story(fit(*variants, head), bullets, section_of(operation))


def some_failed(findings: Findings) -> Story | None:
    """More than a few attempts without success on at least one system, at the hero operation or any other request."""
    hero = hero_operation(findings)
    others = {name: _worst_share(findings, name) for name in TIMED_OPERATIONS if name != hero}
    failing = [hero, *(name for name in sorted(others, key=lambda name: -others[name]) if others[name])]
    return next((found for operation in failing if (found := _failing(findings, operation)) is not None), None)


def _worst_share(findings: Findings, operation: str) -> float:
    """The largest share without success, of systems where it was more than a few attempts."""
    return max((e.bad_share for e in entries_of(findings, operation) if e.failing and e.bad >= _FEW), default=0.0)


def _failing(findings: Findings, operation: str) -> Story | None:
    found = entries_of(findings, operation)
    failing = sorted((entry for entry in found if entry.failing), key=lambda entry: -entry.bad_share)
    if not failing:
        return None
    head, order = _shares(failing, found, operation), ranked(findings, operation)
    bullets = (*_why(failing, order), _first(failing[0]), Bullet("next", _fix(failing[0]), "figures"))
    variants = [f"{head}; {_rest(order)}"] if order is not None else []
    return Story(fit(*variants, head), bullets, section_of(operation))


def _shares(failing: Sequence[Entry], found: Sequence[Entry], operation: str) -> str:
    name, verb = operation_words(operation), _verb(failing)
    worst = failing[0]
    if len(found) == 1 or len(failing) == 1:
        return f"On {worst.label}, {_percent(worst.bad_share)} of {name} {verb}"
    if len(failing) <= _NAMED:
        words = [f"{_percent(entry.bad_share)} on {entry.label}" for entry in failing]
        return f"{name} {verb}: {listed(words)}"
    return (
        f"{name} {verb} on {len(failing)} of {len(found)} systems, most on {worst.label}: {_percent(worst.bad_share)}"
    )


def _percent(share: float) -> str:
    """Whole per cents, but never 100 for less than all."""
    return f"{min(share, 0.99 if share < 1 else 1):.0%}"


def _verb(entries: Sequence[Entry]) -> str:
    failed, unknown = (sum(entry.measure.outcomes[name] for entry in entries) for name in ("fail", "unknown"))
    if failed and unknown:
        return "failed or got no answer"
    return "got no answer" if unknown else "failed"


def _rest(order: Ranking) -> str:
    """What is known of the latencies of attempts that succeeded, without calling a system fast that rejects work."""
    slow, fast = order.slowest, order.fastest
    if all(entry.failing for entry in order.entries):
        figure = f"those that succeeded have a {order.figure} of {plain(order.of(slow))}"
        return figure if len(order.entries) == 1 else "none can be called fast"
    if len(order.entries) == 1:
        return f"{slow.label}: {order.figure} {plain(order.of(slow))}"
    if order.uncertain:
        return f"no system is clearly slower, {order.figure} {plain(order.of(slow))} at most"
    ratio = digits(order.of(slow).value / max(order.of(fast).value, 1))
    return f"{slow.label} is slowest, {order.figure} {plain(order.of(slow))}, {ratio} times {possessive(fast.label)}"


def _why(entries: Sequence[Entry], order: Ranking | None) -> tuple[Bullet, ...]:
    errors = [f"{entry.label}: {errors_of(entry.measure)}" for entry in entries[:_NAMED] if errors_of(entry.measure)]
    text = f"{'; '.join(errors)}." if errors else ""
    if order is not None and order.slowest in entries:
        text = f"{text} {cause_sentence(order.slowest, order.figure)}".strip()
    return (Bullet("why", text, "figures"),) if text else ()


def _first(entry: Entry) -> Bullet:
    """The stage in which the largest share had no success; without stages the numbers."""
    measure, run = entry.measure, entry.system.pooled[0]
    shares = [
        ((stage.outcomes["fail"] + stage.outcomes["unknown"]) / attempts, place)
        for place, stage in enumerate(measure.stages)
        if (attempts := sum(stage.outcomes.values()) - stage.outcomes["refused"])
    ]
    section = section_of(measure.name)
    counts = f"{entry.bad:,} of {measure.n:,} on {entry.label}"
    bad = [place for share, place in shares if share > FAILS]
    if not bad:
        return Bullet("since when", f"In the judged stages: {counts}.", section)
    first, worst = run.stages[bad[0]], max(shares)
    begin_s = (first.started_ns - run.started_ns) / 1e9
    text = f"{counts}; since stage {first.name}, which began at {begin_s:.0f} s"
    if len(bad) > 1:
        text += f", worst in {run.stages[worst[1]].name} ({_percent(worst[0])})"
    return Bullet("since when", f"{text}.", section)


def _fix(entry: Entry) -> str:
    return f"Find the cause of the failures on {entry.label} before comparing latencies: percentiles exclude failures."


def late_deliveries(findings: Findings) -> Story | None:
    """Messages that came later than the limit of the objectives, or never."""
    limit_s = findings.limits_s.get(_DELIVERIES)
    shares = []
    for entry in entries_of(findings, _DELIVERIES):
        good = entry.measure.good if limit_s is not None else entry.measure.outcomes["ok"]
        shares.append((1 - (good or 0) / entry.measure.n, entry))
    late = sorted((one for one in shares if one[0] > _LATE), key=lambda one: -one[0])
    if not late:
        return None
    share, worst = late[0]
    limit = f"came later than {duration(limit_s)} or never" if limit_s is not None else "never came"
    head = f"On {worst.label}, {_percent(share)} of messages {limit}"
    fine = [entry.label for one, entry in shares if one <= _LATE]
    also = [f"{_percent(one)} on {entry.label}" for one, entry in late[1 : _NAMED + 1]]
    others = f"; {listed(also)}" if also else f"; not on {listed(fine)}" if 0 < len(fine) <= _NAMED else ""
    counts = f"{worst.measure.n:,} deliveries on {worst.label}, limit from {findings.limits_from or 'the defaults'}."
    bullets = (
        Bullet("why", cause_sentence(worst, "p99"), "where-the-time-went"),
        Bullet("since when", counts, "operations-over-time"),
        Bullet("next", "Find what holds deliveries up before comparing latencies of requests.", "operations-over-time"),
    )
    return Story(fit(f"{head}{others}", head), bullets, "operations-over-time")
