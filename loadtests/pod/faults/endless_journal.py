"""A journal of all requests that is never trimmed, and read from its beginning to find out whether a request is new:
memory grows, and each request takes longer than the one before."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from loadtests.pod.faults.contract import Fault
from loadtests.pod.requests import ServiceAnswer
from loadtests.pod.service import ClientSession
from loadtests.protocols.serverhalf import Request

if TYPE_CHECKING:
    from loadtests.pod.application import PodApplication

_ENTRIES: Final = 64
"""Of one request: received, parsed, permitted, …"""
_ENTRY_BYTES: Final = 300

Handle = Callable[[ClientSession, Request], Awaitable[ServiceAnswer]]


class Journal:
    """Everything that was ever requested."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, bytes]] = []

    def add(self, key: str) -> None:
        self.entries += [(key, bytes(_ENTRY_BYTES)) for _ in range(_ENTRIES)]

    def times(self, key: str) -> int:
        """How often a request was made before."""
        return sum(found == key for found, _ in self.entries) // _ENTRIES


def _install(pod: "PodApplication") -> None:
    journal, service = Journal(), pod.service
    handle: Handle = service.handle

    async def handle_with_journal(session: ClientSession, request: Request) -> ServiceAnswer:
        journal.times(request.key)
        journal.add(request.key)
        return await handle(session, request)

    setattr(service, "handle", handle_with_journal)  # noqa: B010  a method is replaced on purpose


FAULT = Fault(
    title="every request is added to a journal that is never trimmed, and searched at each request",
    operation="message.send",
    cause="memory_leak",
    install=_install,
)
