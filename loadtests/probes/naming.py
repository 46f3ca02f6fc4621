"""The operation of a session, by its application name or the comment of a statement, in the forms that frameworks
write, and fingerprints of statements. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import takewhile
from urllib.parse import unquote

_LONGEST_NAME = 100
_SEARCHED = 2000
"""How much of either end of a statement is searched for comments."""

_WORD = r"[^\W\d][\w.:/$-]*"
_NAME = re.compile(rf"({_WORD}(?: {_WORD}){{0,3}})(?:@[\w.-]{{1,100}})?")
"""`chat.accept@pod-1`, `update for com.example.Chat`: at most four words. Longer texts are prose or queries."""
_IDENTIFIER = re.compile(r"\d{4}|[0-9a-f]{8}-[0-9a-f]{4}", re.IGNORECASE)
"""Part of a request's or a row's identifier: such a comment names one request, no operation."""

_QUOTED_PAIR = re.compile(r"([\w.-]{1,64})='((?:[^'\\]|\\.){0,500})'")
"""sqlcommenter: `action='accept'`, the value percent-encoded, its quotes escaped by a backslash."""
_COLON_PAIR = re.compile(r"(?:^|,)\s*([a-z_]+):((?:[^,]|,(?!\s*[a-z_]+:)){0,500})")
"""Rails before 7.1, marginalia: `controller:chats,action:accept`."""
_CONTROLLERS = ("namespaced_controller", "controller")
_KEYS = ("action", "route", *_CONTROLLERS, "job")
_RAILS = frozenset({*_KEYS, "application", "line", "source_location", "pid", "database", "db_host", "socket"})

_SQLC = re.compile(r"name: (\w+)(?: :\w+)?")
"""sqlc and its like: `-- name: AcceptChat :one`."""
_HIBERNATE_NAMED = re.compile(r"named (?:HQL|native SQL) query (?=\S)")


@lru_cache(maxsize=4096)
def comment(statement: str | None, whole: bool = True) -> str | None:
    """The operation that a comment at the statement's end or beginning names; None where none does.

    A statement that is not `whole` may end within a value, in what a customer wrote: only its beginning counts.
    Understood are a name (`/* chat.accept */`, `-- chat.accept`), the pairs of sqlcommenter, Rails and JSON, and the
    forms of sqlc and Hibernate. Of pairs the result is `controller.action`, else the action, route, controller or job.
    """
    if not statement:
        return None
    found = (_name_of(text) for text in _comments(statement, whole))
    return next((name for name in found if name), None)


def _comments(statement: str, whole: bool) -> Iterator[str]:
    """The comments behind the statement, the last one first, then those before it."""
    if whole:
        yield from _behind(statement[-_SEARCHED:])
    yield from _before(statement[:_SEARCHED])


def _behind(text: str) -> Iterator[str]:
    while (text := text.rstrip(" \t\r\n;")).endswith("*/"):
        begin = text.rfind("/*")
        if begin < 0:
            return
        yield text[begin + 2 : -2]
        text = text[:begin]


def _before(text: str) -> Iterator[str]:
    while text := text.lstrip():
        if text.startswith("/*"):
            inner, end, text = text[2:].partition("*/")
        elif text.startswith(("--", "#")):
            inner, end, text = text.lstrip("-#").partition("\n")
        else:
            return
        if not end:
            return  # cut within the comment
        yield inner


def _name_of(text: str) -> str | None:
    """The operation that the inside of one comment names."""
    text = text.strip()
    if text.startswith(("+", "!", "M!")):
        return None  # a hint, or code that the server runs
    pairs = _pairs(text)
    return _of_pairs(pairs) if pairs else _of_words(text)


def _of_words(text: str) -> str | None:
    if sqlc := _SQLC.fullmatch(text):
        return sqlc[1][:_LONGEST_NAME]
    return plain_name(_HIBERNATE_NAMED.sub("", text))


def plain_name(text: str) -> str | None:
    """`chat.accept` of `chat.accept@pod-1`; None for what is no name of an operation, such as a request's number."""
    name = _NAME.fullmatch(text)
    if name is None or len(name[1]) > _LONGEST_NAME or _IDENTIFIER.search(name[1]):
        return None
    return name[1]


def _pairs(text: str) -> Mapping[str, str]:
    """Keys in lower case; empty where the comment is no list of pairs."""
    if text.startswith("{"):
        return _of_json(text)
    if quoted := _QUOTED_PAIR.findall(text):
        return {key.lower(): unquote(re.sub(r"\\(.)", r"\1", value)) for key, value in quoted}
    return {key: value.strip() for key, value in _COLON_PAIR.findall(text) if key in _RAILS}


def _of_json(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {str(key).lower(): value for key, value in found.items() if isinstance(value, str)}


def _of_pairs(pairs: Mapping[str, str]) -> str | None:
    named = {key: name for key in _KEYS if (name := printable(pairs.get(key, "")))}
    controller = next((named[key] for key in _CONTROLLERS if key in named), None)
    if controller and "action" in named:
        return f"{controller}.{named['action']}"[:_LONGEST_NAME]
    return next((named[key][:_LONGEST_NAME] for key in _KEYS if key in named), None)


def printable(text: str) -> str:
    """The beginning of a text up to its first control character: what a terminal shows as it is."""
    return "".join(takewhile(str.isprintable, text))


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
