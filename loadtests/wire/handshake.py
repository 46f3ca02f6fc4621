"""From a URL to an open WebSocket: name, TCP, TLS, HTTP upgrade. Blocks the calling greenlet only."""

import errno
import functools
import os
import ssl
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

import gevent
from gevent import monkey, socket
from gevent.hub import get_hub
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from loadtests.wire.codecs.messages import SUBPROTOCOL
from loadtests.wire.failures import ConnectionFailed, exhausted, local_error
from loadtests.wire.transport import PlainTransport, TlsTransport, Transport

RECEIVE_BYTES: Final = 65536

_native_socket = monkey.get_original("socket", "socket")


def open_websocket(url: str, timeout_s: float, tls: ssl.SSLContext | None) -> tuple[Transport, bytes]:
    """A transport on which both sides have agreed to speak WebSocket, and the bytes that came behind the agreement.

    Raises ConnectionFailed, at the latest after `timeout_s`; ValueError when the URL is not ws:// or wss://.
    """
    try:
        uri = parse_uri(url)
    except InvalidURI as error:
        raise ValueError(str(error)) from None
    deadline = gevent.Timeout.start_new(timeout_s)
    try:
        return _open(uri, tls)
    except gevent.Timeout as timeout:
        if timeout is not deadline:
            raise
        raise ConnectionFailed("timeout", f"{uri.host}:{uri.port} did not answer within {timeout_s:g} s") from None
    except Exception as error:
        code = local_error(error)
        if code is None:
            raise
        raise ConnectionFailed(code, f"{uri.host}:{uri.port}: {error}") from None
    finally:
        deadline.close()


def _open(uri: WebSocketURI, tls: ssl.SSLContext | None) -> tuple[Transport, bytes]:
    connected = _connect(uri.host, uri.port)
    try:
        transport = _secure(connected, uri, tls) if uri.secure else PlainTransport(connected)
        return transport, _upgrade(transport, uri)
    except BaseException:
        connected.close()
        raise


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    """Family and address of every way to the host; a literal address asks no resolver (and no resolver's thread)."""
    with suppress(ValueError):
        return [(socket.AF_INET if ip_address(host).version == 4 else socket.AF_INET6, (host, port))]
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectionFailed(local_error(error) or exhausted() or "dns", f"{host}: {error}") from None
    return [(family, address[:2]) for family, _, _, _, address in found]


def _connect(host: str, port: int) -> socket.socket:
    refused: ConnectionFailed | None = None
    for family, address in _addresses(host, port):
        try:
            return _connect_to(family, address)
        except OSError as error:
            code = _local_error(error, family, address)
            if code is not None:
                raise ConnectionFailed(code, f"{host}:{port}: {error.strerror or error}") from None
            code = "timeout" if error.errno == errno.ETIMEDOUT else "connect_refused"
            refused = ConnectionFailed(code, f"{host}:{port}: {error.strerror or error}")
    raise refused or ConnectionFailed("dns", f"{host}: no address")


def _local_error(error: OSError, family: int, address: tuple[str, int]) -> str | None:
    code = local_error(error)
    if code == "local_ports" and not _has_source(family, address):
        return None
    return code


def _has_source(family: int, address: tuple[str, int]) -> bool:
    """Whether this host has an address to reach that one from: without one (IPv6 is switched off, say) `connect` fails
    with EADDRNOTAVAIL, too. A datagram socket needs no port of TCP's, and its `connect` sends nothing."""
    try:
        with _native_socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
    except OSError:
        return False
    return True


def _connect_to(family: int, address: tuple[str, int]) -> socket.socket:
    # The native socket: gevent's own would add two watchers and a Python layer to every call.
    connected = _native_socket(family, socket.SOCK_STREAM)
    try:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _finish_connecting(connected, connected.connect_ex(address))
    except BaseException:
        connected.close()
        raise
    return connected


def _finish_connecting(connected: socket.socket, code: int) -> None:
    """Waits for a `connect` that answered `code`. Raises its OSError."""
    if code == errno.EINPROGRESS:
        _wait(connected.fileno(), write=True)
        code = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _wait(descriptor: int, *, write: bool) -> None:
    hub = get_hub()
    watcher = hub.loop.io(descriptor, 2 if write else 1)
    try:
        hub.wait(watcher)
    finally:
        watcher.close()


@functools.cache
def _default_tls() -> ssl.SSLContext:
    """One for all: reading the certificates takes 20 ms, for which every connection would stand still, and 0.8 MB."""
    return ssl.create_default_context()


def _secure(connected: socket.socket, uri: WebSocketURI, tls: ssl.SSLContext | None) -> TlsTransport:
    transport = TlsTransport(connected, tls or _default_tls(), uri.host)
    try:
        while not transport.handshake():
            _wait(transport.fileno(), write=False)
    except ssl.SSLEOFError as error:
        raise ConnectionFailed("cut_off", f"{uri.host} hung up during the TLS handshake: {error}") from None
    except ssl.SSLError as error:
        code = local_error(error) or exhausted() or "handshake_rejected"
        raise ConnectionFailed(code, f"TLS with {uri.host}: {error}") from None
    except OSError as error:
        code = local_error(error) or "cut_off"
        raise ConnectionFailed(code, f"{uri.host} hung up during the TLS handshake: {error}") from None
    return transport


def _upgrade(transport: Transport, uri: WebSocketURI) -> bytes:
    """Sends the HTTP upgrade and reads its answer; returns the bytes of frames that came with it."""
    protocol = ClientProtocol(uri, subprotocols=[Subprotocol(SUBPROTOCOL)])
    protocol.send_request(protocol.connect())
    try:
        _send_all(transport, b"".join(protocol.data_to_send()))
        received = _read_response(transport, protocol)
    except (OSError, MemoryError) as error:
        code = local_error(error) or "cut_off"
        raise ConnectionFailed(code, f"connection lost during the handshake: {error}", sent=True) from None
    if protocol.handshake_exc is not None:
        raise ConnectionFailed("handshake_rejected", _rejection(protocol.handshake_exc))
    if protocol.subprotocol != SUBPROTOCOL:
        raise ConnectionFailed("handshake_rejected", f"the server does not speak {SUBPROTOCOL}")
    return received.partition(b"\r\n\r\n")[2]


def _send_all(transport: Transport, data: bytes) -> None:
    while data:
        try:
            data = data[transport.send(data) :]
        except BlockingIOError:
            _wait(transport.fileno(), write=True)
    while not transport.flush():
        _wait(transport.fileno(), write=True)


def _read_response(transport: Transport, protocol: ClientProtocol) -> bytes:
    """Feeds the protocol until it knows the answer. Raises OSError when the server hangs up before."""
    received = b""
    while not protocol.events and protocol.handshake_exc is None:
        try:
            data = transport.recv(RECEIVE_BYTES)
        except BlockingIOError:
            _wait(transport.fileno(), write=False)
            continue
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the server closed it in mid-handshake")
        received += data
        protocol.receive_data(data)
    return received


def _rejection(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        return f"HTTP {error.response.status_code} {error.response.reason_phrase}"
    return str(error)
