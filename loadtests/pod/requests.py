"""What the fields of a request may hold, beyond their types: pure checks."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from loadtests.pod.limits import Limits
from loadtests.protocols.serverhalf import Request

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


ROLES: Final = ("agent", "customer")

_TOPIC = re.compile(r"[a-z0-9][a-z0-9/-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{16}")

Check = Callable[[Any, Limits], str | None]
"""The error code of a wrong value; None when it is right."""


def _topic(value: str, _: Limits) -> str | None:
    if value.startswith("chat/"):
        return _chat(value[5:], _)
    return None if _TOPIC.fullmatch(value) else "bad_request"


def _chat(value: str, _: Limits) -> str | None:
    return None if _KEY.fullmatch(value) else "bad_request"


def _role(value: str, _: Limits) -> str | None:
    return None if value in ROLES else "bad_request"


def _name(value: str, limits: Limits) -> str | None:
    return None if 0 < len(value.encode()) <= limits.max_name_bytes else "bad_request"


def _text(value: str, limits: Limits) -> str | None:
    # Four bytes is the most that a character takes: short texts need not be encoded to be measured.
    if len(value) * 4 <= limits.max_text_bytes or len(value.encode()) <= limits.max_text_bytes:
        return None
    return "message_too_big"


_CHECKS: Mapping[str, tuple[tuple[str, Check], ...]] = {
    "connection.create": (("role", _role), ("name", _name)),
    "subscription.create": (("topic", _topic),),
    "subscription.delete": (("topic", _topic),),
    "chat.offer": (("subject", _text),),
    "chat.accept": (("chat", _chat),),
    "message.send": (("chat", _chat), ("text", _text)),
    "chat.close": (("chat", _chat),),
}


def wrong(request: Request, limits: Limits) -> str | None:
    """The error code that answers the request; None when its fields are fine."""
    for name, check in _CHECKS.get(request.type, ()):
        if error := check(request.body[name], limits):
            return error
    return None
