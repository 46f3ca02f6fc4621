"""What a hostile server may do: one function a mode, one line a mode in `MODES`.

`ends` are the errors with which the load's operations may end: `connection.create`, and a heartbeat behind it. The
empty name is an operation that is `ok`, as the mode is harmless to a client that is careful.
"""

import json
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hostile_peer import UPGRADE, Peer, event, frame, reply

EVIL = "\x1b]0;owned\x07\x1b[2J\x00\r\nlevel=info all is well\u202e\u2066"
"""A terminal's title, a cleared screen, a NUL, a forged line of a log, and bidirectional overrides."""

EVIL_BYTES = EVIL.encode()
Script = Callable[[Peer], None]


@dataclass(frozen=True)
class Mode:
    script: Script
    ends: frozenset[str]
    slow: bool = False
    """Whether only the client's time-out ends it."""
    tls: bool = False


def refused(script: Script) -> Mode:
    return Mode(script, frozenset({"handshake_rejected"}))


def broken(script: Script) -> Mode:
    return Mode(script, frozenset({"bad_reply"}))


def cut(script: Script) -> Mode:
    return Mode(script, frozenset({"cut_off"}))


def silent(script: Script, *more: str) -> Mode:
    return Mode(script, frozenset({"timeout", *more}), slow=True)


def harmless(script: Script, *more: str) -> Mode:
    return Mode(script, frozenset({"", *more}))


# TCP and HTTP.


def says_nothing(peer: Peer) -> None:
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


def secured(script: Callable[[Peer, ssl.SSLContext], None], *ends: str, slow: bool = False) -> Mode:
    """A mode of a TLS server; the script is given the server's context in place of the peer's second argument."""
    return Mode(partial(_with_context, script), frozenset(ends), slow=slow, tls=True)


def _with_context(script: Callable[[Peer, ssl.SSLContext], None], peer: Peer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*CERTIFICATE)
    script(peer, context)


CERTIFICATE: list[str] = []
"""The files of certificate and key; set by the process that serves TLS modes."""

_OK = '"type":"reply","key":"KEY","outcome":"ok","error":""'
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_BIG = "9" * 5000
_DEEP = "[" * 100_000

MODES: dict[str, Mode] = {
    "http: no answer": silent(says_nothing),
    "http: closed at once": Mode(closes_at_once, frozenset({"cut_off"})),
    "http: reset": cut(resets_at_once),
    "http: closed in the status line": cut(closes_in_the_status_line),
    "http: a status line byte by byte": silent(drips_a_status_line),
    "http: header fields byte by byte": silent(drips_header_fields),
    "http: a status line without end": refused(sends(b"HTTP/1.1 101 ", endless=b"y")),
    "http: a header line without end": refused(sends(UPGRADE + b"X: ", endless=b"y")),
    "http: header fields without end": refused(sends(UPGRADE, endless=b"X: y\r\n")),
    "http: folded lines without end": refused(sends(UPGRADE + b"X: y\r\n", endless=b" y\r\n")),
    "http: interim responses without end": refused(sends(b"", endless=b"HTTP/1.1 100 Continue\r\n\r\n")),
    "http: interim heads without end": refused(sends(b"HTTP/1.1 103 Hints\r\n", endless=b"X: y\r\n")),
    "http: empty lines without end": refused(sends(b"", endless=b"\r\n")),
    "http: zeros without end": refused(sends(b"", endless=b"\0")),
    "http: a body without end": refused(sends(b"HTTP/1.1 200 OK\r\n\r\n", endless=b"y")),
    "http: chunks without end": refused(sends(b"HTTP/1.1 503 No\r\n" + _CHUNKED, endless=b"1\r\ny\r\n")),
    "http: a redirect": refused(sends(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.2:1/\r\n\r\n")),
    "http: escapes in the reason": refused(sends(b"HTTP/1.1 503 " + EVIL_BYTES + b"\r\n\r\n")),
    "http: escapes in header fields": refused(sends(b"HTTP/1.1 401 No\r\nWWW-Authenticate: " + EVIL_BYTES * 9)),
    "http: escapes in Retry-After": refused(sends(b"HTTP/1.1 429 No\r\nRetry-After: \x1b[2J\xff\r\n\r\n")),
    "http: a status out of range": refused(sends(b"HTTP/1.1 99999999999999999999 No\r\n\r\n")),
    "http: another protocol": refused(sends(b"SSH-2.0-\x1b[2J\r\n", endless=b"\x1b[2J")),
    "http: HTTP/2": refused(sends(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\0" * 18)),
    "http: frames without a handshake": refused(sends(frame(reply("0" * 16)) * 10)),
    "http: a TLS alert": refused(sends(b"\x15\x03\x01\x00\x02\x02\x46")),
    "http: agreed without accept": refused(agrees_without_accept),
    "http: agreed with a wrong accept": refused(agrees_with_wrong_accept),
    "http: agreed to another protocol": refused(agrees_to_another_protocol),
    "http: agreed to compression": refused(agrees_with(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")),
    "http: pushes behind the agreement": harmless(sends_frames_behind_the_agreement),
    "frames: empty fragments without end": broken(answers(frame(b"", 0x01), endless=frame(b"", 0x00))),
    "frames: small fragments without end": broken(answers(frame(b"x", 0x01), endless=frame(b"x", 0x00))),
    "frames: pings without end": broken(answers_then(endless=frame(b"", 0x89))),
    "frames: large pings without end": broken(answers_then(endless=frame(b"x" * 125, 0x89))),
    "frames: pongs without end": broken(answers_then(endless=frame(b"", 0x8A))),
    "frames: pings between fragments": broken(answers(frame(b"{", 0x01), endless=frame(b"", 0x00) + frame(b"", 0x89))),
    "frames: pings between pushes": broken(answers_then(endless=frame(b"", 0x89) * 4 + frame(event(1)))),
    "frames: a ping too long": broken(answers(frame(b"x" * 126, 0x89))),
    "frames: compressed": broken(answers(frame(b"\xaa\x56\x2a", 0xC1))),
    "frames: reserved bits": broken(answers(frame(b"{}", 0xB1))),
    "frames: a reserved opcode": broken(answers(frame(b"{}", 0x83))),
    "frames: masked": broken(answers(b"\x81\x85maskhello")),
    "frames: a length of 2^63": broken(answers(frame(b"", size=1 << 63))),
    "frames: a length of 2^62": broken(answers(frame(b"", size=1 << 62))),
    "frames: a message of 2 MB": broken(answers(frame(b"x" * (1 << 21)))),
    "frames: 2 MB in fragments": broken(answers(frame(b"x" * 60000, 0x01), frame(b"x" * 60000, 0x00) * 35)),
    "frames: a length and no bytes": silent(claims_and_drips),
    "frames: invalid UTF-8": broken(answers(frame(b'{"type":"\xff\xfe\xed\xa0\x80"}'))),
    "frames: a continuation of nothing": broken(answers(frame(b"{}", 0x80))),
    "frames: a message within a message": broken(answers(frame(b"{", 0x01), frame(b"{}", 0x81))),
    "frames: closed with one byte": broken(ends_with(b"\x03")),
    "frames: closed with a reserved code": broken(ends_with(b"\x03\xed")),
    "frames: closed with invalid UTF-8": broken(ends_with(b"\x03\xe8\xff\xfe")),
    "frames: closed with escapes": cut(ends_with(b"\x03\xe8" + EVIL_BYTES)),
    "frames: closed with the request": cut(closes_with_the_request),
    "frames: pushes after closing": cut(goes_on_after_closing),
    "frames: its half closed": cut(closes_its_half),
    "frames: reset in mid-reply": cut(resets_in_mid_reply),
    "json: none": broken(answers(frame(EVIL_BYTES))),
    "json: nested deeply": broken(answers(frame(b'{"type":' + _DEEP.encode()))),
    "json: a list of lists": broken(answers(frame(_DEEP.encode()))),
    "json: duplicate keys": harmless(replies_text('{"type":"event","type":7,"key":"x",' + _OK + ',"text":1,"text":2}')),
    "json: NaN": broken(replies_text("{" + _OK + ',"heartbeat_s":NaN}')),
    "json: Infinity": broken(replies_text("{" + _OK + ',"heartbeat_s":-Infinity}')),
    "json: a number of 5,000 digits": harmless(replies_text("{" + _OK + f',"heartbeat_s":{_BIG}}}'), "bad_reply"),
    "json: an exponent too large": harmless(replies_text("{" + _OK + ',"heartbeat_s":1e99999}'), "bad_reply"),
    "json: a lone surrogate": broken(replies_text("{" + _OK + ',"by":"\\ud800"}')),
    "json: 100,000 keys": harmless(replies_text("{" + _OK + "," + ",".join(f'"{n}":0' for n in range(80_000)) + "}")),
    "json: an outcome that is a list": broken(replies(outcome=["ok"])),
    "json: an outcome with escapes": broken(replies(outcome=EVIL)),
    "json: an error that is an object": broken(replies(error={})),
    "json: a type with escapes": broken(answers(frame(json.dumps({"type": EVIL}).encode()))),
    "json: an error with escapes": Mode(replies(outcome="fail", error=EVIL * 2000), frozenset({"unknown error"})),
    "json: the request in the error": Mode(quotes_the_request, frozenset({"", "unknown error"})),
    "json: heartbeat_s 1e300": harmless(replies(heartbeat_s=1e300)),
    "json: heartbeat_s 1e-300": harmless(replies(heartbeat_s=1e-300)),
    "json: heartbeat_s negative": harmless(replies(heartbeat_s=-5)),
    "json: heartbeat_s 2^64": harmless(replies(heartbeat_s=2**64 - 1)),
    "json: heartbeat_s text": harmless(replies(heartbeat_s="10; rm")),
    "json: heartbeat_s true": harmless(replies(heartbeat_s=True)),
    "json: heartbeat_s nested": harmless(replies(heartbeat_s=[[1]])),
    "json: sequence 2^64": harmless(replies(sequence=2**64 - 1)),
    "json: an event with escapes": harmless(pushes_escapes),
    "json: an event with sequence 2^63 - 1": silent(answers(frame(event(1, sequence=(1 << 63) - 1, chat="f" * 16)))),
    "json: an event with sequence 2^63": broken(answers(frame(event(1 << 63, chat="0" * 16, key="0" * 16)))),
    "json: an event with a key of text": silent(answers(frame(event(1, key=EVIL, chat=EVIL)))),
    "json: an event of the year 292,277": silent(answers(frame(event(1, published_ns=(1 << 63) - 1)))),
    "json: replies that were never asked for": broken(answers_then(endless=frame(reply("f" * 16)))),
    "json: events without end": broken(floods_with_events),
    "timing: a reply byte by byte": silent(drips_a_reply),
    "timing: nothing is read": silent(reads_nothing_more),
    "tls: closed at once": secured(tls_closes_at_once, "cut_off", "handshake_rejected"),
    "tls: garbage": secured(tls_garbage, "handshake_rejected"),
    "tls: no answer": secured(tls_silence, "timeout", slow=True),
    "tls: byte by byte": secured(tls_drips, "timeout", "handshake_rejected", slow=True),
    "tls: warnings without end": secured(tls_warnings, "handshake_rejected"),
    "tls: empty records without end": secured(tls_empty_records, "handshake_rejected"),
    "tls: session tickets without end": secured(tls_tickets, "cut_off", "timeout"),
    "tls: closed after the handshake": secured(tls_closes_after_handshake, "cut_off"),
    "tls: plain text after the handshake": secured(tls_plain_text_after_handshake, "handshake_rejected", "cut_off"),
    "tls: reset after the request": secured(tls_reset_after_request, "cut_off"),
}  # fmt: skip
