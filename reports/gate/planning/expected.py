"""A scenario → how many attempts of each operation its judged stages will have. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadtests.scenario import LogNormal, Scenario, Stage
from loadtests.scenario.arrivals import Segment
from loadtests.scenario.stages import StageSpan, timeline

ASSUMPTIONS = (
    "the system answers at once and fails nothing",
    "agents take each chat as soon as they have room for it",
    "actions of the timeline change no number of attempts",
)
"""On which expected numbers of attempts are based."""


@dataclass(frozen=True)
class ExpectedLoad:
    """Of one round: attempts by operation in judged time, the length of that time, and of the whole round."""

    attempts: Mapping[str, float]
    judged_s: float
    round_s: float

    def per_minute(self, operation: str) -> float | None:
        """Attempts in a minute of judged time; None: the scenario does not determine them."""
        found = self.attempts.get(operation)
        return None if found is None else found / self.judged_s * 60


def expected_load(scenario: Scenario) -> ExpectedLoad:
    """Deliveries of events are not determined: they depend on who is subscribed when."""
    line = timeline(scenario.stages)
    totals: dict[str, float] = {}
    for span, segment in zip(line.spans, line.segments(), strict=True):
        if span.stage.judge:
            for operation, attempts in _of_stage(scenario, span, segment):
                totals[operation] = totals.get(operation, 0.0) + attempts
    judged_s = sum(span.stage.duration_s for span in line.spans if span.stage.judge)
    return ExpectedLoad(totals, judged_s, line.duration_s)


def _of_stage(scenario: Scenario, span: StageSpan, segment: Segment) -> Iterator[tuple[str, float]]:
    stage, customers = span.stage, segment.expected
    agents = (span.agents_before + stage.agents) / 2 if stage.ramp else float(stage.agents)
    chat_s = _chat_s(scenario)
    chats = min(customers, agents * scenario.agent.chats_at_once * stage.duration_s / chat_s if chat_s else customers)
    messages = chats * (scenario.customer.messages.min + scenario.customer.messages.max)  # each one is answered
    renewed = agents * stage.duration_s / scenario.agent.session_s
    again = _reconnects(stage) + max(0, stage.agents - span.agents_before)
    churn = agents * stage.duration_s / scenario.agent.churn_s if scenario.agent.churn_s else 0.0
    churn = churn if scenario.agent.subscriptions else 0.0
    open_chats = min(chats / stage.duration_s * chat_s / agents if agents else 0.0, scenario.agent.chats_at_once)
    topics = 1 + scenario.agent.subscriptions + open_chats
    yield "connection.create", customers + renewed + again
    yield "connection.close", customers + renewed
    yield "subscription.create", customers + chats + churn + (renewed + again) * topics
    yield "subscription.delete", chats + churn
    yield from ((operation, customers) for operation in ("chat.offer", "chat.answer", "chat.close"))
    yield "chat.accept", chats
    yield "message.send", messages


def _reconnects(stage: Stage) -> float:
    """Connections of agents that drop at the beginning; those that reload the page connect twice."""
    return stage.reconnect * stage.agents * (2 if stage.reconnect_by == "reload" else 1)


def _chat_s(scenario: Scenario) -> float:
    """How long an agent has a chat: the pauses of the customer and of the agent before each message."""
    messages = (scenario.customer.messages.min + scenario.customer.messages.max) / 2
    return 2 * messages * _mean_s(scenario.customer.pause)


def _mean_s(time: LogNormal) -> float:
    return time.median_s * math.exp(time.sigma**2 / 2)
