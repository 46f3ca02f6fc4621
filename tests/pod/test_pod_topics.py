"""Order, gaps and joining of topics: no sockets, a storage's past as a list."""

import asyncio
import itertools
import json
from collections.abc import Sequence

from loadtests.pod.storage.contract import StorageUnavailable
from loadtests.pod.topics import Subscriber, Topics
from loadtests.protocols.contract import Frame
from loadtests.protocols.messaging_pod import MessagingPodServer
from loadtests.protocols.serverhalf import Event

ACCOUNT, QUEUE = "account-0001", "queue"


def event(sequence: int) -> Event:
    return Event(ACCOUNT, QUEUE, sequence, "message.sent", "0" * 16, "0" * 16, "Bob", str(sequence), 1)


class Past:
    """What the storage holds: events up to `head`."""

    def __init__(self, head: int = 0) -> None:
        self.head = head
        self.reads = 0

    async def read(self, account: str, topic: str, after: int, limit: int) -> Sequence[Event]:
        self.reads += 1
        await asyncio.sleep(0)
        return [event(n) for n in range(after + 1, min(self.head, after + limit) + 1)]


class Sink:
    """An outlet that remembers."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def push(self, frame: Frame) -> None:
        message = json.loads(frame)
        assert message["type"] == "event"
        self.numbers.append(message["sequence"])

    def close(self, code: int, reason: str) -> None:
        raise AssertionError("no client may be closed")

    async def drained(self) -> None:
        await asyncio.sleep(0)


def _joined(topics: Topics, after: int) -> tuple[Sink, Subscriber]:
    sink = Sink()
    subscriber = Subscriber(sink)
    assert topics.enter(ACCOUNT, QUEUE, subscriber).join(subscriber, after)
    return sink, subscriber


async def test_events_are_passed_on_in_their_own_order() -> None:
    for order in itertools.permutations(range(1, 6)):
        past = Past()
        topics = Topics(past.read, gap_wait_s=60, protocol=MessagingPodServer())
        sink, subscriber = _joined(topics, 0)
        for sequence in order:
            topics.publish([event(sequence)])
            topics.publish([event(sequence)])
        assert sink.numbers == [1, 2, 3, 4, 5]
        topics.leave(ACCOUNT, QUEUE, subscriber)


async def test_a_gap_that_does_not_close_is_filled_from_the_storage() -> None:
    past = Past(head=3)
    topics = Topics(past.read, gap_wait_s=0.01, protocol=MessagingPodServer())
    sink, _ = _joined(topics, 0)
    topics.publish([event(1)])
    topics.publish([event(3)])
    assert sink.numbers == [1]
    async with asyncio.timeout(5):
        while len(sink.numbers) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert (sink.numbers, topics.filled) == ([1, 2, 3], 1)


async def test_change_in_doubt_is_searched_for() -> None:
    past = Past(head=1)
    topics = Topics(past.read, gap_wait_s=0.01, protocol=MessagingPodServer())
    sink, _ = _joined(topics, 0)
    topics.check(ACCOUNT, ["queue", "chat/of another account"])
    async with asyncio.timeout(5):
        while not sink.numbers:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert sink.numbers == [1]


async def test_change_in_doubt_is_searched_until_the_storage_answers() -> None:
    class Away(Past):
        async def read(self, account: str, topic: str, after: int, limit: int) -> Sequence[Event]:
            found = await super().read(account, topic, after, limit)
            if self.reads < 3:
                raise StorageUnavailable("it is starting up")
            return found

    past = Away(head=1)
    topics = Topics(past.read, gap_wait_s=0.01, protocol=MessagingPodServer())
    sink, _ = _joined(topics, 0)
    topics.check(ACCOUNT, ["queue"])
    async with asyncio.timeout(5):
        while not sink.numbers:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert (sink.numbers, past.reads) == ([1], 3)
    await asyncio.sleep(0.05)
    assert past.reads == 3, "once answered, nothing is in doubt any more"


async def test_change_in_doubt_is_searched_for_behind_later_ones() -> None:
    past = Past(head=2)
    topics = Topics(past.read, gap_wait_s=0.01, protocol=MessagingPodServer())
    sink, _ = _joined(topics, 0)
    topics.check(ACCOUNT, ["queue"])
    topics.publish([event(1)])
    async with asyncio.timeout(5):
        while sink.numbers != [1, 2]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_events_between_entering_and_joining_are_not_missed() -> None:
    topics = Topics(Past().read, gap_wait_s=60, protocol=MessagingPodServer())
    sink, subscriber = Sink(), Subscriber(Sink())
    subscriber.outlet = sink
    topic = topics.enter(ACCOUNT, QUEUE, subscriber)
    for sequence in (6, 5, 4):
        topics.publish([event(sequence)])
    assert sink.numbers == []
    assert topic.join(subscriber, 4)
    assert sink.numbers == [5, 6]


async def test_who_joins_a_moment_late_gets_what_the_topic_remembers() -> None:
    past = Past()
    topics = Topics(past.read, gap_wait_s=60, protocol=MessagingPodServer())
    _joined(topics, 0)
    late = Sink()
    subscriber = Subscriber(late)
    topic = topics.enter(ACCOUNT, QUEUE, subscriber)
    topics.publish([event(n) for n in range(1, 6)])
    assert topic.join(subscriber, 3)
    assert (late.numbers, past.reads) == ([4, 5], 0)


async def test_who_joins_ahead_of_the_others_gets_nothing_twice() -> None:
    topics = Topics(Past().read, gap_wait_s=60, protocol=MessagingPodServer())
    first, _ = _joined(topics, 0)
    ahead, _ = _joined(topics, 2)
    topics.publish([event(n) for n in range(1, 5)])
    assert (first.numbers, ahead.numbers) == ([1, 2, 3, 4], [3, 4])


async def test_catching_up_pages_through_the_past_while_new_events_come() -> None:
    past = Past(head=1234)
    topics = Topics(past.read, gap_wait_s=60, protocol=MessagingPodServer())
    sink = Sink()
    subscriber = Subscriber(sink)
    topic = topics.enter(ACCOUNT, QUEUE, subscriber)
    catching_up = asyncio.create_task(topic.catch_up(subscriber, 10))
    for _ in range(3):
        await asyncio.sleep(0)
        past.head += 1
        topics.publish([event(past.head)])
    await catching_up
    past.head += 1
    topics.publish([event(past.head)])
    assert sink.numbers == list(range(11, past.head + 1))


async def test_a_topic_without_subscribers_is_forgotten() -> None:
    topics = Topics(Past().read, gap_wait_s=60, protocol=MessagingPodServer())
    _, subscriber = _joined(topics, 0)
    topics.publish([event(2)])
    topics.leave(ACCOUNT, QUEUE, subscriber)
    topics.publish([event(3)])
    assert len(topics) == 0
