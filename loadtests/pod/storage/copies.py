"""An account's rows as one value that can be compared with another storage's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from loadtests.pod.storage.contract import (
    AccountCopy,
    StoredChat,
    StoredConnection,
    StoredMessage,
    StoredSubscription,
    StoredTopic,
)
from loadtests.protocols.serverhalf import Event

ROWS: Mapping[str, Callable[..., Any]] = {
    "connections": StoredConnection,
    "topics": StoredTopic,
    "subscriptions": StoredSubscription,
    "chats": StoredChat,
    "messages": StoredMessage,
    "events": Event,
}
"""Field of `AccountCopy` → what its rows are."""


def account_copy(account: str, rows: Mapping[str, Iterable[Sequence[Any]]]) -> AccountCopy:
    """Of rows in the order of their columns. Sorted here, because each engine has its own idea of the order of texts:
    copies of equal accounts are equal."""
    return AccountCopy(account, **{field: _in_order(kind, rows[field]) for field, kind in ROWS.items()})


def _in_order(kind: Callable[..., Any], rows: Iterable[Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(kind(*row) for row in sorted(map(tuple, rows)))
