"""Secrets taken out of texts: passwords in addresses that a message quotes, and secrets that another party returned.

A leaf, pure.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_REFERENCE = r"(?!\$\{env:[A-Za-z_]\w*\}@)"
_RUN = 8
"""So many characters of a secret in a row are a part of it, as of one that was cut; a shorter secret counts whole."""

_LONGEST = 300
"""Characters of a password that is recognised; without a bound, long texts would take quadratic time."""

_URL = re.compile(rf"((?::/+|//)[^/\s:\[]*:){_REFERENCE}(?![0-9]{{1,5}}[/?#])\S{{1,{_LONGEST}}}@")
"""`://user:password@`, also with one slash, which is what becomes of it as a path. The last `@` of the word counts: who
does not know that `@` and `/` are to be percent-encoded has them in the password. A port and a path are none."""

_BARE = re.compile(rf"(?<![^\s'\"=(,])([\w.%+-]{{1,100}}:){_REFERENCE}(?![/0-9])\S{{1,{_LONGEST}}}@(?=[\w\[%])")
"""`user:password@host`, an address whose scheme was forgotten."""

_PAIR = re.compile(
    r"((?:password|passwd|pwd|passphrase|secret|token)\s*=\s*)(?!\$\{env:)"
    r"""('(?:[^'\\]|\\+[^\\]|'')*'|"(?:[^"\\]|\\+[^\\]|"")*"|[^\s'"&;,]+)""",
    re.IGNORECASE | re.DOTALL,
)
"""`password=…`, as in a connection string of libpq or in the query of a URL; also the end of a longer name. A message
may have quoted it, and doubled its backslashes. The text in front is not matched: a search at each place of a long
word would take quadratic time."""


def without_credentials(text: str) -> str:
    """References to the environment stay."""
    return _PAIR.sub(r"\1***", _BARE.sub(r"\1***@", _URL.sub(r"\1***@", text)))


def has_url_with_password(text: str) -> bool:
    """Whether a URL in the text has a literal password."""
    return _URL.search(text) is not None


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
            yield "***"
        was_hidden = bool(is_hidden)
