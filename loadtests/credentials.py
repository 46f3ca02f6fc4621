"""Text without the passwords that may stand in it: what a message quotes may be an address. A leaf."""

import re

_URL = re.compile(r"(:/+[^/\s:@]*:)(?!\$\{env:[A-Za-z_]\w*\}@)[^@/\s]+@")
"""`://user:password@`, also with one slash, which is what becomes of it as a path."""

_PAIR = re.compile(
    r"((?:password|passwd|pwd|passphrase|secret|token)\s*=\s*)(?!\$\{env:)('[^']*'|\"[^\"]*\"|[^\s'\"&;,]+)",
    re.IGNORECASE,
)
"""`password=…`, as in a connection string of libpq or in the query of a URL; also the end of a longer name. What is in
front is not matched: looked for at each place of a long word, it would take quadratic time."""


def without_credentials(text: str) -> str:
    """References to the environment stay."""
    return _PAIR.sub(r"\1***", _URL.sub(r"\1***@", text))


def has_url_with_password(text: str) -> bool:
    """Whether a URL in the text has a literal password."""
    return _URL.search(text) is not None
