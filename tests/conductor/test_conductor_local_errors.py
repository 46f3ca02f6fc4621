"""What pods, servers and the observer ran out of is read from what they logged."""

from pathlib import Path

from loadtests.conductor.run.local_errors import of_control_group, of_observer, of_pod, of_server
from loadtests.records.rundirectory import RunDirectory


def test_logs_of_servers_are_searched(tmp_path: Path):
    (tmp_path / "postgres.log").write_text(
        '{"message":"could not accept new connection: Too many open files"}\n'
        '{"message":"canceling statement due to lock timeout"}\n'
        '{"message":"could not fork new process for connection: Resource temporarily unavailable"}\n'
    )
    (tmp_path / "start.log").write_text("x" * 10_000 + "\n[ERROR] Error in accept: Too many open files")
    assert of_server(tmp_path) == {"descriptors": 2, "threads": 1}


def test_counts_that_a_pod_logged_are_added(tmp_path: Path):
    log = tmp_path / "pod-1.log"
    log.write_text(
        '{"event": "started", "pod": "pod-1"}\n'
        '{"event": "local_errors", "resource": "descriptors", "count": 3}\n'
        '{"event": "local_errors", "resource": "descriptors", "count": 4}\n'
        '{"event": "local_errors", "resource": "threads", "count": 1}\n'
    )
    assert of_pod(log) == {"descriptors": 7, "threads": 1}
    assert of_pod(tmp_path / "none.log") == {}


def test_line_that_a_killed_pod_left_half_written_is_skipped(tmp_path: Path):
    log = tmp_path / "pod-1.log"
    whole = '{"event": "local_errors", "resource": "memory", "count": 2}\n'
    log.write_text(whole + '{"event": "local_errors", "resour')
    assert of_pod(log) == {"memory": 2}


def test_errors_of_the_observers_ticks_are_counted(tmp_path: Path):
    directory = RunDirectory(tmp_path)
    errors = [None, "OSError: [Errno 24] Too many open files", "TimeoutError: no answer within 0.25 s"]
    with directory.create_table("ticks") as table:
        table.write([("postgres", n, n, n + 1, 0, error, 50) for n, error in enumerate(errors)])
    assert of_observer(directory) == {"descriptors": 1}


def test_processes_killed_for_want_of_memory_are_counted(tmp_path: Path):
    directory = RunDirectory(tmp_path)
    assert of_control_group(directory) == {}
    with directory.create_table("host") as table:
        table.write([(t, "out_of_memory_kills", killed) for t, killed in ((0, 3), (1, 3), (2, 5))])
    assert of_control_group(directory) == {"memory": 2}
