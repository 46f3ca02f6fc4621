"""What a session was doing, told from what it says of itself. Pure."""

import re
from functools import lru_cache
from urllib.parse import unquote

_LONGEST = 240
_READ = 4000
"""How much of a statement is looked at: with what is cut off, literals of megabytes cost nothing."""
_QUOTED = r"Q(?:[^Q\\]|QQ|\\[^Q])*+(?:Q|.*)"
"""Between quotes Q. Whether a backslash escapes is a setting of each session, which nothing tells: by both readings
the string ends at the same place, unless a backslash stands before a quote, which then takes the rest with it."""
_SINGLE, _DOUBLE = (_QUOTED.replace("Q", quote) for quote in "'\"")
_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_POSTGRES_STRING = rf"[eE]'(?:[^'\\]|\\.|'')*+'?|(?:[bBxXnN]|[uU]&)?{_SINGLE}"
_DOLLARS = rf"\$(?P<tag>(?:{_LETTER}(?:{_LETTER}|\d)*+)?)\$.*?(?:\$(?P=tag)\$|\Z)"
_PERHAPS_CODE = r"/\*(?:M?!|\+)[^'\"`/*#-]*+(?:\*/|.*)"
"""What some versions of MariaDB and MySQL execute, and others do not, takes the rest with it if it has quotes."""


def _tokens(comment: str, value: str, quoted: str) -> re.Pattern[str]:
    """One look at each character: no text can pass for another kind than it is. A comment in a comment takes the rest
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
_LONGEST_NAME = 100
_COMMENT = 2000
_PLAIN = re.compile(r"([A-Za-z_][\w.]{0,99})(?:@[\w.-]{1,100})?")
_PAIR = re.compile(r"([\w-]{1,64})='((?:[^'\\]|\\.){0,500})'")
_KEYS = ("action", "route", "controller", "job")


@lru_cache(maxsize=4096)
def operation(application: str | None, comment: str | None, backend: str | None = None) -> str | None:
    """`chat.accept@pod-1` → `chat.accept`; else the comment that the statement begins with; else the application's
    own name, as of sessions that are not the pod's; None when none of them tells.

    A pooled session between two transactions calls itself `idle@pod`, which names no operation. `backend` is the
    kind of a server process that serves no client, such as `autovacuum worker`, and then the answer.
    """
    if backend and backend != "client backend":
        return backend
    name, at, _ = (application or "").rpartition("@")
    if at and name and name != "idle":
        return name
    return comment or (None if at else application or None)


def pod(application: str | None) -> str | None:
    """`chat.accept@pod-1` → `pod-1`."""
    _, at, name = (application or "").rpartition("@")
    return (name or None) if at else None


def is_own(operation: str | None, application: str | None, backend: str | None = None) -> bool:
    """Whether a session goes by that name in all of its transactions: a stranger's, or a process of the server's."""
    return operation is not None and operation in (application, backend)


@lru_cache(maxsize=4096)
def comment(statement: str | None, whole: bool = True) -> str | None:
    """The operation that a comment at the statement's end or beginning names; None where none does.

    One that is not `whole` may end within a value, in what somebody wrote: its beginning alone tells.
    `/* chat.accept */`, or pairs as sqlcommenter writes them, `/*action='accept',controller='chats'*/`: of these
    `controller.action`, else the action, the route, the controller, the job, whichever comes first.
    """
    if not statement or "*/" not in statement:
        return None
    at_end = statement[-_COMMENT:].rstrip(" \t\r\n;")
    if whole and at_end.endswith("*/") and (told := _told(at_end[at_end.rfind("/*") + 2 : -2])):
        return told
    at_beginning = statement[:_COMMENT].lstrip()
    return _told(at_beginning[2:].partition("*/")[0]) if at_beginning.startswith("/*") else None


def _told(text: str) -> str | None:
    text = text.strip()
    if plain := _PLAIN.fullmatch(text):
        return plain[1]
    pairs = {key: unquote(value)[:_LONGEST_NAME] for key, value in _PAIR.findall(text)}
    if pairs.get("controller") and pairs.get("action"):
        return f"{pairs['controller']}.{pairs['action']}"[:_LONGEST_NAME]
    return next((pairs[key] for key in _KEYS if pairs.get(key)), None)


@lru_cache(maxsize=4096)
def fingerprint(statement: str | None, mariadb: bool = False) -> str | None:
    """The statement without comments and values, cut to a readable length: what tells one from another, no data.

    In `mariadb`'s dialect double quotes are around values, as they mostly are. What cannot be told apart from a value
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
