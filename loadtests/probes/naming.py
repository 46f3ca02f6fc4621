"""What a session was doing, told from what it says of itself. Pure."""

import re
from functools import lru_cache

_LONGEST = 240
_PATTERNS = (
    (re.compile(r"/\*.*?(\*/|$)", re.DOTALL), " "),
    (re.compile(r"--[^\n]*"), " "),
    (re.compile(r"\$([A-Za-z_]\w*|)\$.*?(\$\1\$|$)", re.DOTALL), "?"),
    (re.compile(r"\b[eE]'(?:[^'\\]|\\.|'')*('|$)"), "?"),
    (re.compile(r"\b[bBxXuU]?&?'(?:[^']|'')*('|$)|'(?:[^']|'')*('|$)"), "?"),
    (re.compile(r"(?<![\w$\".])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\b"), "?"),
    (re.compile(r"\(\s*(?:\?|\$\d+)(?:\s*,\s*(?:\?|\$\d+))+\s*\)"), "(…)"),
    (re.compile(r"\s+"), " "),
)


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


@lru_cache(maxsize=4096)
def fingerprint(statement: str | None) -> str | None:
    """The statement without comments and values, cut to a readable length: what tells one from another, no data."""
    if statement is None:
        return None
    for pattern, put in _PATTERNS:
        statement = pattern.sub(put, statement)
    return statement.strip(" ;")[:_LONGEST] or None
