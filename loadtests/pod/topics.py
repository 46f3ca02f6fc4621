"""Delivery of events in order: topics with their subscribers on this pod. No sockets, no storage system.

Transactions return in any order, so a topic holds an event back until those before it are there. When one does not
come in time (its transaction's answer was lost, say), it is read from the storage.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from loadtests.pod.storage.contract import StorageError
from loadtests.protocols.contract import Frame
from loadtests.protocols.serverhalf import Event, Server

Read = Callable[[str, str, int, int], Awaitable[Sequence[Event]]]
"""`Storage.events_after`."""

PAGE: Final = 500
RECENT: Final = 64
"""Events kept by a topic for a subscriber that joined a moment too late; older ones are in the storage."""

_log = logging.getLogger(__name__)


class Outlet(Protocol):
    """Where a connection's frames go. None of the methods waits, but for `drained`."""

    def push(self, frame: Frame) -> None:
        """Queues a frame. A consumer that is too slow is cut off instead; a closed one is ignored."""

    def close(self, code: int, reason: str) -> None: ...

    async def drained(self) -> None:
        """Returns when what was pushed is on its way, or can no longer be."""


class Subscriber:
    """One connection's place in one topic: `after` is the last number that it was sent, or began at."""

    __slots__ = ("after", "live", "outlet")

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.after = 0
        self.live = False

    def send(self, event: Event, frame: Frame) -> None:
        if event.sequence > self.after:
            self.after = event.sequence
            self.outlet.push(frame)


class Topic:
    """A topic with subscribers here. `position` is the last number passed on, None until one is known."""

    def __init__(self, account: str, name: str, read: Read, gap_wait_s: float, protocol: Server) -> None:
        self.account, self.name = account, name
        self.subscribers: set[Subscriber] = set()
        self.position: int | None = None
        self.filled = 0
        self._read = read
        self._gap_wait_s = gap_wait_s
        self._protocol = protocol
        self._held: dict[int, Event] = {}
        self._recent: deque[Event] = deque(maxlen=RECENT)
        self._filling: asyncio.Task[None] | None = None
        self._in_doubt = False

    def publish(self, event: Event) -> None:
        """Passes the event on once all before it are. Seen before: ignored."""
        position = self.position
        if position is not None and event.sequence == position + 1 and not self._held:
            self._pass_on(event)
        elif position is None or event.sequence > position:
            self._held[event.sequence] = event
            self._settle()

    def _pass_on(self, event: Event) -> None:
        self.position = event.sequence
        self._recent.append(event)
        frame = self._protocol.event(event)
        for subscriber in tuple(self.subscribers):
            if subscriber.live:
                subscriber.send(event, frame)

    def _settle(self) -> None:
        while self.position is not None and (event := self._held.pop(self.position + 1, None)):
            self._pass_on(event)
        if self._held and self.position is not None:
            self._read_later()

    def check(self) -> None:
        """A change may have been made without an answer: the storage is read until it has answered."""
        self._in_doubt = True
        self._read_later()

    def _read_later(self) -> None:
        """Asks the storage for what is missing, a bounded while from now."""
        if self._filling is None:
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        try:
            await asyncio.sleep(self._gap_wait_s)
            in_doubt, self._in_doubt = self._in_doubt, False
            if self.position is not None and (in_doubt or self._held):
                for event in await self._read(self.account, self.name, self.position, PAGE):
                    self.filled += event.sequence > self.position and event.sequence not in self._held
                    self.publish(event)
        except StorageError as error:
            self._in_doubt = True
            _log.warning("gap_not_filled", extra={"topic": self.name, "error": type(error).__name__})
        finally:
            self._filling = None
        if (self._held or self._in_doubt) and self.subscribers:
            self._read_later()

    def start_at(self, position: int) -> None:
        """Says where the topic stands, if that was not known yet."""
        if self.position is None:
            self.position = position
            for sequence in [s for s in self._held if s <= position]:
                del self._held[sequence]
            self._settle()

    def join(self, subscriber: Subscriber, after: int) -> bool:
        """Sends the subscriber everything after `after` from now on; False when the past has to be read first."""
        subscriber.after = after
        self.start_at(after)
        return self._go_live(subscriber)

    async def catch_up(self, subscriber: Subscriber, after: int) -> None:
        """As `join`, and always reads the past. Raises StorageError."""
        subscriber.after = after
        while not subscriber.live:
            page = await self._read(self.account, self.name, subscriber.after, PAGE)
            for event in page:
                subscriber.send(event, self._protocol.event(event))
            await subscriber.outlet.drained()
            if len(page) < PAGE:
                self.start_at(subscriber.after)
                for event in page:
                    self.publish(event)
                self._go_live(subscriber)

    def _go_live(self, subscriber: Subscriber) -> bool:
        assert self.position is not None
        missing = self.position - subscriber.after
        if missing > len(self._recent):
            return False
        for event in list(self._recent)[len(self._recent) - missing :] if missing > 0 else ():
            subscriber.send(event, self._protocol.event(event))
        subscriber.live = True
        return True

    def close(self) -> None:
        if self._filling is not None:
            self._filling.cancel()


class Topics:
    """The topics that have subscribers on this pod."""

    def __init__(self, read: Read, gap_wait_s: float, protocol: Server) -> None:
        self._read, self._gap_wait_s, self._protocol = read, gap_wait_s, protocol
        self._topics: dict[tuple[str, str], Topic] = {}
        self._filled_before = 0

    def enter(self, account: str, name: str, subscriber: Subscriber) -> Topic:
        """Takes the subscriber in, not live yet: before the storage is asked, so that nothing is missed."""
        topic = self._topics.get((account, name))
        if topic is None:
            topic = self._topics[account, name] = Topic(account, name, self._read, self._gap_wait_s, self._protocol)
        topic.subscribers.add(subscriber)
        return topic

    def leave(self, account: str, name: str, subscriber: Subscriber) -> None:
        topic = self._topics.get((account, name))
        if topic is None:
            return
        topic.subscribers.discard(subscriber)
        if not topic.subscribers:
            topic.close()
            self._filled_before += topic.filled
            del self._topics[account, name]

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            if topic := self._topics.get((event.account, event.topic)):
                topic.publish(event)

    def check(self, account: str, names: Sequence[str]) -> None:
        """A change to these topics may have been made without an answer."""
        for name in names:
            if topic := self._topics.get((account, name)):
                topic.check()

    @property
    def filled(self) -> int:
        """Events that had to be read from the storage to close a gap."""
        return self._filled_before + sum(topic.filled for topic in self._topics.values())

    def __len__(self) -> int:
        return len(self._topics)
