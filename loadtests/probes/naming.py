"""The operation of a session, by its application name or comment, and fingerprints of statements. Pure."""

import re
from functools import lru_cache

from loadtests.probes.comments import comment, plain_name

__all__ = ("PREPARED", "comment", "fingerprint", "is_own", "operation", "pod", "prepared")

PREPARED = "prepared transaction"
"""The operation of a transaction between PREPARE TRANSACTION and COMMIT PREPARED, which no session serves."""

_LONGEST = 240
_READ = 4000
"""How much of a statement is read: beyond that, literals of megabytes cost nothing."""
_QUOTED = r"Q(?:[^Q\\]|QQ|\\[^Q])*+(?:Q|.*)"
"""Between quotes Q. Whether a backslash escapes is a setting of each session, which is unknown: by both readings
the string ends at the same place, unless a backslash stands before a quote, which then takes the rest with it."""
_SINGLE, _DOUBLE = (_QUOTED.replace("Q", quote) for quote in "'\"")
_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_POSTGRES_STRING = rf"[eE]'(?:[^'\\]|\\.|'')*+'?|(?:[bBxXnN]|[uU]&)?{_SINGLE}"
_DOLLARS = rf"\$(?P<tag>(?:{_LETTER}(?:{_LETTER}|\d)*+)?)\$.*?(?:\$(?P=tag)\$|\Z)"
_PERHAPS_CODE = r"/\*(?:M?!|\+)[^'\"`/*#-]*+(?:\*/|.*)"
"""What some versions of MariaDB and MySQL execute, and others do not, takes the rest with it if it has quotes."""


def _tokens(comment: str, value: str, quoted: str) -> re.Pattern[str]:
    """Reads each character once: no text can pass for another kind than it is. A comment in a comment takes the rest
    with it."""
    kinds = (
        rf"(?P<drop>{comment}|/\*(?:[^*/]|\*(?!/)|/(?!\*))*+(?:\*/|/\*.*|\Z)|\s++)",
        rf"(?P<value>{value})",
        rf"(?P<name>{quoted}|\$\d++|{_LETTER}(?:{_LETTER}|[\d$])*+)",
        r"(?P<number>\.?\d[\w.]*+(?:(?<=[eE])[-+]\d++)?+)",
    )
    return re.compile("|".join(kinds), re.DOTALL)


_POSTGRES = _tokens(r"--[^\n\r]*+", rf"{_POSTGRES_STRING}|{_DOLLARS}", r"\"(?:[^\"]|\"\")*+\"?")
_MARIADB = _tokens(
    rf"(?:#|--(?=[\x00-\x20\x7f]|\Z))[^\n\x00]*+|{_PERHAPS_CODE}",
    rf"[bBxXnN]?{_SINGLE}|{_DOUBLE}",
    r"`(?:[^`]|``)*+`?",
)
_LISTS = (
    re.compile(r"\( ?(?:\?|\$\d++|%s)(?: ?, ?(?:\?|\$\d++|%s))++ ?\)"),
    re.compile(r"\(…\)(?: ?, ?\(…\))++"),
)


@lru_cache(maxsize=4096)
def operation(application: str | None, comment: str | None, backend: str | None = None) -> str | None:
    """`chat.accept@pod-1` → `chat.accept`; else the comment that the statement begins with; else the application's
    own name, as of sessions that are not the pod's; None without any of them.

    A pooled session between two transactions calls itself `idle@pod`, which names no operation. `backend` is the
    kind of a server process that serves no client, such as `autovacuum worker`, and then the answer.
    """
    if backend and backend != "client backend":
        return backend
    name, at, _ = (application or "").rpartition("@")
    if at and name and name != "idle":
        return name
    return comment or (None if at else application or None)


def prepared(identifier: str) -> str:
    """`prepared transaction two-phase`; without its identifier where that is a number rather than a name."""
    return f"{PREPARED} {name}" if (name := plain_name(identifier)) else PREPARED


def pod(application: str | None) -> str | None:
    """`chat.accept@pod-1` → `pod-1`."""
    _, at, name = (application or "").rpartition("@")
    return (name or None) if at else None


def is_own(operation: str | None, application: str | None, backend: str | None = None) -> bool:
    """Whether a session goes by that name in all of its transactions: a stranger's, or a process of the server's."""
    return operation is not None and operation in (application, backend)


@lru_cache(maxsize=4096)
def fingerprint(statement: str | None, mariadb: bool = False) -> str | None:
    """The statement without comments and values, cut to a readable length: what distinguishes statements, no data.

    In `mariadb`'s dialect double quotes are around values, as they mostly are. What may be a value
    takes the rest of the statement with it.
    """
    if statement is None:
        return None
    text = (_MARIADB if mariadb else _POSTGRES).sub(_shown, statement[:_READ])
    for pattern in _LISTS:
        text = pattern.sub("(…)", " ".join(text.split()))
    return text.strip(" ;")[:_LONGEST] or None


def _shown(token: re.Match[str]) -> str:
    kind = token.lastgroup
    return token[0] if kind == "name" else " " if kind == "drop" else "?"
