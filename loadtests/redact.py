"""Secrets taken out of text that another party returned: a server may quote what it was sent. A leaf, pure."""

import base64
import html
import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "***"

_RUN: Final = 8
"""So many characters of a secret in a row are a part of it, as of one that was cut; a shorter secret counts whole."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every part of a secret replaced, also where it is quoted for a URL, JSON, HTML or as Base64."""
    hidden = bytearray(len(text))
    lower = text.lower() if len(text.lower()) == len(text) else text
    for secret in filter(None, secrets):
        for form in dict.fromkeys(_forms(secret)):
            _mark(hidden, text, form)
            _mark(hidden, lower, form.lower())
    return "".join(_shown(text, hidden))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield secret.strip()
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
    data = secret.encode(errors="surrogateescape")
    if len(data) < _RUN:  # too short to be recognised at another place within the encoded text
        yield base64.b64encode(data).decode().rstrip("=")
        return
    for skipped in range(3):  # where in the encoded text it begins decides how it is encoded
        yield base64.b64encode(data[skipped : len(data) - (len(data) - skipped) % 3]).decode()
        yield base64.urlsafe_b64encode(data[skipped : len(data) - (len(data) - skipped) % 3]).decode()


def _mark(hidden: bytearray, text: str, form: str) -> None:
    size = min(_RUN, len(form))
    for begin in range(len(form) - size + 1 if size else 0):
        part = form[begin : begin + size]
        at = text.find(part)
        while at >= 0:
            hidden[at : at + size] = b"\x01" * size
            at = text.find(part, at + 1)


def _shown(text: str, hidden: bytearray) -> Iterator[str]:
    was_hidden = False
    for character, is_hidden in zip(text, hidden, strict=True):
        if not is_hidden:
            yield character
        elif not was_hidden:
            yield REDACTED
        was_hidden = bool(is_hidden)
