"""`docs/asyncapi.yaml` and `docs/protocol.md` against the codecs and the pod."""

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from loadtests.pod.limits import Limits
from loadtests.pod.requests import ROLES, wrong
from loadtests.pod.storage.contract import StorageRefusal
from loadtests.protocols.contract import key_text
from loadtests.protocols.messaging_pod import SUBPROTOCOL, MessagingPodServer, encode_request
from loadtests.protocols.serverhalf import REQUEST_FIELDS, Event
from loadtests.records.vocabulary import ERRORS

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text(encoding="utf-8")
SERVER = MessagingPodServer()
KINDS = {"chat.offered", "chat.accepted", "chat.closed", "message.sent"}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(DOCS / "asyncapi.yaml")
    return loaded


def payload(api: dict[str, Any], message: str) -> dict[str, Any]:
    """The message's schema, with what it refers to."""
    schema: dict[str, Any] = api["components"]["messages"][message]["payload"]
    return {**schema, "components": api["components"]}


def test_it_is_asyncapi_3_and_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    assert api["asyncapi"] == "3.0.0"
    for reference in _references(api):
        found: Any = api
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert api["channels"]["pod"]["bindings"]["ws"]["headers"]["properties"]["Sec-WebSocket-Protocol"] == {
        "const": SUBPROTOCOL
    }


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [r for value in node.values() for r in _references(value)]
    return [r for value in node for r in _references(value)] if isinstance(node, list) else []


def test_it_has_every_message_and_no_other(api: dict[str, Any]) -> None:
    everything = {*REQUEST_FIELDS, "reply", "event"}
    assert set(api["components"]["messages"]) == set(api["channels"]["pod"]["messages"]) == everything
    asked = {r["$ref"].rpartition("/")[2] for r in api["operations"]["request"]["messages"]}
    assert asked == set(REQUEST_FIELDS)


@pytest.mark.parametrize("kind", sorted(REQUEST_FIELDS))
def test_requests_have_the_fields_of_the_codec(api: dict[str, Any], kind: str) -> None:
    schema = payload(api, kind)
    assert set(schema["required"]) == set(schema["properties"]) == {"type", "key", *REQUEST_FIELDS[kind]}
    assert schema["properties"]["type"] == {"const": kind}
    row = re.search(rf"^\| `{re.escape(kind)}` \|(.*?)\|", PROTOCOL, re.M)
    assert row is not None
    assert REQUEST_FIELDS[kind] <= set(re.findall(r"`([a-z_]+)`", row[1])), "docs/protocol.md"


@pytest.mark.parametrize(
    "topic", ["queue", "agent/ada-1", "chat/00000000000000a7", "chat/7", "chat/00000000000000A7", "Queue", "", "a" * 65]
)
def test_topics_are_those_that_the_pod_takes(api: dict[str, Any], topic: str) -> None:
    request = SERVER.request(encode_request("subscription.create", key_text(1), {"topic": topic}))
    allowed = Draft7Validator(payload(api, "subscription.create")).is_valid(
        {"type": request.type, "key": request.key, **request.body}
    )
    assert allowed == (wrong(request, Limits()) is None)


def test_roles(api: dict[str, Any]) -> None:
    assert payload(api, "connection.create")["properties"]["role"]["enum"] == list(ROLES)


def test_errors_are_of_the_vocabulary_and_in_the_words(api: dict[str, Any]) -> None:
    errors = set(api["components"]["schemas"]["error"]["enum"])
    assert errors <= set(ERRORS)
    assert {refusal.value for refusal in StorageRefusal} <= errors
    for error in errors - {""}:
        assert f"`{error}`" in PROTOCOL
    assert api["components"]["schemas"]["outcome"]["enum"] == ["ok", "refused", "fail", "unknown"]


def test_events_are_those_of_the_codec(api: dict[str, Any]) -> None:
    assert set(api["components"]["schemas"]["kind"]["enum"]) == KINDS
    for kind in KINDS:
        assert f"`{kind}`" in PROTOCOL
        event = Event("a", "queue", 1, kind, key_text(1), key_text(1), "Bob", "text", 1)
        _check(api, "event", SERVER.event(event))


def test_replies_are_those_of_the_codec(api: dict[str, Any]) -> None:
    _check(api, "reply", SERVER.reply(key_text(1), "refused", "already_accepted", {"winner": "Ada"}))


def _check(api: dict[str, Any], message: str, frame: str | bytes) -> None:
    import orjson

    schema = payload(api, message)
    content = orjson.loads(frame)
    Draft7Validator(schema).validate(content)
    assert set(content) <= set(schema["properties"])
    assert set(schema["required"]) <= set(content)


@pytest.mark.parametrize("name", ["resume_within_s", "heartbeat_s", "max_message_bytes"])
def test_limits_are_stated(name: str) -> None:
    value = getattr(Limits(), name)
    assert re.search(rf"`{name}` \| {value:.0f} ", PROTOCOL), f"docs/protocol.md: `{name}` | {value:g} …"
