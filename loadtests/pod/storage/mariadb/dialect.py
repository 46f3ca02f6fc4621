"""How statements and values are put to MariaDB, as pure functions."""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

_NUMBERED = re.compile(r"\$(\d+)")
_VALUES = re.compile(r"\bVALUES\s*(\([^()]*\))")


@cache
def placed(statement: str) -> tuple[str, tuple[int, ...]]:
    """`… = $2 OR … = $1` → `… = %s OR … = %s` and (1, 0): the driver knows places, not numbers."""
    order = tuple(int(number) - 1 for number in _NUMBERED.findall(statement))
    return _NUMBERED.sub("%s", statement.replace("%", "%%")), order


def arguments(order: Sequence[int], values: Sequence[Any]) -> tuple[Any, ...]:
    """The values in the order of their places; a list, which MariaDB has no type for, as JSON."""
    return tuple(_value(values[index]) for index in order)


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


@cache
def split_values(statement: str) -> tuple[str, str, str]:
    """An INSERT in three: what is before the parentheses of its VALUES, they themselves, and what comes after."""
    found = _VALUES.search(statement)
    if found is None:
        raise ValueError(f"no VALUES (…) in {statement!r}")
    return statement[: found.start(1)], found.group(1), statement[found.end(1) :]
