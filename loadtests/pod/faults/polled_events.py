"""Events that are not passed on when they are committed, but read from the storage by a poller, as from an outbox."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.topics import Topics
from loadtests.protocols.serverhalf import Event

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_EVERY_S: Final = 8.0


class PolledTopics(Topics):
    """Topics whose subscribers get what a poller finds."""

    def publish(self, events: Sequence[Event]) -> None:
        """Leaves the events to the poller."""

    async def poll(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            for topic in list(self._topics.values()):
                topic.check()


def _install(pod: "PodApplication") -> None:
    service = pod.service
    service.topics = topics = PolledTopics(service.storage.events_after, service.limits.gap_wait_s, service.protocol)
    pod.jobs.append(topics.poll)


FAULT = Fault(
    title=f"events are read from the storage every {_EVERY_S:g} s instead of being passed on at once",
    operation="chat.answer",
    cause="late_events",
    install=_install,
)
