"""A customer: arrives by the schedule, offers a chat, waits for an answer, converses, leaves."""

from collections.abc import Callable

from loadtests.protocols.contract import Push, Reply, chat_topic, key_text
from loadtests.scenario.arrivals import Arrival
from loadtests.users.agenda import Waiter
from loadtests.users.load import Load
from loadtests.users.recording import PendingOperation
from loadtests.users.session import Backoff, Person, Session


class Customer:
    """One greenlet from arrival to leaving; not a Locust user, because Locust cannot spawn at moments of our own."""

    def __init__(self, load: Load, arrival: Arrival, due_ns: int) -> None:
        self.load = load
        self.person = Person(load.next_user(), load.customer_endpoint(arrival), "customer", load.people.name())
        self.arrival, self.due_ns = arrival, due_ns
        self.waiter = Waiter(load.clock)
        self.leaving = False
        self.lost = False
        self.session: Session | None = None
        self.answer: PendingOperation | None = None
        self.answered = False
        self.chat = ""
        """The id of the chat: our key, or what the server assigned."""
        self.messages = 0

    def live(self) -> None:
        self.load.customers.add(self)
        self.load.note_start(self.arrival, self.due_ns)
        try:
            if self._connect():
                self._request_chat()
                self._disconnect()
        finally:
            self.load.customers.discard(self)
            if self.session is not None:
                self.session.drop()

    def leave(self) -> None:
        self.leaving = True
        self.waiter.notify()

    def _connect(self) -> bool:
        """Connects, trying again with growing pauses for as long as there is patience."""
        clock, backoff = self.load.clock, Backoff(self.load.random)
        planned_ns, patient_until_ns = self.due_ns, self.due_ns + self.load.patience_ns
        while not self.leaving and planned_ns < patient_until_ns:
            self.lost = False
            session = Session(self.load, self.person, self._on_push, self._on_lost)
            if session.open(planned_ns):
                self.session = session
                return True
            planned_ns = clock.now() + backoff.next_ns()
            self.waiter.until(planned_ns)
        return False

    def _request_chat(self) -> None:
        assert self.session is not None
        key = self.load.new_key()
        session, self.chat = self.session, key_text(key)
        if self._subscribe(session).outcome != "ok":
            return
        if self._offer(session, key):
            self._converse(session)
        if not self._gone:
            session.request("chat.close", self.load.clock.now(), chat=self.chat)

    def _subscribe(self, session: Session) -> Reply:
        return session.request("subscription.create", self.load.clock.now(), topic=chat_topic(self.chat))

    def _offer(self, session: Session, key: int) -> bool:
        """Offers the chat and waits until an agent has accepted: `chat.answer` begins with the offer and ends with
        the push. An offer that timed out may have been made, so its answer is still waited for."""
        began_ns = self.load.clock.now()
        self.answer = self.load.recorder.begin(session.who, "chat.answer", key, key, began_ns)
        outcome, error = "unknown", "run_ended"
        try:
            subject = self.load.people.sentence()
            reply = session.request("chat.offer", began_ns, chat=self.chat, text=subject, key=key)
            if reply.chat not in (None, self.chat):
                self.chat = reply.chat
                reply = self._subscribe(session)
            if reply.outcome not in ("ok", "unknown"):
                outcome, error = reply.outcome, reply.error
                return False
            self._wait(began_ns + self.load.patience_ns, lambda: self.answered)
            if self.answered:
                outcome, error = "ok", ""
            elif self.lost:
                error = "cut_off"
            elif not self.leaving:
                error = "timeout"
        finally:
            self.load.recorder.end(self.answer, outcome, error)
        return self.answered

    def _converse(self, session: Session) -> None:
        wanted = self.load.scenario.customer.messages
        received_ns = self.load.clock.now()
        for _ in range(self.load.random.randint(wanted.min, wanted.max)):
            due_ns = received_ns + self.load.pause_ns()
            self._wait(due_ns)
            if self._gone:
                return
            expected = self.messages + 1
            sent = session.request("message.send", due_ns, chat=self.chat, text=self.load.people.sentence())
            if sent.outcome != "ok":
                return
            self._await_message(expected)
            received_ns = self.load.clock.now()

    def _await_message(self, expected: int) -> None:
        self._wait(self.load.clock.now() + self.load.patience_ns, lambda: self.messages >= expected)

    def _disconnect(self) -> None:
        if self.session is not None and not self.lost:
            self.session.close(self.load.clock.now())
            self.session = None

    @property
    def _gone(self) -> bool:
        return self.lost or self.leaving

    def _wait(self, until_ns: int, done: Callable[[], bool] = lambda: False) -> None:
        while not (done() or self._gone or self.waiter.until(until_ns)):
            pass

    def _on_lost(self, _error: str, _detail: str) -> None:
        self.lost = True
        self.waiter.notify()

    def _on_push(self, push: Push, received_ns: int) -> None:
        """A push; called in the hub."""
        if push.kind == "chat.accepted" and not self.answered:
            self.answered = True
            if self.answer is not None:
                self.load.recorder.end(self.answer, "ok", "", received_ns)
            self.waiter.notify()
        elif push.kind == "message.sent" and not (self.session is not None and self.session.is_own(push.key)):
            self.messages += 1
            self.waiter.notify()
