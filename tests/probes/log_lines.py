"""Lines of a PostgreSQL jsonlog, as the server writes them."""

import json
from datetime import UTC, datetime
from typing import Any

from loadtests.probes.jsonlog.lines import LogEvent, event

T0_NS = 1_795_534_100_000_000_000
"""The stamp of moment 0."""


def at(ms: float) -> int:
    """That moment as events have it: stamps are cut to milliseconds, half of one is added."""
    return T0_NS + int(ms) * 1_000_000 + 500_000


def line(ms: int, pid: int, message: str, **more: Any) -> bytes:
    """One line at T0 + ms."""
    moment = datetime.fromtimestamp((T0_NS // 1_000_000 + ms) / 1000, UTC)
    fields = {
        "timestamp": f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC",
        "user": "pod",
        "dbname": "pod",
        "pid": pid,
        "session_id": f"6b05ad14.{pid:x}",
        "ps": "UPDATE waiting",
        "vxid": f"{pid}/2",
        "txid": 0,
        "error_severity": "LOG",
        "message": message,
        "statement": "UPDATE t SET n = n + 1 WHERE id = 1",
        "application_name": f"op{pid}@pod-1",
        "backend_type": "client backend",
        "query_id": 0,
    }
    return json.dumps(fields | more, separators=(",", ":")).encode()


def waiting(ms: int, pid: int, lock: str, holder: object, after: str = "10.000", **more: Any) -> bytes:
    queue = more.pop("queue", pid)
    many = "Processes" if "," in str(holder) else "Process"
    detail = f"{many} holding the lock: {holder}. Wait queue: {queue}."
    did = more.pop("did", "still waiting for")
    mode = more.pop("mode", "ShareLock")
    return line(ms, pid, f"process {pid} {did} {mode} on {lock} after {after} ms", detail=detail, **more)


def acquired(ms: int, pid: int, lock: str, after: str, **more: Any) -> bytes:
    mode = more.pop("mode", "ShareLock")
    return line(ms, pid, f"process {pid} acquired {mode} on {lock} after {after} ms", **more)


def failed(ms: int, pid: int, code: str, message: str, severity: str = "ERROR", **more: Any) -> bytes:
    return line(ms, pid, message, error_severity=severity, state_code=code, **more)


def row(place: str, doing: str = "updating", relation: str = "t") -> str:
    return f'while {doing} tuple {place} in relation "{relation}"'


def tuple_lock(place: str, relation: int = 16384) -> str:
    return f"tuple {place} of relation {relation} of database 13573"


def events(*lines: bytes) -> list[LogEvent]:
    return [found for one in lines if (found := event(one))]
