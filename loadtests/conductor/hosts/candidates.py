"""Connections to the master's port that have not proved anything yet: few, short-lived, and cheap to keep."""

import secrets
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loadtests.conductor.hosts.admission import Hello
from loadtests.conductor.hosts.link import PROTOCOL, Link, LinkClosed, LocustListens, WrongProtocol
from loadtests.conductor.hosts.session import NONCE_LENGTH
from loadtests.conductor.watching import Deadline

HELLO_WITHIN_S: Final = 10.0

MOST_CANDIDATES: Final = 64
"""Beyond it the oldest one of the address with most of them is closed, so that one address does not keep out others."""


@dataclass
class Candidate:
    """A connection that has not sent its hello."""

    link: Link
    nonce: str
    deadline: Deadline
    address: str


class Candidates:
    """Those of one listening socket."""

    def __init__(self, report: Callable[[str, str], None]) -> None:
        """`report` gets the address of a connection that is refused, and the reason."""
        self._report = report
        self._waiting: list[Candidate] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def filenos(self) -> list[int]:
        return [candidate.link.fileno() for candidate in self._waiting]

    def accept(self, listener: socket.socket) -> None:
        """Greets the connections that wait in the backlog."""
        for _ in range(MOST_CANDIDATES):
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            if len(self._waiting) >= MOST_CANDIDATES:
                self._close_oldest()
            link, nonce = Link(connected), secrets.token_hex(NONCE_LENGTH // 2)
            candidate = Candidate(link, nonce, Deadline(HELLO_WITHIN_S), link.peer)
            try:
                link.send("welcome", protocol=PROTOCOL, nonce=nonce)
            except LinkClosed:
                link.close()
            else:
                self._waiting.append(candidate)

    def _close_oldest(self) -> None:
        address, _ = Counter(candidate.address for candidate in self._waiting).most_common(1)[0]
        oldest = next(candidate for candidate in self._waiting if candidate.address == address)
        self._waiting.remove(oldest)
        oldest.link.close()

    def hellos(self) -> list[tuple[Candidate, Hello]]:
        """The hellos that have come; these connections are no longer among those that wait."""
        found = []
        for candidate in list(self._waiting):
            try:
                hello = self._hello(candidate)
            except (LinkClosed, ValueError) as error:
                self._refuse(candidate, error)
                continue
            if hello is not None:
                self._waiting.remove(candidate)
                found.append((candidate, hello))
        return found

    @staticmethod
    def _hello(candidate: Candidate) -> Hello | None:
        """None when it has not come. Raises LinkClosed or ValueError when it will not."""
        message = candidate.link.receive(0.0)
        if message is not None:
            return Hello.of(message)
        if candidate.deadline.passed:
            raise WrongProtocol(f"it sent nothing for {HELLO_WITHIN_S:g} s")
        return None

    def _refuse(self, candidate: Candidate, error: Exception) -> None:
        self._waiting.remove(candidate)
        if isinstance(error, LocustListens):
            self._report(candidate.address, "it is a worker of Locust's own: start it with `loadtests run --worker`")
        elif isinstance(error, WrongProtocol | ValueError):
            self._report(candidate.address, str(error))
        candidate.link.close()  # one that has closed the connection tries again, or does not

    def close(self) -> None:
        for candidate in self._waiting:
            candidate.link.close()
        self._waiting.clear()
