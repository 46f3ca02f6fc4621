"""How a hostile server talks to one client: a function a script, which `hostile_modes` has in its table."""

import socket
import ssl
import time
from collections.abc import Callable

from hostile_peer import UPGRADE, Peer, event, frame, reply

EVIL = "\x1b]0;owned\x07\x1b[2J\x00\r\nlevel=info all is well\u202e\u2066"
"""A terminal's title, a cleared screen, a NUL, a forged line of a log, and bidirectional overrides."""

EVIL_BYTES = EVIL.encode()
Script = Callable[[Peer], None]


# TCP and HTTP.


def stay_silent(peer: Peer) -> None:
    peer.hold()


def closes_at_once(peer: Peer) -> None:
    peer.socket.close()


def resets_at_once(peer: Peer) -> None:
    peer.head()
    peer.reset()


def closes_in_the_status_line(peer: Peer) -> None:
    peer.head()
    peer.send(b"HTTP/1.1 101 Switch")


def drips_a_status_line(peer: Peer) -> None:
    peer.head()
    peer.drip(b"HTTP/1.1 101 " + b"y" * 5000)


def drips_header_fields(peer: Peer) -> None:
    peer.send(UPGRADE, peer.accept_field(peer.head()))
    peer.drip(b"X: y\r\n" * 2000)


def sends(data: bytes, *, endless: bytes = b"") -> Script:
    """Answers the upgrade with these bytes, the last of them without end."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(data)
        if endless:
            peer.flood(endless)

    return script


def agrees_with(*fields: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.upgrade(*fields)
        peer.hold()

    return script


def agrees_without_accept(peer: Peer) -> None:
    peer.head()
    peer.send(UPGRADE, b"\r\n")
    peer.hold()


def agrees_with_wrong_accept(peer: Peer) -> None:
    peer.head()
    peer.send(UPGRADE, b"Sec-WebSocket-Accept: ", EVIL_BYTES[:12], b"=\r\n\r\n")
    peer.hold()


def agrees_to_another_protocol(peer: Peer) -> None:
    accept = peer.accept_field(peer.head())
    peer.send(UPGRADE, accept, b"Sec-WebSocket-Protocol: chat\x1b[31m\r\n\r\n")
    peer.hold()


def sends_frames_behind_the_agreement(peer: Peer) -> None:
    peer.upgrade(behind=frame(event(1)) * 100)
    answer_all(peer)


# After the handshake.


def answer_all(peer: Peer) -> None:
    while True:
        request = peer.request()
        peer.send(frame(reply(request["key"], heartbeat_s=10)))


def answers(*data: bytes, endless: bytes = b"") -> Script:
    """Answers the first request with these bytes, the last of them without end."""

    def script(peer: Peer) -> None:
        peer.first_request()
        peer.send(*data)
        if endless:
            peer.flood(endless)
        peer.hold()

    return script


def answers_then(*, endless: bytes) -> Script:
    """The first request is served; then these bytes come without end."""

    def script(peer: Peer) -> None:
        request = peer.first_request()
        peer.send(frame(reply(request["key"])))
        peer.flood(endless)

    return script


def replies(**body: object) -> Script:
    """Every request is served, with this in each reply."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        while True:
            request = peer.request()
            peer.send(frame(reply(request["key"], **body)))

    return script


def replies_text(text: str) -> Script:
    """Every request is answered with this text, in which KEY is the request's."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        while True:
            key = peer.request()["key"]
            peer.send(frame(text.replace("KEY", key).encode(errors="surrogatepass")))

    return script


def ends_with(payload: bytes) -> Script:
    return answers(frame(payload, 0x88))


def floods_with_events(peer: Peer) -> None:
    request = peer.first_request()
    peer.send(frame(reply(request["key"])))
    number = 0
    while True:
        peer.send(*(frame(event(number + i)) for i in range(500)))
        number += 500


def pushes_escapes(peer: Peer) -> None:
    """An event with hostile text in every field precedes each reply."""
    peer.upgrade()
    while True:
        key = peer.request()["key"]
        peer.send(frame(event(1, by=EVIL, text=EVIL, kind=EVIL, topic=EVIL)), frame(reply(key)))


def claims_and_drips(peer: Peer) -> None:
    peer.first_request()
    peer.send(frame(b"", size=1 << 20))
    peer.drip(b"x" * 5000)


def drips_a_reply(peer: Peer) -> None:
    peer.drip(frame(reply(peer.first_request()["key"], text="x" * 5000)))


def reads_nothing_more(peer: Peer) -> None:
    """Until the connection is closed, which a peek shows."""
    peer.upgrade()
    while peer.socket.recv(1, socket.MSG_PEEK):
        time.sleep(0.05)


def closes_its_half(peer: Peer) -> None:
    peer.first_request()
    peer.socket.shutdown(socket.SHUT_WR)
    peer.hold()


def resets_in_mid_reply(peer: Peer) -> None:
    peer.send(frame(reply(peer.first_request()["key"]))[:9])
    peer.reset()


def quotes_the_request(peer: Peer) -> None:
    request = peer.first_request()
    peer.send(frame(reply(request["key"], outcome="fail", error=f"no such token: {request.get('token')} {EVIL}")))
    answer_all(peer)


def closes_with_the_request(peer: Peer) -> None:
    request = peer.first_request()
    token = str(request.get("token"))[-60:]
    peer.send(frame(b"\x03\xf0" + f"bad {token}".encode(), 0x88))
    peer.hold()


def goes_on_after_closing(peer: Peer) -> None:
    peer.first_request()
    peer.send(frame(b"\x03\xe8", 0x88))
    peer.flood(frame(event(1)))


# TLS.


def tls_closes_at_once(peer: Peer, _: ssl.SSLContext) -> None:
    peer.socket.close()


def tls_garbage(peer: Peer, _: ssl.SSLContext) -> None:
    peer.send(EVIL_BYTES * 20)
    peer.hold()


def tls_silence(peer: Peer, _: ssl.SSLContext) -> None:
    peer.hold()


def tls_drips(peer: Peer, _: ssl.SSLContext) -> None:
    peer.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 3000)


def tls_warnings(peer: Peer, _: ssl.SSLContext) -> None:
    peer.flood(b"\x15\x03\x03\x00\x02\x01\x5a")


def tls_empty_records(peer: Peer, _: ssl.SSLContext) -> None:
    peer.flood(b"\x16\x03\x03\x00\x00")


def tls_tickets(peer: Peer, context: ssl.SSLContext) -> None:
    """Session tickets without end: records that bring no data."""
    context.num_tickets = 20_000
    peer.secure(context).hold()


def tls_closes_after_handshake(peer: Peer, context: ssl.SSLContext) -> None:
    peer.secure(context).socket.close()


def tls_plain_text_after_handshake(peer: Peer, context: ssl.SSLContext) -> None:
    bare = socket.socket(fileno=socket.dup(peer.socket.fileno()))
    secured = peer.secure(context)
    secured.head()
    bare.sendall(EVIL_BYTES)
    secured.hold()


def tls_reset_after_request(peer: Peer, context: ssl.SSLContext) -> None:
    secured = peer.secure(context)
    secured.head()
    secured.reset()


def with_context(script: Callable[[Peer, ssl.SSLContext], None], peer: Peer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*CERTIFICATE)
    script(peer, context)


CERTIFICATE: list[str] = []
"""The files of certificate and key; set by the process that serves TLS modes."""
