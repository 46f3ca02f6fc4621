"""What a storage holds, as the ledger asks it: one shape, whatever the engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]


class UnreadableError(Exception):
    """The storage cannot be read; the message says why, without secrets."""


@dataclass(frozen=True)
class Stored:
    """`orphans` counts them; `evidence` names at most ten. Keys are those of offers (chats) and of messages."""

    orphans: int
    evidence: tuple[str, ...]
    accepted_chats: Keys
    messages: Keys


def sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def keys(texts: Iterable[str]) -> Keys:
    """Keys as they are stored, 16 hexadecimal digits, as numbers; what is none was not made by the harness."""
    return np.fromiter((number for text in texts if (number := _number(text)) is not None), dtype=np.uint64)


def _number(text: str) -> int | None:
    try:
        return int(text, 16) if len(text) == 16 else None
    except ValueError:
        return None


def orphan(connection: str, topic: str, why: str) -> str:
    return f"{connection} {topic} ({why})"
