"""Why a run ended whose part could not start."""

from pathlib import Path

import pytest

from loadtests.conductor.failures import Reason
from loadtests.conductor.run.load_monitor import first_cause
from loadtests.servers.registry import create_server

NOT_READY = "pod-1 exited with code 69 before it was ready"


@pytest.mark.server
def test_a_database_that_died_is_why_its_pod_did_not_start(tmp_path: Path, redis_server: object) -> None:
    server = create_server("redis", tmp_path / "server")
    server.start()
    try:
        assert first_cause(Reason("pod_died", NOT_READY), {"redis": server}) == Reason("pod_died", NOT_READY)
        server.kill()
        ended = first_cause(Reason("pod_died", NOT_READY), {"redis": server})
        assert (ended.code, ended.detail) == ("database_died", f"the database server redis died; {NOT_READY}")
        assert "Ready to accept connections" in ended.log_tail
        interrupted = Reason("interrupted", "by a signal")
        assert first_cause(interrupted, {"redis": server}) == interrupted
    finally:
        server.destroy()
