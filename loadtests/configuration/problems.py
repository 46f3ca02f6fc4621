"""What is wrong with a file that a person wrote: every problem with its place, what was found and what was expected."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

from loadtests.credentials import without_credentials
from loadtests.sanitize import printable

_SHOWN = 60
_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[-_]?key|credential|private_?key|authorization|cookie", re.IGNORECASE
)
_REFERENCE = re.compile(r"(?:(?:Bearer|Basic|Token) )?\$\{env:[A-Za-z_]\w*\}")

REFERENCE_EXPECTED = "a reference to the environment, ${env:NAME}, and never the secret itself"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `line` counts from 1 (0: none); `key` is a path as `stages[2].duration`, or empty."""

    source: str
    line: int
    key: str
    got: str
    expected: str
    nearest: str = ""

    def __str__(self) -> str:
        key = f"{printable(self.key)}: " if self.key else ""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        place = printable(self.source) + (f":{self.line}" if self.line else "")
        return without_credentials(f"{place}: {key}got {self.got}, expected {self.expected}{hint}")


class Finding(NamedTuple):
    """A problem of plain data, before its line is known: the place as keys and indexes, what is there, what was
    expected."""

    place: tuple[str | int, ...]
    got: str
    expected: str
    nearest: str = ""


class SourceError(Exception):
    """A file that cannot be used. `problems` are all of them, in the order of their lines; the text is one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.source, p.line)))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(wrong: object, valid: Iterable[str]) -> str:
    """The valid name that `wrong` was most likely meant to be, or nothing."""
    return next(iter(get_close_matches(str(wrong), list(valid), n=1, cutoff=0.6)), "")


def one_of(names: Sequence[str]) -> str:
    return f"one of {', '.join(names)}" if len(names) > 1 else "".join(names)


def shown(value: Any) -> str:
    """A value as an error may quote it: short, on one line, without credentials."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    named: dict[object, str] = {None: "nothing", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return named[value]
    text = "".join(c if c.isprintable() else "�" for c in without_credentials(str(value)))
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"'{text}'" if isinstance(value, str) else text


def is_literal_secret(key: object, value: object) -> bool:
    """Whether `value` looks like a secret, by the name of its key, and is not a reference to the environment."""
    return (
        isinstance(key, str)
        and isinstance(value, str | int)
        and not isinstance(value, bool)
        and _SECRET_KEY.search(key) is not None
        and _REFERENCE.fullmatch(str(value)) is None
    )
