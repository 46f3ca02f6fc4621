# mypy: disable-error-code="no-untyped-call"
"""Bytes of a worker → a message that the master may take.

Whether a message fits the state of the run is checked where it is used.
"""

from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
from locust.rpc import Message
from pydantic import ValidationError

from loadtests.generator.channel.shapes import VALIDATORS
from loadtests.sanitize import sanitize

_LONGEST_NAME: Final = 80
_LONGEST_REASON: Final = 200


class Refused(Exception):
    """A message that the master does not take. The message says why."""


def read_message(data: Any, sender: str) -> Message:
    """The message that `sender` has sent. Raises Refused."""
    kind, body, node = _unpacked(data)
    if node != sender:
        raise Refused(f"it is in the name of {sanitize(str(node), _LONGEST_NAME)}")
    if not isinstance(kind, str) or kind not in VALIDATORS:
        raise Refused(f"its type {sanitize(str(kind), _LONGEST_NAME)} is unknown")
    try:
        body = VALIDATORS[kind].validate_python(body)
    except ValidationError as error:
        raise Refused(f"{kind}: {_first(error)}") from None
    if kind == "logs" and body["worker_id"] != sender:
        raise Refused(f"logs: they are in the name of {sanitize(body['worker_id'], _LONGEST_NAME)}")
    return Message(kind, body, sender)


def _unpacked(data: Any) -> tuple[Any, Any, Any]:
    try:
        kind, body, node = msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        raise Refused(f"it is no message of Locust ({type(error).__name__})") from None
    return kind, body, node


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    return sanitize(f"{place}: {found['msg']}" if place else found["msg"], _LONGEST_REASON)
