"""A plan as Markdown."""

from collections.abc import Iterator

from reports.gate.outputs.markdown import plain
from reports.gate.planning.expected import ASSUMPTIONS
from reports.gate.planning.needs import Amount, Need
from reports.gate.planning.plan import Plan

_NEVER = "never"
HEAD = (
    *("objective", "target", "attempts a minute", "attempts a round"),
    *("passes if all are good", "passes with half the error budget bad", "the same, correlated"),
    *("fails with twice the budget bad", "design effect", "in {rounds}"),
)


def as_table(plan: Plan) -> str:
    """Amounts are numbers of attempts, with rounds and minutes of judged time; of rounds, what as many decide."""
    head = [column.format(rounds=_rounds(plan.rounds)) for column in HEAD]
    lines = [
        f"# Plan: {plain(plan.scenario)}",
        "",
        *_facts(plan),
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(_row(plan, need))} |" for need in plan.needs), "", *_notes(plan)])


def _facts(plan: Plan) -> Iterator[str]:
    judged, whole = plan.load.judged_s / 60, plan.load.round_s / 60
    yield f"A round has {judged:.2g} min of judged time and takes {whole:.2g} min, for each storage system."


def _row(plan: Plan, need: Need) -> Iterator[str]:
    planned = need.planned
    yield plain(str(need.objective))
    yield f"{need.objective.target * 100:g} %"
    if planned is None:
        yield from ("not known", "not known", *["-"] * 5, "not known: the scenario does not determine the attempts")
        return
    yield f"{planned.attempts / planned.judged_s * 60:,.0f}"
    yield f"{planned.attempts:,.0f}"
    amounts = need.all_good, need.independent, need.correlated, need.failing
    yield from (_amount(plan, amount) for amount in amounts)
    yield f"{plan.design_effects[need.objective.name]:.3g}"
    yield decided(need, plan.rounds)


def _amount(plan: Plan, amount: Amount | None) -> str:
    if amount is None:
        return _NEVER
    minutes = amount.rounds * plan.load.judged_s / 60
    return f"{amount.attempts:,} ({_rounds(amount.rounds)}, {minutes:,.1f} min)"


def _rounds(number: int) -> str:
    return f"{number:,} round{'s' if number != 1 else ''}"


def decided(need: Need, rounds: int) -> str:
    """What so many rounds decide."""
    if need.planned is not None and need.planned.attempts <= 0:
        return "never decided: the judged stages have no attempts"
    if need.all_good is None:
        return "can fail, and never passes: no number of attempts proves this target"
    if need.all_good.rounds > rounds:
        return "stays unknown, even if all are good"
    if need.correlated is None or need.correlated.rounds > rounds:
        return "passes if next to none are bad"
    return "passes with half the error budget bad"


def _notes(plan: Plan) -> Iterator[str]:
    source = "of the study, else 10" if plan.measured else "10 is an assumption; --study STUDY uses a measured one"
    yield f"Assumptions: {'; '.join(ASSUMPTIONS)}."
    yield f"Design effect: how many correlated attempts are worth one ({source})."
