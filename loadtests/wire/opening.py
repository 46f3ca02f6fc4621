"""From a URL to an open WebSocket: name, TCP, TLS, HTTP upgrade. How to wait is the caller's: greenlets or a thread."""

import functools
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from loadtests.destinations import AddressRefused, permitted
from loadtests.sanitize import sanitize
from loadtests.wire.failures import ConnectionFailed, DestinationRefused, exhausted, local_error
from loadtests.wire.race import Address, Race, Waiting, literal_address
from loadtests.wire.response import described, protocol_of
from loadtests.wire.transport import PlainTransport, TlsTransport, Transport
from loadtests.wire.upgrade import Upgrade

RECEIVE_BYTES: Final = 65536
READ: Final = 1
WRITE: Final = 2

_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21, 27})
"""OpenSSL's verify codes of a chain that ends with no authority that is trusted here."""


class Endpoint(NamedTuple):
    """Where a WebSocket is opened, and what is asked for there. `networks`: where the host may be, see
    `loadtests.destinations`; anywhere when empty."""

    url: str
    subprotocols: tuple[str, ...] = ()
    headers: Mapping[str, str] = MappingProxyType({})
    networks: tuple[str, ...] = ()


class Opening:
    """One attempt to open a WebSocket, and how far it is."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None, waiting: Waiting) -> None:
        """Raises ValueError when the URL is not ws:// or wss://."""
        try:
            uri = self._uri = parse_uri(endpoint.url)
        except InvalidURI as error:
            raise ValueError(str(error)) from None
        self._networks = endpoint.networks
        self._tls = tls
        self._waiting = waiting
        self._where = f"{uri.host}:{uri.port}"
        self._race: Race | None = None
        self._connected = False
        self._sent = False
        self._upgrade = Upgrade(uri, endpoint.subprotocols, endpoint.headers)

    def run(self) -> tuple[Transport, bytes]:
        """A transport on which both sides have agreed to speak WebSocket, and the bytes that came behind the
        agreement. Raises ConnectionFailed; leaves nothing open when it raises."""
        try:
            return self._run()
        except Exception as error:
            code = local_error(error)
            if code is None:
                raise
            raise ConnectionFailed(code, f"{self._where}: {error or type(error).__name__}", sent=self._sent) from None

    def _run(self) -> tuple[Transport, bytes]:
        self._race = race_to(self._uri.host, self._uri.port, self._networks, self._waiting)
        connected = self._race.run()
        self._connected = True
        try:
            transport = self._secure(connected) if self._uri.secure else PlainTransport(connected)
            return transport, self._upgrade_http(transport)
        except BaseException:
            connected.close()
            raise

    def timed_out(self, timeout_s: float) -> ConnectionFailed:
        """Why there is no WebSocket when the time is over: a refusal that has begun is one."""
        within = f"within {timeout_s:g} s"
        if self._race is None:
            return ConnectionFailed(
                "timeout", f"{self._uri.host}: no answer from the resolver {within}", connected=False
            )
        if not self._connected:
            return ConnectionFailed("timeout", f"{self._race.report()} {within}", connected=False)
        return self._upgrade.refusal() or ConnectionFailed("timeout", f"{self._where} did not answer {within}")

    def _secure(self, connected: socket.socket) -> TlsTransport:
        transport = TlsTransport(connected, self._tls or default_tls(), self._uri.host)
        try:
            while not transport.handshake():
                self._waiting.wait(transport.fileno(), READ)
        except OSError as error:
            raise tls_failed(self._where, error, transport.first_bytes) from None
        return transport

    def _upgrade_http(self, transport: Transport) -> bytes:
        """Sends the HTTP upgrade and reads its answer; returns the bytes of frames that came with it."""

        def send(data: bytes) -> None:
            self._sent = True
            send_all(transport, data, self._waiting)

        def receive(patience_s: float | None) -> bytes:
            return receive_some(transport, self._waiting, patience_s)

        return self._upgrade.run(send, receive)


def race_to(host: str, port: int, networks: Sequence[str], waiting: Waiting) -> Race:
    """Raises ConnectionFailed when the name is not known, or stands for no address in `networks`."""
    addresses = literal_address(host, port) or _allowed(host, waiting.resolve(host, port), networks)
    return Race(host, port, addresses, waiting)


def _allowed(host: str, addresses: Sequence[Address], networks: Sequence[str]) -> list[Address]:
    """The addresses that the host may stand for. Raises DestinationRefused when there is none."""
    try:
        left = permitted(host, tuple(map(str, addresses)), tuple(networks))
    except AddressRefused as refused:
        raise DestinationRefused(str(refused)) from None
    return [address for address in addresses if str(address) in left]


def send_all(transport: Transport, data: bytes, waiting: Waiting) -> None:
    while data:
        try:
            data = data[transport.send(data) :]
        except BlockingIOError:
            waiting.wait(transport.fileno(), WRITE)
    while not transport.flush():
        waiting.wait(transport.fileno(), WRITE)


def receive_some(transport: Transport, waiting: Waiting, timeout_s: float | None = None) -> bytes:
    """What arrives next; b"" at the end of the stream, and when nothing arrives for `timeout_s`."""
    while True:
        try:
            return transport.recv(RECEIVE_BYTES)
        except BlockingIOError:
            if not waiting.wait(transport.fileno(), READ, timeout_s):
                return b""


# TLS.


@functools.cache
def default_tls() -> ssl.SSLContext:
    """One for all: reading the certificates takes 20 ms, for which every connection would stand still, and 0.8 MB."""
    context = ssl.create_default_context()
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def tls_failed(host: str, error: OSError, answer: bytes) -> ConnectionFailed:
    """A TLS handshake with `host` failed; `answer` are the first bytes that the server sent."""
    local = local_error(error)
    if local:
        return ConnectionFailed(local, f"TLS with {host}: {error}")
    if answer and protocol_of(answer) != "TLS":
        detail = f"TLS with {host}: the port does not speak TLS, it sent {described(answer)}: use ws://"
        return ConnectionFailed("handshake_rejected", detail)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionFailed(exhausted() or "handshake_rejected", f"TLS with {host}: {_certificate(error)}")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return ConnectionFailed("handshake_rejected", f"TLS with {host}: {sanitize(str(error), 200)}")
    hint = "" if answer else " (so do ports without TLS: ws://)"
    return ConnectionFailed("cut_off", f"{host} closed the connection during the TLS handshake{hint}: {error}")


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    message = sanitize(error.verify_message, 200)
    if error.verify_code not in _UNKNOWN_ISSUER:
        return f"its certificate is not valid: {message}"
    return f"its certificate is of an unknown issuer ({message}): {_cure()}"


def _cure() -> str:
    name = ssl.get_default_verify_paths().openssl_cafile_env
    given = os.environ.get(name)
    if given and not os.access(given, os.R_OK):
        return f"{name}={given} cannot be read: name the issuer's certificate there"
    if given:
        return f"it is not in {name}={given}: name a file that holds it, {name}=/path/to/ca.pem"
    return f"name a file with the issuer's certificate: {name}=/path/to/ca.pem"
