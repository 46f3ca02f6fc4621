"""Why connections failed, in counts that stay small."""

from loadtests.conductor.run.ending import connection_failures
from loadtests.users.recording import MAX_DETAILS, ConnectionFailures
from loadtests.wire.failures import ConnectionFailed

BUSY = ConnectionFailed("handshake_rejected", "HTTP 503 Busy (Retry-After: 1)", status=503)
LATER = ConnectionFailed("handshake_rejected", "HTTP 429 Later", status=429)
REFUSED = ConnectionFailed("connect_refused", "127.0.0.1:1: ECONNREFUSED (Connection refused)")


def test_statuses_are_counted_by_stage_and_workers_are_added() -> None:
    first, second = ConnectionFailures(), ConnectionFailures()
    for stage, failure in (("warm-up", BUSY), ("steady", BUSY), ("steady", BUSY), ("steady", LATER)):
        first.count(stage, failure)
    for failure in (BUSY, REFUSED):
        second.count("steady", failure)
    assert connection_failures([first.summary(), second.summary(), None], exact=False) == {
        "exact": False,
        "http_statuses": {"429": 1, "503": 4},
        "http_statuses_by_stage": {"warm-up": {"503": 1}, "steady": {"429": 1, "503": 3}},
        "details": [
            {"error": "handshake_rejected", "detail": BUSY.detail, "count": 4},
            {"error": "handshake_rejected", "detail": "HTTP 429 Later", "count": 1},
            {"error": "connect_refused", "detail": REFUSED.detail, "count": 1},
        ],
    }


def test_ever_new_messages_of_a_server_fill_no_memory() -> None:
    failures = ConnectionFailures()
    for number in range(1000):
        failures.count("steady", ConnectionFailed("handshake_rejected", f"HTTP 503 {number}", status=503))
    summary = failures.summary()
    assert summary["by_stage"] == {"steady": {"503": 1000}}
    assert len(summary["details"]) == MAX_DETAILS + 1
    assert summary["details"][-1] == ["", "other errors", 1000 - MAX_DETAILS]


def test_run_without_failures_has_an_empty_summary() -> None:
    nothing = {"exact": True, "http_statuses": {}, "http_statuses_by_stage": {}, "details": []}
    assert connection_failures([ConnectionFailures().summary()], exact=True) == nothing
