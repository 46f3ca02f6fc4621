"""An agent at work: one long-lived connection, offers as pushes, accepts at offer + think time."""

from dataclasses import dataclass
from typing import Any, ClassVar

import gevent
from locust import User, task
from locust.exception import StopUser

from loadtests.protocols.contract import QUEUE_TOPIC, Push, chat_topic
from loadtests.users.agenda import Action, Agenda, Waiter
from loadtests.users.load import Load
from loadtests.users.session import Backoff, Person, Session

_IDLE_AFTER_PATIENCE = 2.0
"""An agent closes a chat that has been silent for this many times the customers' patience: its customer is gone."""

_MAX_PENDING = 5000
"""Offers and entries of the agenda that an agent keeps; pushes beyond it are recorded, and cause nothing. Only a pod
that makes up offers reaches it."""

_STEADY_NS = 10_000_000_000
"""A connection that lasted as long was of use, however it ended."""


@dataclass(slots=True)
class Chat:
    """A chat that this agent took. `seen` is the last number of its topic; `heard_ns` when it last moved."""

    topic: str
    heard_ns: int
    seen: int = 0
    closed: bool = False


class Agent(User):
    """One greenlet, one list of things to do in order of when they are due.

    What is due while the agent is stuck in an earlier call is done after it, late, and recorded as planned for when
    it was due: the wait is the system's doing, and a person would feel it.
    """

    host = "pod of the chosen storage"
    """Shown in the web UI, which would ask for one; where connections go, the plan says."""

    load: ClassVar[Load | None] = None
    """The run that this worker serves; set before Locust spawns agents."""

    session: Session | None = None

    @task
    def work(self) -> None:
        """From the agent's first connection to its last. Locust runs it as a task that never ends by itself."""
        while self.load is None:  # a worker that joins in mid-run may spawn agents before its run begins
            gevent.sleep(0.05)
        load = self.load
        try:
            self._begin(load)
            while not self.leaving:
                self._next()
            self._say_goodbye()
        except Exception as error:
            load.note_crash(error)
        finally:
            self._end(load)
        raise StopUser

    def stop(self, force: bool = False) -> bool:
        """Asks the agent to finish its call, close its connection and go; `force` cuts it off."""
        if force or self._greenlet is None or not hasattr(self, "waiter"):
            return bool(super().stop(force=True))
        self.leave()
        return False

    def leave(self) -> None:
        self.leaving = True
        self.waiter.ring()

    def drop(self, back_at_ns: int) -> None:
        """The network goes away under the agent, as in a reconnect storm."""
        if self.session is not None:
            self.session.drop()
            self._lost(back_at_ns)

    def reload(self, back_at_ns: int) -> None:
        """The agent loads the page again and, before it has its subscriptions back, once more: as people do who see
        nothing happen."""
        if self.session is not None:
            self.session.depart()
            self._lost(back_at_ns)
            self._impatient = True

    def _lose_patience(self, session: Session) -> None:
        """Runs while the request is under way that was sent last."""
        if session is self.session:
            session.depart()
            self._lost(self.world.clock.now())

    def _begin(self, load: Load) -> None:
        self.world = load
        number = load.next_user()
        self.person = Person(number, load.place_of_agent(), "agent", load.people.name())
        self.waiter = Waiter(load.clock)
        self.agenda = Agenda(self.waiter.ring)
        self.leaving = self._impatient = self._broken = False
        self.backoff = Backoff(load.random)
        self.connect_due_ns = self.connected_ns = load.clock.now()
        self.offers: dict[str, int] = {}
        self.held: dict[str, None] = {}
        self.chats: dict[str, Chat] = {}
        prefix = f"agent/{load.worker}-{number}"
        self.extras = [f"{prefix}-{i + 1}" for i in range(load.scenario.agent.subscriptions)]
        load.agents.add(self)

    def _end(self, load: Load) -> None:
        load.agents.discard(self)
        if self.session is not None:
            self.session.drop()
            self.session = None

    # What to do next.

    def _plan_after(self, mean_s: float, action: Action, subject: Any = None) -> None:
        self.agenda.plan(self.world.clock.now() + self.world.exponential_ns(mean_s), action, subject)

    def _next(self) -> None:
        """Does the next thing that is due, or waits until something is."""
        if self.session is None:
            if self.waiter.until(self.connect_due_ns):
                self._connect(self.connect_due_ns)
        elif self.waiter.until(self.agenda.due_ns):
            self.agenda.do()

    # The connection.

    def _connect(self, planned_ns: int) -> None:
        session = Session(self.world, self.person, self._heard, self._lost_unasked)
        if not session.open(planned_ns):
            self.connect_due_ns = self.world.clock.now() + self.backoff.next_ns()
            return
        self.session = session
        self.connected_ns = self.world.clock.now()
        if not self._broken:  # a pod that breaks the protocol at once, again and again, is reached more and more rarely
            self.backoff.reset()
        self.agenda.forget(self._reconnect, self._churn, self._resubscribe)
        self._plan_after(self.world.scenario.agent.session_s, self._reconnect, session)
        for topic in [QUEUE_TOPIC, *self.extras, *(chat.topic for chat in self.chats.values())]:
            self._subscribe(topic)
        self._plan_churn()

    def _reconnect(self, due_ns: int, session: Session) -> None:
        if session is self.session:
            self._broken = False
            session.close(due_ns)
            self.session = None
            self.connect_due_ns = self.world.clock.now()

    def _lost_unasked(self, error: str, _detail: str) -> None:
        lasted_ns = self.world.clock.now() - self.connected_ns
        self._broken = error == "bad_reply" and lasted_ns < _STEADY_NS
        self._lost(self.world.clock.now() + self.backoff.next_ns())

    def _lost(self, back_at_ns: int) -> None:
        self.session = None
        self.connect_due_ns = back_at_ns
        self.waiter.ring()

    def _say_goodbye(self) -> None:
        if self.session is not None:
            self.session.close(self.world.clock.now())
            self.session = None

    # Subscriptions.

    def _subscribe(self, topic: str, planned_ns: int | None = None) -> int | None:
        """The topic's last number, or None; what a failed one needs is tried again later."""
        session = self.session
        if session is None or self.leaving:
            return None
        if self._impatient:
            self._impatient = False
            gevent.spawn(self._lose_patience, session)
        now_ns = self.world.clock.now()
        reply = session.request("subscription.create", now_ns if planned_ns is None else planned_ns, topic=topic)
        if reply.outcome != "ok":
            self._plan_after(1.0, self._resubscribe, topic)
            return None
        sequence = reply.sequence or 0
        self._caught_up(topic, sequence)
        return sequence

    def _resubscribe(self, due_ns: int, topic: str) -> None:
        wanted = topic in self.extras or topic == QUEUE_TOPIC or any(c.topic == topic for c in self.chats.values())
        if wanted:
            self._subscribe(topic, due_ns)

    def _plan_churn(self) -> None:
        churn_s = self.world.scenario.agent.churn_s
        if churn_s is not None and self.extras:
            self._plan_after(churn_s, self._churn, self.world.random.choice(self.extras))

    def _churn(self, due_ns: int, topic: str) -> None:
        if self.session is not None:
            self.session.request("subscription.delete", due_ns, topic=topic)
            self._subscribe(topic)
            self._plan_churn()

    # What comes.

    def _heard(self, event: Push, heard_ns: int) -> None:
        """A push; called in the hub."""
        if event.kind == "chat.offered":
            if self._is_full:
                return
            due_ns = heard_ns + self.world.think_ns()
            self.offers[event.chat] = due_ns
            self.agenda.plan(due_ns, self._accept, event.chat)
        elif event.kind == "chat.accepted":
            self._withdraw(event.chat)
        elif event.kind == "chat.closed":
            self._withdraw(event.chat)
            self._plan_leaving(event.chat)
        elif event.topic != QUEUE_TOPIC:
            self._heard_message(event, heard_ns)

    @property
    def _is_full(self) -> bool:
        return len(self.offers) >= _MAX_PENDING or len(self.agenda) >= _MAX_PENDING

    def _heard_message(self, event: Push, heard_ns: int) -> None:
        chat = self.chats.get(event.chat)
        if chat is not None:
            chat.heard_ns = heard_ns
            chat.seen = event.sequence or chat.seen
            if (self.session is None or not self.session.is_own(event.key)) and not self._is_full:
                self.agenda.plan(heard_ns + self.world.pause_ns(), self._answer, event.chat)

    def _withdraw(self, chat: str) -> None:
        self.offers.pop(chat, None)
        self.held.pop(chat, None)

    def _caught_up(self, topic: str, sequence: int) -> None:
        """Answers once when messages came to a chat before its subscription did."""
        for key, chat in self.chats.items():
            if chat.topic == topic and sequence > max(chat.seen, 1):
                chat.seen = sequence
                self.agenda.plan(self.world.clock.now() + self.world.pause_ns(), self._answer, key)

    # Chats.

    def _accept(self, due_ns: int, chat: str) -> None:
        if self.session is None or self.offers.get(chat) != due_ns:
            self._take_held()
            return
        if len(self.chats) >= self.world.scenario.agent.chats_at_once:
            self.held[chat] = None
            return
        del self.offers[chat]
        reply = self.session.request("chat.accept", due_ns, chat=chat)
        if reply.outcome == "ok":
            self._take(chat)
        else:
            self._take_held()  # the hand is still free

    def _take(self, chat: str) -> None:
        now_ns = self.world.clock.now()
        self.chats[chat] = Chat(chat_topic(chat), now_ns)
        self._subscribe(chat_topic(chat))
        self.agenda.plan(now_ns + self._idle_ns, self._look_after, chat)

    @property
    def _idle_ns(self) -> int:
        return int(self.world.scenario.customer.patience_s * _IDLE_AFTER_PATIENCE * 1e9)

    def _look_after(self, due_ns: int, chat: str) -> None:
        """Closes a chat whose customer went away without a word."""
        taken = self.chats.get(chat)
        if taken is None or taken.closed or self.session is None:
            return
        silent_until_ns = taken.heard_ns + self._idle_ns
        if silent_until_ns > due_ns:
            self.agenda.plan(silent_until_ns, self._look_after, chat)
            return
        self.session.request("chat.close", due_ns, chat=chat)
        self._plan_leaving(chat)

    def _answer(self, due_ns: int, chat: str) -> None:
        taken = self.chats.get(chat)
        if self.session is not None and taken is not None and not taken.closed:
            self.session.request("message.send", due_ns, chat=chat, text=self.world.people.sentence())

    def _plan_leaving(self, chat: str) -> None:
        taken = self.chats.get(chat)
        if taken is not None and not taken.closed:
            taken.closed = True
            self.agenda.plan(self.world.clock.now(), self._leave_chat, chat)

    def _leave_chat(self, due_ns: int, chat: str) -> None:
        taken = self.chats.pop(chat, None)
        if taken is not None and self.session is not None:
            self.session.request("subscription.delete", due_ns, topic=taken.topic)
        self._take_held()

    def _take_held(self) -> None:
        """A free hand takes the oldest offer that was held back; it is planned for now, when it could be taken."""
        if len(self.chats) >= self.world.scenario.agent.chats_at_once:
            return
        for chat in self.held:
            del self.held[chat]
            self.offers[chat] = self.world.clock.now()
            self.agenda.plan(self.offers[chat], self._accept, chat)
            return
