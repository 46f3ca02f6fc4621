"""TCP connections to every address of a host, side by side (RFC 8305, Happy Eyeballs). No I/O of its own but sockets.

The first attempt starts at once, the next one 250 ms later or as soon as one has failed; the first that connects wins,
the others are closed. An address that does not answer costs 250 ms, not the time-out.
"""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from loadtests.wire.failures import ConnectionFailed, exhausted, local_error

ATTEMPT_DELAY_S: Final = 0.25
MAX_ADDRESSES: Final = 32
"""How many addresses of one name are tried: each attempt is a descriptor."""


class Address(NamedTuple):
    """Where a host may be reached."""

    family: int
    address: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.address[0])


class Waiting(Protocol):
    """How an opening waits. An exception that ends a wait early passes through the opening."""

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Raises ConnectionFailed."""

    def new_socket(self, family: int, kind: int) -> socket.socket: ...

    def wait_writable(self, sockets: Sequence[socket.socket], timeout_s: float | None) -> Sequence[socket.socket]:
        """Those that are writable or have failed, once there is one; none of them when `timeout_s` is over."""

    def wait(self, descriptor: int, event: int, timeout_s: float | None = None) -> bool:
        """Waits for READ or WRITE; False when `timeout_s` is over."""


def literal_address(host: str, port: int) -> list[Address]:
    """The address that `host` is by itself, for which no resolver is needed; empty when it is a name."""
    with suppress(ValueError):
        return [Address(socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6, (host, port))]
    return []


def in_order(found: Sequence[tuple[Any, ...]]) -> list[Address]:
    """The resolver's answer in the order of attempts: its own, with the families alternating."""
    left = list(dict.fromkeys(Address(int(family), address) for family, _, _, _, address in found))[:MAX_ADDRESSES]
    ordered: list[Address] = []
    while left:
        other = (a for a in left if not ordered or a.family != ordered[-1].family)
        chosen = next(other, left[0])
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def resolution_failed(host: str, error: Exception) -> ConnectionFailed:
    return ConnectionFailed(local_error(error) or exhausted() or "dns", f"{host}: {error}", connected=False)


class Race:
    """Attempts to connect to one of the addresses. `report` names each one tried so far."""

    def __init__(self, host: str, port: int, addresses: Sequence[Address], waiting: Waiting) -> None:
        self._where = f"{host}:{port}"
        self._host = host
        self._left = list(addresses)
        self._waiting = waiting
        self._open: dict[socket.socket, Address] = {}
        self._failed: list[tuple[Address, OSError]] = []

    def run(self) -> socket.socket:
        """The connected, non-blocking socket. Raises ConnectionFailed; leaves no other socket open."""
        try:
            winner = self._run()
            if winner is not None:
                del self._open[winner]
                return winner
        finally:
            for loser in self._open:
                loser.close()
        raise self._failure()

    def _run(self) -> socket.socket | None:
        due = monotonic()
        while self._open or self._left:
            if self._left and (not self._open or monotonic() >= due):
                winner = self._start(self._left.pop(0))
                due = monotonic() + ATTEMPT_DELAY_S
            else:
                patience_s = max(due - monotonic(), 0.0) if self._left else None
                ready = self._waiting.wait_writable(list(self._open), patience_s)
                failed_before = len(self._failed)
                winner = next(
                    (s for s in ready if self._has_connected(s, s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))), None
                )
                due = monotonic() if len(self._failed) > failed_before else due
            if winner is not None:
                return winner
        return None

    def _start(self, address: Address) -> socket.socket | None:
        """Begins an attempt; the socket where it has succeeded already."""
        try:
            attempt = self._waiting.new_socket(address.family, socket.SOCK_STREAM)
        except OSError as error:
            self._failed.append((address, error))
            return None
        self._open[attempt] = address
        try:
            attempt.setblocking(False)
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = attempt.connect_ex(address.address)
        except OSError as error:
            code = error.errno or errno.EINVAL
        if code == errno.EINPROGRESS:
            return None
        return attempt if self._has_connected(attempt, code) else None

    def _has_connected(self, attempt: socket.socket, code: int) -> bool:
        """Whether the attempt that ended with `code` has succeeded; one that has failed is closed."""
        if code:
            self._failed.append((self._open.pop(attempt), OSError(code, os.strerror(code))))
            attempt.close()
        return not code

    def report(self) -> str:
        """Each address that was tried, with its error or without an answer."""
        attempts = [(address, _text(error)) for address, error in self._failed]
        attempts += [(address, "no answer") for address in self._open.values()]
        if len(attempts) == 1 and str(attempts[0][0]) == self._host:
            return f"{self._where}: {attempts[0][1]}"
        return f"{self._where}: {', '.join(f'{address} {text}' for address, text in attempts) or 'no address'}"

    def _failure(self) -> ConnectionFailed:
        """What was missing here comes first, as not every address was really tried; then a definite refusal."""
        local = [code for address, error in self._failed if (code := self._local_error(address, error))]
        if local:
            return ConnectionFailed(local[0], self.report(), connected=False)
        if not self._failed:
            return ConnectionFailed("dns", self.report(), connected=False)
        silent = all(error.errno == errno.ETIMEDOUT for _, error in self._failed)
        return ConnectionFailed("timeout" if silent else "connect_refused", self.report(), connected=False)

    def _local_error(self, address: Address, error: OSError) -> str | None:
        if error.errno == errno.EAGAIN:  # connect's word for "no free port" on some kernels
            return "local_ports"
        code = local_error(error)
        return None if code == "local_ports" and not self._has_source(address) else code

    def _has_source(self, address: Address) -> bool:
        """Whether this host has an address from which that one is reached: without one (IPv6 is switched off, say)
        `connect` fails with EADDRNOTAVAIL, too. A datagram socket needs no port of TCP's, and sends nothing here."""
        try:
            with self._waiting.new_socket(address.family, socket.SOCK_DGRAM) as probe:
                probe.connect(address.address)
        except OSError:
            return False
        return True


def _text(error: OSError) -> str:
    name = errno.errorcode.get(error.errno or 0, "")
    return f"{name} ({error.strerror})" if name else str(error)
