"""What a hostile server may do: one line a mode in `MODES`, of one function each of `hostile_scripts`.

`ends` are the errors with which the load's operations may end: `connection.create`, and a heartbeat behind it. The
empty name is an operation that is `ok`, as the mode is harmless to a client that is careful.
"""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hostile_peer import UPGRADE, Peer, event, frame, reply
from hostile_scripts import (
    EVIL,
    EVIL_BYTES,
    Script,
    agrees_to_another_protocol,
    agrees_with,
    agrees_with_wrong_accept,
    agrees_without_accept,
    answers,
    answers_then,
    claims_and_drips,
    closes_at_once,
    closes_in_the_status_line,
    closes_its_half,
    closes_with_the_request,
    drips_a_reply,
    drips_a_status_line,
    drips_header_fields,
    ends_with,
    floods_with_events,
    goes_on_after_closing,
    pushes_escapes,
    quotes_the_request,
    reads_nothing_more,
    replies,
    replies_text,
    resets_at_once,
    resets_in_mid_reply,
    sends,
    sends_frames_behind_the_agreement,
    stay_silent,
    tls_closes_after_handshake,
    tls_closes_at_once,
    tls_drips,
    tls_empty_records,
    tls_garbage,
    tls_plain_text_after_handshake,
    tls_reset_after_request,
    tls_silence,
    tls_tickets,
    tls_warnings,
    with_context,
)


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


def secured(script: Callable[[Peer, ssl.SSLContext], None], *ends: str, slow: bool = False) -> Mode:
    """A mode of a TLS server; the script is given the server's context in place of the peer's second argument."""
    return Mode(partial(with_context, script), frozenset(ends), slow=slow, tls=True)


_OK = '"type":"reply","key":"KEY","outcome":"ok","error":""'
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_BIG = "9" * 5000
_DEEP = "[" * 100_000

MODES: dict[str, Mode] = {
    "http: no answer": silent(stay_silent),
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
