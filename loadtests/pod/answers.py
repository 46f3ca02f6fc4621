"""What is answered to a request."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

_REFUSED = frozenset({"already_accepted", "chat_closed", "not_subscribed", "draining"})


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What is answered to a request; `afterwards` is done once the reply is on its way. Raises StorageError."""

    outcome: Literal["ok", "refused", "fail", "unknown"]
    error: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    afterwards: Callable[[], Awaitable[None]] | None = None


OK: Final = ServiceAnswer("ok")


def no(error: str, **body: Any) -> ServiceAnswer:
    """The answer to what was not done: `refused` or `fail`, as the code says."""
    return ServiceAnswer("refused" if error in _REFUSED else "fail", error, body)
