"""What workers of this version send: bodies of messages, and a row."""

from typing import Any

from loadtests.generator.rows import NO_KEY, NO_TIME, pack

READY: dict[str, Any] = {
    "worker": 1, "run": "r", "error": "", "node": "host-b", "address": "", "remote": True, "reserved": 100,
    "same_host": False, "nonce": "n", "proof": "p", "offset_ns": -5, "error_ns": 7,
}  # fmt: skip

PROGRESS: dict[str, Any] = {
    "worker": 0, "begun": 5, "written": 4, "in_flight": 1, "lost": 0, "error": "", "reserved": 100, "failures": 0,
    "counts": {"chat.accept": [3, 1]}, "starts": 2, "arrivals": [1, 0], "agents": 4, "late_starts": 0,
    "unstamped_connections": 0, "users": 5, "cpu_allowed": 1.0, "cpu_share": 0.5, "run_queue_share": 0.0,
    "throttled_share": 0, "local_errors": {"ports": 1}, "stood_still_s": 0.01, "latency": {},
    "connection_failures": {"by_stage": {"steady": {"503": 2}}, "details": [["handshake_rejected", "HTTP 503", 2]]},
}  # fmt: skip


def row(**changes: int) -> bytes:
    values = {
        "seq": 0, "pod": 0, "account": 1, "user": 2, "connection": 3, "operation": 4, "key": 5, "chat": NO_KEY,
        "outcome": 0, "planned_ns": 10, "started_ns": 10, "ended_ns": 20, "published_ns": NO_TIME, "error": 0,
        "topic": 0, "sequence": NO_TIME,
    }  # fmt: skip
    return pack(*{**values, **changes}.values())
