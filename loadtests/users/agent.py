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

_IDLE_AFTER_PATIENCE = 2
"""An agent closes a chat that has been silent for this many times the customers' patience: its customer is gone."""

_MAX_PENDING = 5000
"""Offers and entries of the agenda that an agent keeps; pushes beyond it are recorded, and cause nothing. Only a pod
that makes up offers reaches it."""

_STEADY_NS = 10_000_000_000
"""A connection that lasted as long was of use, however it ended."""


@dataclass(slots=True)
class Chat:
    """A chat that this agent took. `seen` is the last number of its topic; `active_ns` when it last moved."""

    topic: str
    active_ns: int
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
            self._disconnect(load.clock.now())
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
        self.waiter.notify()

    def drop(self, back_at_ns: int) -> None:
        """The network goes away under the agent, as in a reconnect storm."""
        if self.session is not None:
            self.session.drop()
            self._schedule_reconnect(back_at_ns)

    def reload(self, back_at_ns: int) -> None:
        """The agent loads the page again and, before it has its subscriptions back, once more: as people do who see
        nothing happen."""
        if self.session is not None:
            self.session.depart()
            self._schedule_reconnect(back_at_ns)
            self._impatient = True

    def _reload_again(self, session: Session) -> None:
        """Runs while the last request is still waiting for its reply."""
        if session is self.session:
            session.depart()
            self._schedule_reconnect(self.worker_load.clock.now())

    def _begin(self, load: Load) -> None:
        self.worker_load = load
        number = load.next_user()
        self.person = Person(number, load.agent_endpoint(), "agent", load.people.name())
        self.waiter = Waiter(load.clock)
        self.agenda = Agenda(self.waiter.notify)
        self.leaving = self._impatient = self._broken = False
        self.backoff = Backoff(load.random)
        self.connect_due_ns = self.connected_ns = load.clock.now()
        self.offers: dict[str, int] = {}
        self.deferred: dict[str, None] = {}
        self.chats: dict[str, Chat] = {}
        self.extra_topics = [f"agent/{load.worker}-{number}-{i + 1}" for i in range(load.scenario.agent.subscriptions)]
        load.agents.add(self)

    def _end(self, load: Load) -> None:
        load.agents.discard(self)
        if self.session is not None:
            self.session.drop()
            self.session = None

    def _plan_after(self, mean_s: float, action: Action, subject: Any = None) -> None:
        self.agenda.plan(self.worker_load.clock.now() + self.worker_load.exponential_ns(mean_s), action, subject)

    def _next(self) -> None:
        """Does the next thing that is due, or waits until something is."""
        if self.session is None:
            if self.waiter.until(self.connect_due_ns):
                self._connect(self.connect_due_ns)
        elif self.waiter.until(self.agenda.due_ns):
            self.agenda.do()

    # The connection.

    def _connect(self, planned_ns: int) -> None:
        session = Session(self.worker_load, self.person, self._on_push, self._on_lost)
        if not session.open(planned_ns):
            self.connect_due_ns = self.worker_load.clock.now() + self.backoff.next_ns()
            return
        self.session = session
        self.connected_ns = self.worker_load.clock.now()
        if not self._broken:  # a pod that breaks the protocol at once, again and again, is reached more and more rarely
            self.backoff.reset()
        self.agenda.forget(self._reconnect, self._churn, self._resubscribe)
        self._plan_after(self.worker_load.scenario.agent.session_s, self._reconnect, session)
        for topic in self._topics():
            self._subscribe(topic)
        self._plan_churn()

    def _reconnect(self, due_ns: int, session: Session) -> None:
        if session is self.session:
            self._broken = False
            self._disconnect(due_ns)
            self.connect_due_ns = self.worker_load.clock.now()

    def _on_lost(self, error: str, _detail: str) -> None:
        lasted_ns = self.worker_load.clock.now() - self.connected_ns
        self._broken = error == "bad_reply" and lasted_ns < _STEADY_NS
        self._schedule_reconnect(self.worker_load.clock.now() + self.backoff.next_ns())

    def _schedule_reconnect(self, back_at_ns: int) -> None:
        self.session = None
        self.connect_due_ns = back_at_ns
        self.waiter.notify()

    def _disconnect(self, due_ns: int) -> None:
        if self.session is not None:
            self.session.close(due_ns)
            self.session = None

    # Subscriptions.

    def _topics(self) -> list[str]:
        return [QUEUE_TOPIC, *self.extra_topics, *(chat.topic for chat in self.chats.values())]

    def _subscribe(self, topic: str, planned_ns: int | None = None) -> int | None:
        """The topic's last number, or None; what a failed one needs is tried again later."""
        session = self.session
        if session is None or self.leaving:
            return None
        if self._impatient:
            self._impatient = False
            gevent.spawn(self._reload_again, session)
        now_ns = self.worker_load.clock.now()
        reply = session.request("subscription.create", now_ns if planned_ns is None else planned_ns, topic=topic)
        if reply.outcome != "ok":
            self._plan_after(1.0, self._resubscribe, topic)
            return None
        sequence = reply.sequence or 0
        self._answer_missed(topic, sequence)
        return sequence

    def _resubscribe(self, due_ns: int, topic: str) -> None:
        if topic in self._topics():
            self._subscribe(topic, due_ns)

    def _plan_churn(self) -> None:
        churn_s = self.worker_load.scenario.agent.churn_s
        if churn_s is not None and self.extra_topics:
            self._plan_after(churn_s, self._churn, self.worker_load.random.choice(self.extra_topics))

    def _churn(self, due_ns: int, topic: str) -> None:
        if self.session is not None:
            self.session.request("subscription.delete", due_ns, topic=topic)
            self._subscribe(topic)
            self._plan_churn()

    def _on_push(self, push: Push, received_ns: int) -> None:
        """A push; called in the hub."""
        if push.kind == "chat.offered":
            if self._is_full:
                return
            due_ns = received_ns + self.worker_load.think_ns()
            self.offers[push.chat] = due_ns
            self.agenda.plan(due_ns, self._accept, push.chat)
        elif push.kind in ("chat.accepted", "chat.closed"):
            self.offers.pop(push.chat, None)
            self.deferred.pop(push.chat, None)
            if push.kind == "chat.closed":
                self._plan_leave_chat(push.chat)
        elif push.topic != QUEUE_TOPIC:
            self._on_message(push, received_ns)

    @property
    def _is_full(self) -> bool:
        return len(self.offers) >= _MAX_PENDING or len(self.agenda) >= _MAX_PENDING

    def _on_message(self, push: Push, received_ns: int) -> None:
        chat = self.chats.get(push.chat)
        if chat is not None:
            chat.active_ns = received_ns
            chat.seen = push.sequence or chat.seen
            if (self.session is None or not self.session.is_own(push.key)) and not self._is_full:
                self.agenda.plan(received_ns + self.worker_load.pause_ns(), self._answer, push.chat)

    def _answer_missed(self, topic: str, sequence: int) -> None:
        """Answers once when messages came to a chat before its subscription did."""
        for key, chat in self.chats.items():
            if chat.topic == topic and sequence > max(chat.seen, 1):
                chat.seen = sequence
                self.agenda.plan(self.worker_load.clock.now() + self.worker_load.pause_ns(), self._answer, key)

    # Chats.

    def _accept(self, due_ns: int, chat: str) -> None:
        if self.session is None or self.offers.get(chat) != due_ns:
            self._accept_deferred()
            return
        if len(self.chats) >= self.worker_load.scenario.agent.chats_at_once:
            self.deferred[chat] = None
            return
        del self.offers[chat]
        reply = self.session.request("chat.accept", due_ns, chat=chat)
        if reply.outcome == "ok":
            self._start_chat(reply.chat or chat)
        else:
            self._accept_deferred()  # there is room for another

    def _start_chat(self, chat: str) -> None:
        now_ns = self.worker_load.clock.now()
        self.chats[chat] = Chat(chat_topic(chat), now_ns)
        self._subscribe(chat_topic(chat))
        self.agenda.plan(now_ns + _IDLE_AFTER_PATIENCE * self.worker_load.patience_ns, self._close_if_idle, chat)

    def _close_if_idle(self, due_ns: int, chat: str) -> None:
        """Closes a chat whose customer went away without a word."""
        taken = self.chats.get(chat)
        if taken is None or taken.closed or self.session is None:
            return
        silent_until_ns = taken.active_ns + _IDLE_AFTER_PATIENCE * self.worker_load.patience_ns
        if silent_until_ns > due_ns:
            self.agenda.plan(silent_until_ns, self._close_if_idle, chat)
            return
        self.session.request("chat.close", due_ns, chat=chat)
        self._plan_leave_chat(chat)

    def _answer(self, due_ns: int, chat: str) -> None:
        taken = self.chats.get(chat)
        if self.session is not None and taken is not None and not taken.closed:
            self.session.request("message.send", due_ns, chat=chat, text=self.worker_load.people.sentence())

    def _plan_leave_chat(self, chat: str) -> None:
        taken = self.chats.get(chat)
        if taken is not None and not taken.closed:
            taken.closed = True
            self.agenda.plan(self.worker_load.clock.now(), self._leave_chat, chat)

    def _leave_chat(self, due_ns: int, chat: str) -> None:
        taken = self.chats.pop(chat, None)
        if taken is not None and self.session is not None:
            self.session.request("subscription.delete", due_ns, topic=taken.topic)
        self._accept_deferred()

    def _accept_deferred(self) -> None:
        """Plans the oldest deferred offer for now, the first moment at which the agent could accept it."""
        if len(self.chats) >= self.worker_load.scenario.agent.chats_at_once:
            return
        for chat in self.deferred:
            del self.deferred[chat]
            self.offers[chat] = self.worker_load.clock.now()
            self.agenda.plan(self.offers[chat], self._accept, chat)
            return
