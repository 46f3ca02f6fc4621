"""Text of databases in other encodings than UTF-8. Pure."""

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Any

RAW = "SQL_ASCII"
"""The encoding of a PostgreSQL database that stores bytes as they come, and converts none."""

READ_RAW = "SET client_encoding = 'LATIN1'"
"""Every byte is a character then. With UTF-8 the server refuses a whole answer for one byte that is not valid in it."""


def codec(encoding: str) -> str:
    """Python's name of a PostgreSQL encoding: `LATIN1`, `EUC_JP`, `WIN1252`; `utf-8` for what Python does not know."""
    name = re.sub(r"^KOI8(?=[RU])", "koi8_", re.sub(r"^WIN(?=\d)", "cp", encoding))
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that was read as LATIN1, with its texts decoded as UTF-8, which is most likely."""
    return {
        name: value.encode("latin-1").decode("utf-8", "replace") if isinstance(value, str) else value
        for name, value in row.items()
    }


def encoded(names: Sequence[str]) -> list[str]:
    """The reverse for names that are asked for, without those that were no UTF-8."""
    return [name.encode("utf-8").decode("latin-1") for name in names if "\ufffd" not in name]
