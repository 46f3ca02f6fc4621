"""YAML text → plain values that remember their lines. Hostile text becomes problems, never an exception or a hang."""

import codecs
import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from loadtests.configuration.problems import (
    REFERENCE_EXPECTED,
    Problem,
    SourceError,
    is_literal_secret,
    shown,
)
from loadtests.credentials import has_url_with_password

MAX_BYTES = 64 * 1024
"""Ten times the longest scenario so far."""

_LONGEST_NUMBER = 300
"""Characters of a number. A longer one stays text: Python refuses to write integers of more than 4,300 digits, which
hexadecimal ones reach unnoticed."""

_PIPE_S = 5.0
_ERRORS = {errno.EISDIR: "a directory", errno.ETIMEDOUT: f"a pipe that gives nothing for {_PIPE_S:.0f} s"}

Place = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_PLAIN = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp"}


@dataclass(frozen=True)
class Document:
    """One YAML document: plain values, and the line (from 1) of every key and item by its path."""

    source: str
    data: Any
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it that is written down."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, got: str, expected: str, nearest: str = "") -> Problem:
        """A problem at a place. `got` says what is there: a value goes through `shown`."""
        return Problem(self.source, self.line(place), dotted(place), got, expected, nearest)


def dotted(place: Place) -> str:
    """`("stages", 2, "duration")` → `stages[2].duration`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).removeprefix(".")


def read_source(path: Path) -> str:
    """The text of a file, or of a pipe that is written into. Raises SourceError when it is not there, too big, or not
    UTF-8."""
    try:
        raw = _read(path)
    except OSError as error:
        why = _ERRORS.get(error.errno or 0) or (error.strerror or "an error").lower()
        raise SourceError([Problem(str(path), 1, "", why, "a YAML file that can be read")]) from None
    if len(raw) > MAX_BYTES:
        raise SourceError([_too_big(str(path))])
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError([Problem(str(path), 1, "", "UTF-16 text", "UTF-8 text: save the file in that encoding")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SourceError([Problem(str(path), line, "", f"byte 0x{raw[error.start]:02x}", "UTF-8 text")]) from None


def _read(path: Path) -> bytes:
    """At most a byte more than may be. Does not wait for long, as opening or reading a pipe would."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file.read(MAX_BYTES + 1)
        return _read_pipe(file)


def _read_pipe(file: FileIO) -> bytes:
    """Until its end. Raises TimeoutError when nothing comes for a while; without a writer it has no end yet."""
    raw, deadline = b"", time.monotonic() + _PIPE_S
    while len(raw) <= MAX_BYTES:
        piece = file.read(MAX_BYTES + 1 - len(raw))
        if piece:
            raw, deadline = raw + piece, time.monotonic() + _PIPE_S
            continue
        if piece == b"" and (raw or not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)):
            break
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        time.sleep(0.02)
    return raw


def read_documents(text: str, source: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a YAML text, and what is wrong with the text as such: syntax, duplicate keys, aliases, tags,
    literal secrets. Syntax errors leave no documents."""
    if len(text) > MAX_BYTES:
        return [], [_too_big(source)]
    secrets = [
        Problem(source, number, "", "a URL with a literal password", REFERENCE_EXPECTED)
        for number, line in enumerate(text.splitlines(), 1)
        if has_url_with_password(line)
    ]
    try:
        nodes = [node for node in YAML(typ="safe", pure=True).compose_all(text) if node is not None]
        readers = [_Reader(source) for _ in nodes]
        documents = [r.document(n) for r, n in zip(readers, nodes, strict=True)]
    except YAMLError as error:
        return [], [*secrets, _syntax(error, source, text)]
    except RecursionError:
        return [], [*secrets, Problem(source, 1, "", "nesting without end", "a few levels of keys")]
    return documents, secrets + [p for r in readers for p in r.problems]


def _too_big(source: str) -> Problem:
    return Problem(source, 1, "", f"more than {MAX_BYTES // 1024} KiB", "a file of a few KiB")


def _syntax(error: YAMLError, source: str, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, MarkedYAMLError) and mark is not None:
        got = " ".join(str(error.problem or error.context).split())
        hint = "; indent with spaces, not tabs" if "\\t" in got else ""
        return Problem(source, mark.line + 1, "", got, f"valid YAML{hint}")
    position = getattr(error, "position", 0)
    character = getattr(error, "character", None)
    got = f"character {character:#x}" if isinstance(character, int) else "characters that YAML does not allow"
    return Problem(source, text.count("\n", 0, position) + 1, "", got, "printable UTF-8 text")


class _Reader:
    """Turns the nodes of one document into values, and notes lines and problems on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def document(self, node: Node) -> Document:
        return Document(self.source, self._value(node, ()), self.lines)

    def _note(self, line: int, place: Place, got: str, expected: str) -> None:
        self.problems.append(Problem(self.source, line, dotted(place), got, expected))

    def _value(self, node: Node, place: Place) -> Any:
        if id(node) in self._seen:  # expanding aliases is how a small file becomes a huge one
            line = self.lines.get(place) or self.lines.get(place[:-1], 1)  # the node's own is where it was first
            self._note(line, place, "an alias (*)", "the value itself")
            return None
        self._seen.add(id(node))
        self.lines.setdefault(place, node.start_mark.line + 1)
        if str(node.tag).removeprefix(_TAG) not in _PLAIN:
            self._note(self.lines[place], place, f"the tag {shown(str(node.tag))}", "plain YAML without tags")
        if isinstance(node, MappingNode):
            return dict(self._items(node, place))
        if isinstance(node, SequenceNode):
            return [self._value(item, (*place, i)) for i, item in enumerate(node.value)]
        return _scalar(node) if isinstance(node, ScalarNode) else None

    def _items(self, node: MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._note(line, place, "a key that is a list or a mapping", "a name")
                continue
            key = str(key_node.value)
            where = (*place, key)
            if key in seen:
                self._note(line, where, "the key a second time", f"each key once (first on line {seen[key]})")
                continue
            seen[key] = self.lines[where] = line
            value = self._value(value_node, where)
            if is_literal_secret(key, value):
                self._note(line, where, "a literal secret", REFERENCE_EXPECTED)
            yield key, value


def _scalar(node: ScalarNode) -> Any:
    kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
    if kind in ("int", "float"):
        return _number(kind, text)
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else text


def _number(kind: str, text: str) -> int | float | str:
    """The number; the text as it stands where it is too long, or where Python writes such a number otherwise."""
    if len(text) > _LONGEST_NUMBER:
        return text
    try:
        return int(text, 0) if kind == "int" else float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
