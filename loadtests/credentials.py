"""Text without the passwords that may stand in it: what a message quotes may be an address. A leaf."""

import re

_REFERENCE = r"(?!\$\{env:[A-Za-z_]\w*\}@)"
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
