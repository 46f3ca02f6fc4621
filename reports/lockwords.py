"""How a sentence says what a lock was on and who held it; tables keep the short names of the rows."""

from reports.lockrows import NOBODY, UNTOLD
from reports.names import OTHERS

_ARTICLES = {"row": "a", "key": "a", "page": "a", "transaction": "a", "object": "an"}
"""By the first word of those kinds of which there are many. A lock is on one of them, and nothing tells which."""


def lock_of(name: str) -> str:
    """`row of accounts` → `a row of accounts`."""
    kind = name.partition(" ")[0]
    if name == OTHERS:
        return "other locks"
    if kind == "advisory":
        return "an advisory lock"
    return "an unknown lock" if name == UNTOLD else f"{_ARTICLES.get(kind, 'the')} {name}"


def behind(holder: str) -> str:
    if holder == NOBODY:
        return "between retries, with nobody holding the lock"
    return "behind an unknown holder" if holder == UNTOLD else f"behind {holder}"


def queue(holder: str, name: str) -> str:
    if holder == NOBODY:
        return f"a pause between retries of {lock_of(name)}, with nobody holding it"
    return f"a queue {behind(holder)} on {lock_of(name)}"
