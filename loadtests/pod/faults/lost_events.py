"""Events that are marked as sent to a subscriber and are not: the subscriber never learns that one is missing."""

from itertools import count
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault, use_subscriber
from loadtests.pod.topics import Subscriber
from loadtests.protocols.contract import Frame
from loadtests.protocols.serverhalf import Event

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_EVERY: Final = 25
"""One of so many events is lost."""


def _install(pod: "PodApplication") -> None:
    numbers = count(1)

    class LossySubscriber(Subscriber):
        __slots__ = ()

        def send(self, event: Event, frame: Frame) -> None:
            if event.sequence > self.after and next(numbers) % _EVERY == 0:
                self.after = event.sequence
            else:
                super().send(event, frame)

    use_subscriber(pod.service, LossySubscriber)


FAULT = Fault(
    title=f"one of {_EVERY} events is not sent to its subscriber",
    operation="event.deliver",
    cause="lost_events",
    install=_install,
)
