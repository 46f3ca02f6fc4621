"""JSON of unknown origin → plain values: each key once, finite numbers of a bounded size, few levels."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from loadtests.records.files import UnreadableError

MOST_LEVELS: Final = 32
"""How deep lists and objects may be nested. The documents of a run need seven levels."""

LEAST_INTEGER: Final = -(2**63)
MOST_INTEGER: Final = 2**64 - 1
"""Integers beyond these fit in no column of a table."""

_SHOWN = 40


def parse_json(text: str | bytes, name: str) -> Any:
    """The value. Raises UnreadableError, which calls the text `name`."""
    try:
        value = json.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            object_pairs_hook=_once,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise _too_deep(name) from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{name} is not UTF-8 text") from None
    except ValueError as error:
        raise UnreadableError(f"{name} is no valid JSON: {error}") from None
    if _levels_exceed(value, MOST_LEVELS):
        raise _too_deep(name)
    return value


def _too_deep(name: str) -> UnreadableError:
    return UnreadableError(f"{name} has more than {MOST_LEVELS} levels of lists and objects")


def _levels_exceed(value: Any, levels: int) -> bool:
    if not isinstance(value, list | dict):
        return False
    within = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_levels_exceed(item, levels - 1) for item in within)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {_short(ascii(twice))} is there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > len(str(MOST_INTEGER)) or not LEAST_INTEGER <= int(text) <= MOST_INTEGER:
        raise ValueError(f"the number {_short(text)} has more than 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {_short(text)} is too large")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
