r"""Text that a server, a process or a file from elsewhere chose, made safe to show. A leaf.

Terminals execute escape sequences, logs and documents are read line by line, and a bidirectional override makes a
sentence read as another one. All such text passes through this module before it reaches a terminal, a log, a document
or a page: characters that cannot be displayed become escapes such as \x1b, and long text is cut. Cleaning twice changes
nothing more.
"""

import re
from typing import Any, Final

MAX_TEXT: Final = 120
"""How many characters of a quoted text are kept."""

MAX_MESSAGE: Final = 2000
"""How many characters of a message are kept."""

MAX_LINES: Final = 100
_MAX_DEPTH: Final = 20

FORMULA: Final = r"^[\s\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n\x00]"
"""How a cell begins that a spreadsheet may compute: also with wide signs, and behind spaces."""

CONTROL: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
"""Characters that no spreadsheet shows, and some take for the end of the file."""

_FORMULA, _CONTROL = re.compile(FORMULA), re.compile(CONTROL)


def sanitize(text: str | bytes, limit: int = MAX_TEXT) -> str:
    r"""At most `limit` characters of `text` on one line; a character that cannot be displayed as an escape."""
    shown = _decoded(text, limit) if isinstance(text, bytes) else text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else _escaped(c) for c in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def sanitize_lines(text: str, limit: int = MAX_MESSAGE, lines: int = MAX_LINES) -> str:
    """A message of several lines, each at most `limit` characters. Bytes of a path that are not UTF-8 stay as they are,
    because the standard streams write them back unchanged."""
    kept = text[: limit * lines].replace("\r\n", "\n").split("\n")[:lines]
    return "\n".join(map(_cut_line, kept, [limit] * len(kept)))


def sanitize_error(error: BaseException, limit: int = MAX_TEXT * 2) -> str:
    """The first line of an error's text, or the name of its kind when it has none."""
    first = next(iter(str(error)[: limit * 4].splitlines()), "").strip()
    return sanitize(first or type(error).__name__, limit)


def sanitize_value(value: Any, limit: int = MAX_MESSAGE, depth: int = _MAX_DEPTH) -> Any:
    """A JSON value with every text in it cleaned, keys included; what is nested deeper than `depth` is cut."""
    if isinstance(value, str):
        return sanitize_lines(value, limit)
    if isinstance(value, dict | list | tuple) and depth <= 0:
        return "…"
    if isinstance(value, dict):
        return {sanitize_value(k, limit): sanitize_value(v, limit, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [sanitize_value(v, limit, depth - 1) for v in value]
    return value


def printable(text: str) -> str:
    """The text on one line, whole: a character that cannot be displayed as an escape.

    Bytes of a path that are not UTF-8 stay as they are. JSON and YAML can write characters in the same way, byte by
    byte: those are escapes, too, as the standard streams would put them together again.
    """
    if text.isprintable():
        return text
    shown = "".join(c if c.isprintable() or _is_byte(c) else _escaped(c) for c in text)
    if shown.encode(errors="surrogateescape").decode(errors="surrogateescape") == shown:
        return shown
    return "".join(_escaped(c) if _is_byte(c) else c for c in shown)


def _is_byte(character: str) -> bool:
    """Whether it stands for a byte that Python could not decode."""
    return "\udc80" <= character <= "\udcff"


def _cut_line(line: str, limit: int) -> str:
    line = printable(line[: limit + 1])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _decoded(data: bytes, limit: int) -> str:
    """The beginning of the data as UTF-8, or as Latin-1, which is what HTTP uses."""
    beginning = data[: 4 * (limit + 1)]
    try:
        return beginning.decode()[: limit + 1]
    except UnicodeDecodeError as error:
        if len(beginning) < len(data) and error.reason == "unexpected end of data":
            return beginning[: error.start].decode()[: limit + 1]
        return beginning.decode("latin-1")[: limit + 1]


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def text_cell(text: str) -> str:
    """The text with an apostrophe in front where it could be taken for a formula, and without control characters."""
    clean = _CONTROL.sub("\ufffd", text)
    return f"'{clean}" if _FORMULA.match(text) else clean
