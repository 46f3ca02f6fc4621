"""What a hostile pod can make of an agent: no crash, no memory without end, no reconnect in a circle."""

import random
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.protocols.contract import Push
from loadtests.users import agent as agents
from loadtests.users.agenda import Agenda
from loadtests.users.agent import Agent, Chat
from loadtests.users.session import Backoff, _published_ns, heartbeat_s


@pytest.mark.parametrize("named", [0.1, 1, 10, 10.5, 3600])
def test_a_pod_chooses_the_period_of_heartbeats(named: float) -> None:
    assert heartbeat_s(named) == named


@pytest.mark.parametrize(
    "named",
    [1e300, float("inf"), float("nan"), -1, 0, 1e-300, 2**64, 3600.1, True, "10", "1e300", None, [], {}, [10], -0.0],
    ids=str,
)
def test_a_period_that_is_none_is_the_default(named: object) -> None:
    assert heartbeat_s(named) == 10.0


def event(number: int, **changed: Any) -> Push:
    whole: dict[str, Any] = {
        "topic": "queue", "sequence": number, "kind": "chat.offered", "chat": f"{number:016x}",
        "key": number, "published_ns": 5, **changed,
    }  # fmt: skip
    return Push(**whole)


@pytest.fixture
def agent() -> Agent:
    made = Agent.__new__(Agent)
    made.agenda = Agenda(lambda: None)
    made.backoff = Backoff(random.Random(1))
    made.waiter = SimpleNamespace(notify=lambda: None)
    made.leaving = made._impatient = made._broken = False
    made.offers, made.deferred, made.chats, made.extra_topics = {}, {}, {}, []
    made.worker_load = SimpleNamespace(
        clock=SimpleNamespace(now=lambda: 0),
        think_ns=lambda: 1,
        pause_ns=lambda: 1,
        exponential_ns=lambda _: 1,
        scenario=SimpleNamespace(agent=SimpleNamespace(chats_at_once=1, session_s=1.0, churn_s=None)),
    )
    made.person = None
    return made


def test_offers_without_end_fill_no_memory(agent: Agent) -> None:
    for number in range(20_000):
        agent._on_push(event(number), number)
    assert len(agent.offers) == len(agent.agenda) == agents._MAX_PENDING
    agent.chats["ffff"] = Chat("chat/ffff", 0)
    while agent.agenda.due_ns is not None:  # with a chat in hand every offer is held
        agent.session = SimpleNamespace(is_own=lambda _: False)
        agent.agenda.do()
    for number in range(20_000, 40_000):
        agent._on_push(event(number), number)
    assert len(agent.deferred) <= len(agent.offers) == agents._MAX_PENDING


def test_messages_without_end_fill_no_memory(agent: Agent) -> None:
    agent.chats["00ff"] = Chat("chat/00ff", 0)
    for number in range(20_000):
        agent._on_push(event(number, topic="chat/00ff", kind="message.sent", chat="00ff"), number)
    assert len(agent.agenda) == agents._MAX_PENDING
    assert agent.chats["00ff"].seen == 19_999


def test_pauses_grow_while_a_pod_breaks_the_protocol(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    class Opened:
        def __init__(self, *_: object) -> None:
            pass

        def open(self, _: int) -> bool:
            return True

        def request(self, *_: object, **_named: object) -> Any:
            return SimpleNamespace(outcome="ok", sequence=0)

    monkeypatch.setattr(agents, "Session", Opened)
    clock = agent.worker_load.clock
    clock.now = lambda: clock.now_ns
    clock.now_ns = 0

    def pauses_s(*ends: tuple[str, float]) -> list[float]:
        pauses = []
        for error, lasted_s in ends:
            agent._connect(clock.now_ns)
            clock.now_ns += int(lasted_s * 1e9)
            agent._on_lost(error, "")
            pauses.append((agent.connect_due_ns - clock.now_ns) / 1e9)
        return pauses

    at_once = pauses_s(*[("bad_reply", 0.1)] * 8)
    assert at_once[0] < 0.2
    assert at_once[7] > 2.0
    # One malformed reply after a while, or a connection that was cut off, makes no agent absent for long.
    assert max(pauses_s(("cut_off", 0.1), ("cut_off", 0.1), ("bad_reply", 15), ("bad_reply", 15))[1:]) < 0.5


@pytest.mark.parametrize(("stamp_ns", "kept"), [(0, True), (-(10**18), True), ((1 << 63) - 1, False), (1 << 62, True)])
def test_a_stamp_that_no_clock_shows_is_left_out(stamp_ns: int, kept: bool) -> None:
    """A table with it would be refused by its readers, and with it the run."""
    assert (_published_ns(stamp_ns) is not None) == kept
