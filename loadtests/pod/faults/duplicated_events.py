"""Events that are sent twice, as by a sender that tries again without knowing that the first attempt succeeded."""

from itertools import count
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault, use_subscriber
from loadtests.pod.topics import Subscriber
from loadtests.protocols.contract import Frame
from loadtests.protocols.serverhalf import Event

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_EVERY: Final = 30
"""One of so many events is sent twice."""


def _install(pod: "PodApplication") -> None:
    numbers = count(1)

    class RepeatingSubscriber(Subscriber):
        __slots__ = ()

        def send(self, event: Event, frame: Frame) -> None:
            if event.sequence > self.after and next(numbers) % _EVERY == 0:
                self.outlet.push(frame)
            super().send(event, frame)

    use_subscriber(pod.service, RepeatingSubscriber)


FAULT = Fault(
    title=f"one of {_EVERY} events is sent to its subscriber twice",
    operation="event.deliver",
    cause="duplicated_events",
    install=_install,
)
