"""SQL in files: statements that follow a line `-- name: …`."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(path: Path) -> Mapping[str, str]:
    """Name → statement, in the order of the file, without the comment lines that stand between them."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    return {name: _statement(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def load_all(room: Path, files: Iterable[str]) -> Mapping[str, str]:
    """The statements of several files of a directory. Raises ValueError for a name that two of them give."""
    statements: dict[str, str] = {}
    for file in files:
        found = load(room / f"{file}.sql")
        if twice := statements.keys() & found.keys():
            raise ValueError(f"{room.name}/{file}.sql: {', '.join(sorted(twice))} has another meaning already")
        statements.update(found)
    return statements


def _statement(text: str) -> str:
    lines = (line for line in text.splitlines() if line and not line.startswith("--"))
    return "\n".join(lines).rstrip(";")


@cache
def named(operation: str, statement: str) -> str:
    """The statement with its operation in a comment, which logs and samplers show.

    One text for each operation, never one for each call: text that changes would defeat every statement cache.
    """
    return f"/* {operation} */ {statement}"
