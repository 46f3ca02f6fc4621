"""The head of an HTTP response, from bytes as they arrive. Pure.

The status line decides what a response is: its header fields may be cut, malformed or missing, its body is not read.
"""

import re
from typing import Final

from loadtests.sanitize import sanitize

_PROTOCOLS: Final = (
    (rb"[\x14-\x17]\x03[\x00-\x04]", "TLS"),
    (rb"SSH-", "SSH"),
    (rb"HTTP/\d", "HTTP"),
    (rb"\x00[\x00-\xff]{2}\x04[\x00\x01]\x00\x00\x00\x00", "HTTP/2"),
    (rb"PRI \* HTTP/2", "HTTP/2"),
    (rb"AMQP", "AMQP"),
    (rb"RFB \d", "VNC"),
    (rb"\+OK|\+PONG|-ERR|-NOAUTH|-DENIED|-WRONGPASS|-MISCONF|-LOADING", "Redis or POP3"),
    (rb"\* OK|\* BYE|\* PREAUTH", "IMAP"),
    (rb"2\d\d[ -]|4\d\d[ -]|5\d\d[ -]", "SMTP or FTP"),
    (rb"[\x00-\xff]{2}\x00\x00[\x09\x0a\xff]", "MySQL or MariaDB"),
    (rb"E\x00\x00[\x00-\xff]{2}S", "PostgreSQL"),
    (rb"\s*<(!DOCTYPE|html|head|body)", "HTML without an HTTP status line"),
    (rb"\s*<(\?xml|stream)", "XML"),
    (rb"\s*[{\[]", "JSON without an HTTP status line"),
    (rb"\x81[\x00-\x7f]", "WebSocket frames without a handshake"),
)
_KNOWN: Final = tuple((re.compile(pattern, re.IGNORECASE), name) for pattern, name in _PROTOCOLS)


def protocol_of(data: bytes) -> str | None:
    """The protocol whose servers begin like this; None when it is not known."""
    return next((name for pattern, name in _KNOWN if pattern.match(data)), None)


def described(data: bytes) -> str:
    """Bytes of a protocol that was not expected, as part of a sentence: its name where it is known, and its text."""
    name, text = protocol_of(data), f"'{sanitize(data, 40)}'"
    return f"{name} ({text})" if name else text


MAX_LINE_BYTES: Final = 8192
MAX_HEAD_BYTES: Final = 65536
MAX_INTERIM: Final = 16
"""How many 1xx responses (100 Continue, 103 Early Hints) may precede the real one."""

_MAX_EMPTY_LINES: Final = 4
"""How many empty lines may precede a status line, as they do with some old servers."""

SWITCHING: Final = 101
_FINAL: Final = 200
_SAMPLE_BYTES: Final = 64
_ENOUGH_BYTES: Final = 16
"""How much of a foreign protocol is waited for before it is named."""

_STATUS_LINE: Final = re.compile(rb"HTTP/(\d(?:\.\d)?) +([1-9]\d\d)(?:\s(.*))?", re.DOTALL)
_BEGINNING: Final = re.compile(
    rb"\r|H|HT|HTT|HTTP|HTTP/|HTTP/\d|HTTP/\d\.|HTTP/\d\.\d|HTTP/\d(?:\.\d)? +(?:[1-9]\d{0,2}(?:\s.*)?)?",
    re.DOTALL,
)
"""What a status line may be as long as its end has not arrived."""
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ResponseHead:
    """The response's head so far. `status` is set as soon as the status line of the real response is there, or 0."""

    def __init__(self) -> None:
        self.status = 0
        self.version = ""
        self.reason = b""
        self.fields: list[tuple[str, bytes]] = []
        self.flaw = ""
        """What is malformed in the header fields; empty when nothing is."""
        self.foreign = False
        """Whether what arrived is no HTTP."""
        self.complete = False
        """Whether more bytes would change nothing."""
        self.sample = b""
        """The first bytes that arrived."""
        self.received = 0
        self._buffer = bytearray()
        self._cut_status = 0
        self._empty_lines = 0
        self._scanned = 0
        self._head_bytes = 0
        self._interim = 0

    @property
    def decided(self) -> bool:
        """Whether this is a refusal, independent of further bytes."""
        return self.foreign or max(self.status, self._cut_status) >= _FINAL

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer) if self.complete else b""

    def field(self, name: str) -> bytes | None:
        return next((value for known, value in self.fields if known.lower() == name.lower()), None)

    def feed(self, data: bytes) -> None:
        self.received += len(data)
        self.sample += data[: _SAMPLE_BYTES - len(self.sample)]
        self._buffer += data
        while not self.complete:
            end = self._buffer.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = len(self._buffer)
                self._check_cut_line()
                return
            if end > MAX_LINE_BYTES:
                self._end_with_long_line()
                return
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            self._scanned = 0
            self._take_line(line)

    def feed_end(self) -> None:
        """Nothing more arrives: a status line without its end counts."""
        if not self.status and not self.foreign and not self.complete:
            self._take_status(_STATUS_LINE.fullmatch(self._buffer))

    def _take_line(self, line: bytes) -> None:
        self._head_bytes += len(line)
        if not self.status:
            self._take_first_line(line)
        elif line:
            self._take_field(line)
        elif self.status < _FINAL and self.status != SWITCHING:
            self._forget_interim()
        else:
            self.complete = True
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end_with_flaw(f"a head of more than {MAX_HEAD_BYTES} bytes")

    def _take_first_line(self, line: bytes) -> None:
        if not line and self._empty_lines < _MAX_EMPTY_LINES:
            self._empty_lines += 1
            return
        self._take_status(_STATUS_LINE.fullmatch(line))
        if not self.status:
            self.foreign = self.complete = True

    def _take_status(self, found: re.Match[bytes] | None) -> None:
        if found is not None:
            self.version, self.status = found[1].decode(), int(found[2])
            self.reason = (found[3] or b"")[:MAX_LINE_BYTES].strip()

    def _take_field(self, line: bytes) -> None:
        if line[:1] in b" \t" and self.fields:
            name, value = self.fields[-1]
            self.fields[-1] = name, value + b" " + line.strip()
            return
        field, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(field):
            self.fields.append((field.decode(), value.strip()))
        else:
            self.flaw = self.flaw or "a header line without a name"

    def _forget_interim(self) -> None:
        self._interim += 1
        if self._interim > MAX_INTERIM:
            self._end_with_flaw(f"more than {MAX_INTERIM} interim responses")
            return
        self.status, self.reason, self.flaw = 0, b"", ""
        self.fields.clear()

    def _check_cut_line(self) -> None:
        """A line whose end has not arrived: what it can be no more, and what is too long to wait for."""
        cut = self._buffer
        if not self.status and cut and not _BEGINNING.fullmatch(cut[:_ENOUGH_BYTES]):
            self.foreign = True
            self.complete = len(cut) >= _ENOUGH_BYTES or protocol_of(self.sample) is not None
        elif not self.status and (found := _STATUS_LINE.fullmatch(cut[:_ENOUGH_BYTES])):
            self._cut_status = int(found[2])
        if len(cut) > MAX_LINE_BYTES and not self.complete:
            self._end_with_long_line()

    def _end_with_long_line(self) -> None:
        if not self.status:
            self._take_status(_STATUS_LINE.fullmatch(self._buffer[:MAX_LINE_BYTES]))
            self.foreign = not self.status
        self._end_with_flaw(f"a line of more than {MAX_LINE_BYTES} bytes")

    def _end_with_flaw(self, flaw: str) -> None:
        self.flaw, self.complete = flaw, True
