"""JSON-RPC 2.0 over WebSocket: requests with ids, errors as error objects, pushes as notifications.

Methods are the operations' names, ids are keys, parameters are the fields of `messaging-pod.v1`. An error's `message`
is the error code of the tables, its `data.outcome` says whether that is `refused`, `fail` or `unknown`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson

from loadtests.protocols.contract import Command, Frame, Identity, Option, ProtocolError, Received, Spec, key_text
from loadtests.protocols.messaging_pod import NO_OPERATION, add_fields, event_fields, json_object, push_of, replies
from loadtests.protocols.serverhalf import NO_KEY, Event, Request, checked_request
from loadtests.records.vocabulary import OUTCOMES, TIMED_OPERATIONS

EVENT_METHOD: Final = "event"

INVALID_REQUEST: Final = -32600
APPLICATION_ERROR: Final = -32000

_STANDARD_ERRORS: Final = {-32700: "bad_request", INVALID_REQUEST: "bad_request", -32601: "bad_request"}
"""What errors without an outcome mean: not JSON, not a request, no such method; anything else is `internal`."""


class JsonRpcClient:
    """The client half. It has no state: an id is the key itself."""

    __slots__ = ("_heartbeat_method", "_identity")

    def __init__(self, identity: Identity, options: Mapping[str, Option]) -> None:
        self._identity = identity
        self._heartbeat_method = str(options["heartbeat_method"])

    def open(self, key: int) -> Sequence[Frame]:
        return (_request("connection.create", key, self._identity._asdict()),)

    def send(self, command: Command) -> Sequence[Frame]:
        params: dict[str, str] = {}
        add_fields(params, command)
        return (_request(command.operation, command.key, params),)

    def heartbeat(self, key: int) -> Sequence[Frame]:
        return (_request(self._heartbeat_method, key, {}),) if self._heartbeat_method else ()

    def close(self, key: int) -> Sequence[Frame]:
        return (_request("connection.close", key, {}),)

    def receive(self, frame: Frame) -> Sequence[Received]:
        message = _message(frame)
        if "method" in message:
            return (_notified(message),)
        key = message.get("id")
        if "result" in message and isinstance(key, str):
            result = message["result"]
            return replies(key, "ok", "", result if isinstance(result, dict) else {})
        if "error" in message:
            outcome, error = _error(message["error"])
            return replies(key, outcome, error, {}) if isinstance(key, str) else (NO_OPERATION,)
        raise ProtocolError("a response needs an id and a result or an error")


class JsonRpcServer:
    def request(self, frame: Frame) -> Request:
        message = _message(frame)
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise ProtocolError("params: expected an object")
        return checked_request(message.get("method"), message.get("id"), params)

    def reply(self, key: str, outcome: str, error: str, body: Mapping[str, Any]) -> Frame:
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": None if key == NO_KEY else key}
        if outcome == "ok":
            answer["result"] = body
        else:
            code = INVALID_REQUEST if error == "bad_request" else APPLICATION_ERROR
            answer["error"] = {"code": code, "message": error, "data": {"outcome": outcome, **body}}
        return orjson.dumps(answer).decode()

    def event(self, event: Event) -> Frame:
        return orjson.dumps({"jsonrpc": "2.0", "method": EVENT_METHOD, "params": event_fields(event)}).decode()


def _request(method: str, key: int, params: Mapping[str, Any]) -> str:
    return orjson.dumps({"jsonrpc": "2.0", "id": key_text(key), "method": method, "params": params}).decode()


def _message(frame: Frame) -> dict[str, Any]:
    """Raises ProtocolError."""
    message = json_object(frame)
    if message.get("jsonrpc") != "2.0":
        raise ProtocolError("expected a JSON-RPC message with jsonrpc: 2.0")
    return message


def _notified(message: Mapping[str, Any]) -> Received:
    """The push in a notification. Raises ProtocolError for any other method, and for requests of the server."""
    method, params = message["method"], message.get("params")
    if method != EVENT_METHOD or "id" in message or not isinstance(params, dict):
        raise ProtocolError(f"expected the notification {EVENT_METHOD!r} with an object, not {str(method)[:40]!r}")
    return push_of(params)


def _error(error: Any) -> tuple[str, str]:
    """Outcome and error of an error object. Raises ProtocolError."""
    if not (isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)):
        raise ProtocolError("an error needs an integer code and a message")
    data = error.get("data")
    outcome = data.get("outcome") if isinstance(data, dict) else None
    if outcome in OUTCOMES and outcome != "ok":  # compared, not hashed: it may be a list
        return outcome, error["message"]
    return "fail", _STANDARD_ERRORS.get(error["code"], "internal")


SPEC: Final = Spec(
    name="jsonrpc",
    subprotocols=(),
    operations=frozenset(TIMED_OPERATIONS),
    client=JsonRpcClient,
    options=MappingProxyType({"heartbeat_method": "heartbeat"}),
    server=JsonRpcServer,
)
