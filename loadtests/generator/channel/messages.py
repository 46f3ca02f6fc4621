# mypy: disable-error-code="no-untyped-call"
"""Bytes of a worker → a message that the master may take: every field of it with its type, its range and its length.

Texts come out printable and cut. Whether a message fits the state of the run is checked where it is used.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
from locust.rpc import Message
from pydantic import ValidationError
from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as cs

from loadtests.generator import runmessages
from loadtests.generator.live import is_latency
from loadtests.hostidentity import MAX_HOST_NAME
from loadtests.records.vocabulary import ERRORS, LOCAL_ERRORS, OPERATIONS
from loadtests.sanitize import MAX_TEXT, sanitize, sanitize_lines


def _text(most: int, clean: Callable[..., str] = sanitize) -> CoreSchema:
    return cs.no_info_after_validator_function(partial(clean, limit=most), cs.str_schema(strict=True))


def _one_of(*names: str) -> CoreSchema:
    return cs.literal_schema(list(names))


def _map(keys: CoreSchema, values: CoreSchema, most: int) -> CoreSchema:
    return cs.dict_schema(keys, values, max_length=most)


def _list(items: CoreSchema, most: int, least: int = 0) -> CoreSchema:
    return cs.list_schema(items, min_length=least, max_length=most)


def _table(further: cs.ExtraBehavior = "forbid", /, **fields: CoreSchema) -> CoreSchema:
    """These fields of a message, and no other ones."""
    shapes = {name: cs.typed_dict_field(shape) for name, shape in fields.items()}
    return cs.typed_dict_schema(shapes, extra_behavior=further)


_table_of_locust: Final = partial(_table, "ignore")
"""Other versions of Locust have further fields: they are dropped."""


COUNT: Final = cs.int_schema(strict=True, ge=0, le=(1 << 53) - 1)
MOMENT: Final = cs.int_schema(strict=True, ge=-(1 << 62), le=1 << 62)
FIGURE: Final = cs.float_schema(strict=True, ge=0, le=1e15, allow_inf_nan=False)
FLAG: Final = cs.bool_schema(strict=True)
SHORT, LONG, HOST = _text(200), _text(4000), _text(MAX_HOST_NAME)
LINES: Final = _text(MAX_TEXT * 4, sanitize_lines)
OPERATION: Final = _one_of(*OPERATIONS)
NOTHING: Final = cs.no_info_before_validator_function(lambda _: None, cs.none_schema())
USER_COUNTS: Final = _map(_one_of("Agent"), COUNT, 1)
LOCAL: Final = sorted(name.removeprefix("local_") for name in LOCAL_ERRORS)

_MOST_TIMES: Final = 4000
"""Different response times, or seconds, of one name in Locust's statistics."""

REQUEST: Final = _one_of("", "Aggregated", *OPERATIONS, *(f"{name} (refused)" for name in OPERATIONS))
ENTRY: Final = _table_of_locust(
    name=REQUEST,
    method=_one_of("", "Aggregated"),
    last_request_timestamp=cs.nullable_schema(FIGURE),
    start_time=FIGURE,
    num_requests=COUNT,
    num_none_requests=COUNT,
    num_failures=COUNT,
    total_response_time=FIGURE,
    max_response_time=FIGURE,
    min_response_time=cs.nullable_schema(FIGURE),
    total_content_length=COUNT,
    response_times=_map(FIGURE, COUNT, _MOST_TIMES),
    num_reqs_per_sec=_map(COUNT, COUNT, _MOST_TIMES),
    num_fail_per_sec=_map(COUNT, COUNT, _MOST_TIMES),
)
ERROR: Final = _table_of_locust(
    name=REQUEST,
    method=_one_of(""),
    error=_one_of(*ERRORS),
    occurrences=COUNT,
    first_seen=cs.nullable_schema(FIGURE),
    last_seen=cs.nullable_schema(FIGURE),
)
STATISTICS: Final = _table_of_locust(
    stats=_list(ENTRY, 2 * len(OPERATIONS)),
    stats_total=ENTRY,
    errors=_map(SHORT, ERROR, 1000),
    user_classes_count=USER_COUNTS,
    user_count=COUNT,
)

_NOT_PREPARED: Final = {"run": cs.str_schema(strict=True), "node": HOST, "address": HOST, "worker": COUNT}
PREPARED: Final = _table(
    **_NOT_PREPARED,
    error=_one_of(""),
    remote=FLAG,
    reserved=COUNT,
    same_host=FLAG,
    nonce=SHORT,
    proof=SHORT,
    offset_ns=MOMENT,
    error_ns=COUNT,
)
NOT_PREPARED: Final = _table(**_NOT_PREPARED, error=LONG, code=cs.int_schema(strict=True, ge=1, le=255))


def _check_counts(body: Any) -> Any:
    if not body["written"] <= body["begun"] <= body["reserved"]:
        raise ValueError("the counts contradict each other: expected written <= begun <= reserved")
    return body


def _check_latency(latency: Any) -> Any:
    if not all(map(is_latency, latency.values())):
        raise ValueError("latency: not a histogram of this version")
    return latency


PROGRESS: Final = cs.no_info_after_validator_function(
    _check_counts,
    _table(
        worker=COUNT,
        **dict.fromkeys(("begun", "written", "in_flight", "lost", "reserved", "failures", "starts", "agents"), COUNT),
        **dict.fromkeys(("late_starts", "unstamped_connections", "users"), COUNT),
        **dict.fromkeys(("cpu_allowed", "cpu_share", "run_queue_share", "throttled_share", "stood_still_s"), FIGURE),
        error=LONG,
        counts=_map(OPERATION, _list(COUNT, 2, 2), len(OPERATIONS)),
        arrivals=_list(COUNT, 1000),
        connection_failures=_table(
            by_stage=_map(SHORT, _map(_text(8), COUNT, 1000), 1000),
            details=_list(cs.tuple_positional_schema([SHORT, SHORT, COUNT]), 100),
        ),
        local_errors=_map(_one_of(*LOCAL), COUNT, len(LOCAL)),
        latency=cs.no_info_after_validator_function(
            _check_latency, _map(OPERATION, cs.str_schema(strict=True), len(OPERATIONS))
        ),
    ),
)

SHAPES: Final[dict[str, CoreSchema]] = {
    "client_ready": _text(40),
    "client_stopped": NOTHING,
    "heartbeat": _table_of_locust(
        state=_one_of("ready", "spawning", "running"), current_cpu_usage=FIGURE, current_memory_usage=COUNT
    ),
    "stats": STATISTICS,
    "spawning": NOTHING,
    "spawning_complete": _table_of_locust(user_classes_count=USER_COUNTS, user_count=COUNT),
    "logs": _table_of_locust(worker_id=cs.str_schema(strict=True), logs=_list(LINES, 500)),
    "quit": NOTHING,
    "exception": _table_of_locust(msg=SHORT, traceback=LINES),
    runmessages.READY: cs.union_schema([PREPARED, NOT_PREPARED], mode="left_to_right"),
    runmessages.PROGRESS: PROGRESS,
    runmessages.LEAVING: _table(worker=COUNT, cause=SHORT),
    runmessages.DRAINED: PROGRESS,
    runmessages.ROWS: _table(worker=COUNT, number=COUNT, data=cs.bytes_schema(strict=True)),
    runmessages.PING: _table(sent_ns=MOMENT),
}
"""By type. Not among them: a worker's request for the locustfile, which it has already."""

VALIDATORS: Final = {kind: SchemaValidator(shape) for kind, shape in SHAPES.items()}

_LONGEST_NAME: Final = 80
_LONGEST_REASON: Final = 200


class Refused(Exception):
    """A message that the master does not take. The message says why."""


def read_message(data: Any, sender: str) -> Message:
    """The message that `sender` has sent. Raises Refused."""
    try:
        kind, body, node = msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        raise Refused(f"it is no message of Locust ({type(error).__name__})") from None
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


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    return sanitize(f"{place}: {found['msg']}" if place else found["msg"], _LONGEST_REASON)
