"""Stories of latencies: no system waits, one waits more than the others, none clearly does, or one system alone."""

from collections.abc import Sequence
from dataclasses import replace

from loadtests.records.vocabulary import PUSHES
from reports.findings.estimates import Bin, Estimate
from reports.findings.study import Findings
from reports.text.causes import cause_sentence, causes, waits_for_locks
from reports.text.contract import Bullet, Story
from reports.text.plain_names import few, fit, operation_words, section_of
from reports.text.ranking import Entry, Ranking, entries_of, hero_operation, known_figures, ranked
from reports.text.wording import digits, duration, listed, plain, possessive, span

_UNNOTICED_S = 0.1
"""A wait below this appears immediate to a person."""
_SIMILAR = 3.0
"""Ratio of latencies up to which systems below `_UNNOTICED_S` count as similar in the headline."""
_LATE = 0.05
"""A larger share of attempts after their limit is reported, also of other operations than the hero."""
_COMPARE = "Compare it with another system or an earlier release: one system alone does not show what is usual."
_NAMED = 3
"""Systems whose figures are stated one by one; of more the range is stated."""


def slow_elsewhere(findings: Findings) -> Story | None:
    """The hero operation is calm, but another one with a limit is often late on some system."""
    found = _calm(findings)
    others = [name for name in findings.limits_s if name != hero_operation(findings) and name not in PUSHES]
    shares = [(_late(entry), entry) for name in others for entry in entries_of(findings, name)]
    late = max((one for one in shares if one[0] > _LATE), key=lambda one: one[0], default=None)
    if found is None or late is None:
        return None
    share, entry = late
    name, limit = operation_words(entry.measure.name), duration(findings.limits_s[entry.measure.name])
    bullets = (
        Bullet("why", cause_sentence(entry, "p99"), "where-the-time-went"),
        _since_when(findings, [entry]),
        Bullet("next", f"Find out what makes {name} wait, although {operation_words(found.operation)} does not.",
               "operations-over-time"),
    )  # fmt: skip
    head = f"On {entry.label}, {share:.0%} of {name} took longer than {limit}"
    variants = (f"{head}; {operation_words(found.operation)} does not wait: {_values(found, labelled=False)}", head)
    return Story(fit(*variants), bullets, "operations-over-time")


def _late(entry: Entry) -> float:
    """The share of attempts that succeeded after their limit."""
    good = entry.measure.good
    return 0.0 if good is None else 1 - good / entry.measure.n - entry.bad_share


def calm(findings: Findings) -> Story | None:
    """No system makes its users wait."""
    found = _calm(findings)
    if found is None:
        return None
    name, values = operation_words(found.operation), _values(found, labelled=False)
    if len(found.entries) == 1:
        head = f"On {found.slowest.label}, {name} does not wait: {values}"
    else:
        head = f"No system makes {name} wait: {values}"
    bullets = (
        Bullet("why", _figures(found), "figures"),
        _since_when(findings, found.entries),
        Bullet("next", "Raise the load to find the limit: nothing here made a user wait.", "throughput"),
    )
    return Story(fit(head), bullets, section_of(found.operation))


def _calm(findings: Findings) -> Ranking | None:
    """The ranking of the hero operation, where it appears immediate on every system, and similar on all of them."""
    found = ranked(findings, hero_operation(findings))
    if found is None or found.missing:
        return None
    figure = known_figures(found.entries)[0]
    if not all(_unnoticed(entry, figure, findings) for entry in found.entries):
        return None
    entries = tuple(sorted(found.entries, key=lambda entry: -entry.estimate(figure).value))
    ratio = entries[0].estimate(figure).value / max(entries[-1].estimate(figure).value, 1)
    return replace(found, figure=figure, entries=entries) if found.uncertain or ratio <= _SIMILAR else None


def _unnoticed(entry: Entry, figure: str, findings: Findings) -> bool:
    """Whether that figure appears immediate: its upper bound does or, without one, all attempts met their limit."""
    estimate, longest = entry.estimate(figure), entry.estimate("max")
    if figure not in ("p99", "p95", "max") or estimate.at_least or estimate.value >= _UNNOTICED_S * 1e9:
        return False
    if estimate.high is not None:
        return estimate.high < _UNNOTICED_S * 1e9
    limit_s = findings.limits_s.get(entry.measure.name, _UNNOTICED_S)
    return not longest.at_least and longest.value <= limit_s * 1e9


def slower(findings: Findings) -> Story | None:
    """One system is clearly slower than another."""
    found = ranked(findings, hero_operation(findings))
    if found is None or len(found.entries) < 2 or found.uncertain:
        return None
    slow, fast = (found.of(entry) for entry in (found.slowest, found.fastest))
    head = f"{found.slowest.label} makes {operation_words(found.operation)} wait: {found.figure} {plain(slow)}"
    ratio = f"{digits(slow.value / max(fast.value, 1))} times {possessive(found.fastest.label)} {plain(fast)}"
    of_it, of_all = causes(found.slowest, found.figure)
    between, lone = _between(found), f"{head}, {ratio}"
    bullets = (
        Bullet("why", cause_sentence(found.slowest, found.figure), "where-the-time-went"),
        _since_when(findings, found.entries),
        _next(found),
    )
    lead, because = f"{head}, {of_it}; {ratio}" if of_it else lone, f"; {of_all}" if of_all else ""
    variants = (f"{lead}{between}{because}", f"{lead}{because}", f"{lone}{between}", lone)
    return Story(_fitted(found, *variants), bullets, section_of(found.operation))


def _fitted(found: Ranking, *variants: str) -> str:
    """Systems without any attempt are in the headline: nothing is known of them."""
    missing = f"; nothing was recorded on {few(found.missing, most=2)}" if found.missing else ""
    return fit(*(f"{variant}{missing}" for variant in variants))


def _between(found: Ranking) -> str:
    others = found.entries[1:-1]
    if not others:
        return ""
    if len(others) == 1:
        return f" ({others[0].label} {plain(found.of(others[0]))})"
    low, high = (plain(found.of(others[place])) for place in (-1, 0))
    return f" ({len(others)} others {span(low, high)})"


def _next(found: Ranking) -> Bullet:
    if waits_for_locks(found.slowest, found.figure):
        text = f"Shorten the transactions that hold these locks, or choose {found.fastest.label}."
        return Bullet("next", text, "who-waited-for-whom")
    text = f"Compare where the time of {found.slowest.label} and of {found.fastest.label} went before a release."
    return Bullet("next", text, "where-the-time-went")


def undecided(findings: Findings) -> Story | None:
    """Several systems, none of which is clearly slower."""
    found = ranked(findings, hero_operation(findings))
    if found is None or len(found.entries) < 2:
        return None
    name = operation_words(found.operation)
    head = f"No system is clearly slower at {name}: "
    bullets = (
        Bullet("why", _figures(found), "figures"),
        _since_when(findings, found.entries),
        Bullet("next", f"Repeat with more rounds or longer judged stages: {found.uncertain}.", "figures"),
    )
    variants = [f"{head}{_values(found, labelled)}; {found.uncertain}" for labelled in (True, False)]
    return Story(_fitted(found, *variants, f"{head}{found.uncertain}"), bullets, section_of(found.operation))


def alone(findings: Findings) -> Story | None:
    """One system, or one that is left to be described."""
    found = ranked(findings, hero_operation(findings))
    if found is None:
        return None
    entry, name = found.slowest, operation_words(found.operation)
    of_it, of_all = causes(entry, found.figure)
    cause = f", {of_it}" if of_it else f"; {of_all}" if of_all else ""
    head = f"On {entry.label}, {name} has a {found.figure} of {plain(found.of(entry))}"
    bullets = (
        Bullet("why", cause_sentence(entry, found.figure), "where-the-time-went"),
        _since_when(findings, found.entries),
        Bullet("next", _COMPARE, "figures"),
    )
    return Story(_fitted(found, f"{head}{cause}", head), bullets, section_of(found.operation))


def _values(found: Ranking, labelled: bool) -> str:
    """`p99 12, 14 and 16 ms`, `p99 12 ms (sqlite) and 14 ms (memory)`, or of many systems the range."""
    entries = found.entries[::-1]
    values = [plain(found.of(entry)) for entry in entries]
    if len(entries) > _NAMED:
        return f"{found.figure} {span(values[0], values[-1])} on {len(entries)} systems"
    if labelled:
        words = [f"{value} ({entry.label})" for entry, value in zip(entries, values, strict=True)]
        return f"{found.figure} {listed(words)}"
    if len(set(values)) == 1:
        return f"{found.figure} {values[0]}"
    units = {tuple(value.split()[1:]) for value in values}
    if len(units) == 1:
        values = [*(value.split()[0] for value in values[:-1]), values[-1]]
    return f"{found.figure} {listed(values)}"


def _figures(found: Ranking) -> str:
    """Every system with its interval, the slowest first."""
    words = [f"{entry.label} {plain(found.of(entry))}{_interval(found.of(entry))}" for entry in found.entries]
    more = words[2 * _NAMED :]
    shown = [*words[: 2 * _NAMED], f"{len(more)} others"] if more else words
    return f"{found.figure} of {operation_words(found.operation)}: {listed(shown)}."


def _interval(estimate: Estimate) -> str:
    low, high = (None if bound is None else duration(bound / 1e9) for bound in (estimate.low, estimate.high))
    if low and high:
        return f" (95% interval {span(low, high)})"
    return f" (95% interval from {low})" if low else f" (95% interval up to {high})" if high else ""


def _since_when(findings: Findings, entries: Sequence[Entry]) -> Bullet:
    """Since which second and stage one request in twenty took longer than the limit, on the system where that was so
    most of the time."""
    operation = entries[0].measure.name
    limit_s, section = findings.limits_s.get(operation), section_of(operation)
    if limit_s is None:
        return Bullet("since when", "", section)
    slow, place = max(
        ((_slow_bins(entry.measure.over_time, limit_s), -i) for i, entry in enumerate(entries)),
        key=lambda one: (len(one[0]), one[1]),
    )
    entry, limit = entries[-place], duration(limit_s)
    if not slow:
        where = entry.label if len(entries) == 1 else "any system"
        return Bullet("since when", f"At no time did one in twenty take longer than {limit} on {where}.", section)
    begin_s, width_s = slow[0] * findings.axis.width_s, findings.axis.width_s
    known_s = width_s * sum(one is not None for one in entry.measure.over_time)
    text = (
        f"From {begin_s:g} s on{_in_stage(entry, begin_s)}: on {entry.label}, one in twenty took longer than {limit} "
        f"for {len(slow) * width_s:g} of {known_s:g} s."
    )
    return Bullet("since when", text, section)


def _slow_bins(bins: Sequence[Bin | None], limit_s: float) -> list[int]:
    return [place for place, one in enumerate(bins) if one is not None and one.p95 > limit_s * 1e9]


def _in_stage(entry: Entry, at_s: float) -> str:
    run = entry.system.pooled[0]
    for stage in run.stages:
        begin_s, end_s = ((ns - run.started_ns) / 1e9 for ns in (stage.started_ns, stage.ended_ns))
        if begin_s <= at_s < end_s:
            return f", in stage {stage.name}"
    return ""
