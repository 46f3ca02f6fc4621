"""The content of a storage, in the same form for every engine. Texts become numbers as they are read."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Column = npt.NDArray[Any]
Row = Sequence[Any]
Read = Callable[[str], AsyncIterator[Sequence[Row]]]
"""A table's name → its rows, some at a time, in the order of the columns of `sql/NAME.sql`."""

MOST_EVIDENCE = 10
_KEY = re.compile("[0-9a-f]{16}")
AGES: tuple[tuple[str, float], ...] = (("under 1 min", 60), ("under 10 min", 600), ("older", float("inf")))
"""How long ago a subscription became an orphan: name, and bound in seconds."""


class StorageUnreadableError(Exception):
    """The storage cannot be read; the message says why, without secrets."""


class LedgerAccounts:
    """Accounts by number, in the order in which the run's manifest names them; others behind."""

    def __init__(self, names: Iterable[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.named = len(self._numbers)
        """The number of the run's own accounts; those after them belong to others."""
        self._next = count(self.named)

    def numbers(self, names: Sequence[str]) -> Numbers:
        return np.fromiter(map(self.number, names), dtype=np.int64, count=len(names))

    def number(self, name: str) -> int:
        known = self._numbers.get(name)
        if known is None:
            known = self._numbers[name] = next(self._next)
        return known


@dataclass
class Orphans:
    """Subscriptions that no client receives."""

    count: int = 0
    why: Counter[str] = field(default_factory=Counter)
    ages: Counter[str] = field(default_factory=Counter)
    evidence: list[str] = field(default_factory=list)

    def add(self, rows: Sequence[Row], now_ns: int) -> None:
        self.count += len(rows)
        for _, connection, topic, why, since_ns in rows:
            self.why[why] += 1
            age_s = (now_ns - since_ns) / 1e9
            self.ages[next(name for name, bound_s in AGES if age_s < bound_s)] += 1
            if len(self.evidence) < MOST_EVIDENCE:
                self.evidence.append(f"{connection} {topic} ({why})")

    def __add__(self, other: "Orphans") -> "Orphans":
        evidence = [*self.evidence, *other.evidence][:MOST_EVIDENCE]
        return Orphans(self.count + other.count, self.why + other.why, self.ages + other.ages, evidence)


@dataclass(frozen=True)
class StoredTable:
    """Columns by name, one array each."""

    columns: dict[str, npt.NDArray[Any]]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __add__(self, other: "StoredTable") -> "StoredTable":
        return StoredTable({name: np.concatenate([column, other[name]]) for name, column in self.columns.items()})

    def where(self, mask: npt.NDArray[np.bool_]) -> "StoredTable":
        return StoredTable({name: column[mask] for name, column in self.columns.items()})


@dataclass(frozen=True)
class Stored:
    """One database, as of one moment. Keys are numbers; `accounts` has the accounts' numbers for every table."""

    orphans: Orphans
    tables: dict[str, StoredTable]

    def __getitem__(self, name: str) -> StoredTable:
        return self.tables[name]

    def __add__(self, other: "Stored") -> "Stored":
        tables = {name: table + other[name] for name, table in self.tables.items()}
        return Stored(self.orphans + other.orphans, tables)

    def of(self, accounts: Numbers) -> "Stored":
        """Of these accounts only, but with the orphans of all accounts."""
        tables = {name: t.where(np.isin(t["account"], accounts)) for name, t in self.tables.items()}
        return Stored(self.orphans, tables)


def keys(texts: Sequence[str]) -> Keys:
    """Ids as they are stored, 16 hexadecimal digits, as numbers; of any other text a hash."""
    numbers = _hexadecimal(texts)
    if numbers is not None:
        return numbers
    return np.fromiter(map(_key, texts), dtype=np.uint64, count=len(texts))


def _hexadecimal(texts: Sequence[str]) -> Keys | None:
    """All of them at once, which takes a tenth of the time; None when one is no key."""
    if any(len(text) != 16 for text in texts):
        return None
    with suppress(ValueError):
        raw = bytes.fromhex("".join(texts))
        if len(raw) == 8 * len(texts):  # blanks would have been skipped
            return np.frombuffer(raw, dtype=">u8").astype(np.uint64)
    return None


def _key(text: str) -> int:
    return int(text, 16) if _KEY.fullmatch(text) else digest(text)


def digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def topics(names: Sequence[str]) -> Keys:
    """A topic as a number: 0 the queue, else its chat's key; of any other name a hash."""
    return keys(["0" * 16 if name == "queue" else name.removeprefix("chat/") for name in names])


def pair(one: Numbers, other: Keys) -> Keys:
    """Two numbers hashed to one that identifies a row; it cannot be split again."""
    mixed: Keys = one.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + other
    return mixed


def topic_words(account: int, topic: int) -> str:
    return f"account {account} {f'chat/{topic:016x}' if topic else 'queue'}"


def codes(texts: Sequence[str | None]) -> Keys:
    """Words, as numbers; no word is 0."""
    known: dict[str | None, int] = {None: 0}
    found = (known[t] if t in known else known.setdefault(t, digest(t or "")) for t in texts)
    return np.fromiter(found, dtype=np.uint64, count=len(texts))


def times(values: Sequence[int]) -> Numbers:
    return np.array(values, dtype=np.int64)


COLUMNS: dict[str, dict[str, Callable[[Sequence[Any]], npt.NDArray[Any]]]] = {
    "topics": {"topic": topics, "head": times},
    "chats": {"id": keys, "state": codes, "accepted_by": codes},
    "messages": {"key": keys, "chat": keys},
    "events": {"topic": topics, "sequence": times, "kind": codes, "key": keys, "published_at": times},
    "connections": {"id": keys, "role": codes, "state": codes},
    "subscriptions": {"connection": keys, "topic": topics},
}
"""Table → its columns after `account`, and how each becomes numbers."""


async def store(read: Read, names: Iterable[str], accounts: LedgerAccounts, now_ns: int) -> Stored:
    """Reads the orphans and these tables."""
    orphans = Orphans()
    async for rows in read("orphans"):
        orphans.add(rows, now_ns)
    return Stored(orphans, {name: await _table(read(name), COLUMNS[name], accounts) for name in names})


async def _table(
    batches: AsyncIterator[Sequence[Row]],
    columns: dict[str, Callable[[Sequence[Any]], npt.NDArray[Any]]],
    accounts: LedgerAccounts,
) -> StoredTable:
    convert = {"account": accounts.numbers, **columns}
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [to([])] for name, to in convert.items()}
    async for rows in batches:
        if not rows:
            continue
        for (name, to), values in zip(convert.items(), zip(*rows, strict=True), strict=True):
            parts[name].append(to(values))
    return StoredTable({name: np.concatenate(arrays) for name, arrays in parts.items()})


def sql(name: str, silent_since_ns: int) -> str:
    text = (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("$1", str(int(silent_since_ns)))
