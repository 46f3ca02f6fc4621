"""The protocols of servers that are no WebSocket servers, by the first bytes that they send. Pure."""

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
