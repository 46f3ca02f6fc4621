"""Names of objects and locks that were waited for: the same from the lock table and from the log. Pure."""

import re
from collections.abc import Callable
from typing import NamedTuple

NOTIFY = "commit of NOTIFY"
_DATABASES = 1262
"""Object id of pg_database. A commit with notifications locks its object 0, one for all databases."""


class Named(NamedTuple):
    """`object` in words, as a row of accounts; `lock` identifies it among others of its kind: accounts (0,5)."""

    object: str
    lock: str


_QUOTED_NAME = re.compile(r"`((?:[^`]|``)*)`|\"((?:[^\"]|\"\")*)\"")


def innodb_table(name: str) -> str:
    """The table of `` `chats`.`a.b` ``, which may have dots, quotes and a comment that names its partition."""
    quoted = [(a.replace("``", "`") or b.replace('""', '"')) for a, b in _QUOTED_NAME.findall(name)]
    return quoted[1] if len(quoted) > 1 else name


def row(relation: str, place: str) -> Named:
    return Named(f"row of {relation}", f"{relation} {place}")


def relation(name: str) -> Named:
    return Named(f"relation {name}", f"relation {name}")


def transaction(number: str) -> Named:
    return Named("transaction", f"transaction {number}")


def key_of(index: str, number: str) -> Named:
    """A key of an index that a transaction not over yet put there."""
    return Named(f"key of {index}", f"{index} transaction {number}")


def advisory(high: int, low: int, keys: int) -> Named:
    """One key of 64 bits in two halves, or two keys of 32; the server shows signed arguments as unsigned."""
    text = f"{_signed(high, 32)},{_signed(low, 32)}" if keys == 2 else str(_signed(high << 32 | low, 64))
    return Named(f"advisory {text}", f"advisory {text}")


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) & 1 else number


def of_class(class_id: int, object_id: int, class_name: str | None = None) -> Named:
    if (class_id, object_id) == (_DATABASES, 0):
        return Named(NOTIFY, NOTIFY)
    name = class_name or f"class {class_id}"
    return Named(f"object of {name}", f"object {object_id} of {name}")


_Relation = Callable[[int], str]


def _of(kind: str) -> Callable[[re.Match[str], _Relation], Named]:
    def name(found: re.Match[str], relation_name: _Relation) -> Named:
        *number, oid = found.groups()
        of = relation_name(int(oid))
        return Named(f"{kind} of {of}", " ".join([kind, *number, "of", of]))

    return name


_LOGGED: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Relation], Named]], ...] = (
    (re.compile(r"tuple (\(\d+,\d+\)) of relation (\d+)"), lambda m, name: row(name(int(m[2])), m[1])),
    (re.compile(r"transaction (\d+)"), lambda m, _: transaction(m[1])),
    (re.compile(r"relation (\d+) of database"), lambda m, name: relation(name(int(m[1])))),
    (re.compile(r"extension of relation (\d+)"), _of("extend")),
    (re.compile(r"page (\d+) of relation (\d+)"), _of("page")),
    (re.compile(r"advisory lock \[\d+,(\d+),(\d+),(\d+)\]"), lambda m, _: advisory(int(m[1]), int(m[2]), int(m[3]))),
    (re.compile(r"object (\d+) of class (\d+)"), lambda m, _: of_class(int(m[2]), int(m[1]))),
    (re.compile(r"virtual transaction (\S+)"), lambda m, _: Named("virtualxid", f"virtualxid {m[1]}")),
)


def logged(lock: str, relation_name: _Relation) -> Named:
    """From the log's text: `tuple (0,1) of relation 16384 of database 13573`. `relation_name`: object id → name."""
    for pattern, name in _LOGGED:
        if found := pattern.match(lock):
            return name(found, relation_name)
    return Named(lock, lock)
