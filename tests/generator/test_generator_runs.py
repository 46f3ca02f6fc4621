"""Whole runs of the load against a real pod: every row kept, however they end."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from locust_runs import LOCUSTFILE, SECRET, TINY, Locust, LocustRun, locust, memory_pod, plan_for

from loadtests.conductor.ports import free_port
from loadtests.conductor.run.ending import connection_failures
from loadtests.generator.locusthooks import MASTER_SILENT_S
from loadtests.records.streams import read_batches

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with memory_pod(tmp_path_factory.mktemp("pod")) as url:
        yield url


def assert_nothing_lost(run: LocustRun) -> None:
    """Rows written, those in flight at the end among them, are the operations begun. People who leave at the end write
    that theirs was cut short as well."""
    rows = run.rows()
    assert sum(w["begun"] for w in run.drained) == sum(w["written"] for w in run.drained) == len(rows) > 0
    assert sum(w["in_flight"] for w in run.drained) <= sum(
        r["error"] == "run_ended" for r in rows if r["outcome"] == "unknown"
    )
    assert all(w["error"] == "" for w in run.drained)


@pytest.fixture(scope="module")
def whole_run(pod: str, tmp_path_factory: pytest.TempPathFactory) -> LocustRun:
    """A run of two workers from its first stage to its last."""
    with locust(plan_for(tmp_path_factory.mktemp("whole"), pod, TINY), ["--processes", "2"]) as running:
        return running.finish()


def test_a_run_ends_by_itself_with_every_row(whole_run: LocustRun) -> None:
    assert whole_run.code == 0
    assert [w["worker"] for w in whole_run.drained] == [0, 1]
    rows = whole_run.rows()
    assert sum(w["begun"] for w in whole_run.drained) == sum(w["written"] for w in whole_run.drained) == len(rows)


def test_two_workers_make_one_schedule(whole_run: LocustRun) -> None:
    """4 + 20 + 10 constant arrivals: each is one offer, or a connection that was never made."""
    assert sum(w["starts"] for w in whole_run.drained) == 34
    offers = [r for r in whole_run.rows() if r["operation"] == "chat.offer"]
    assert len(offers) == len({r["key"] for r in offers}) <= 34
    assert len(offers) > 25


def test_agents_and_customers_do_all_that_there_is_to_do(whole_run: LocustRun) -> None:
    done = {r["operation"] for r in whole_run.rows() if r["outcome"] == "ok"}
    assert done == {
        "connection.create", "subscription.create", "subscription.delete", "chat.offer", "chat.accept", "message.send",
        "chat.close", "connection.close", "event.deliver", "chat.answer",
    }  # fmt: skip


def test_each_chat_has_one_winner(whole_run: LocustRun) -> None:
    accepted = [r["chat"] for r in whole_run.rows() if r["operation"] == "chat.accept" and r["outcome"] == "ok"]
    assert len(accepted) == len(set(accepted)) > 0


def test_times_are_in_order_and_pushes_know_their_cause(whole_run: LocustRun) -> None:
    rows = whole_run.rows()
    assert all(r["planned_ns"] <= r["started_ns"] < r["ended_ns"] for r in rows if r["planned_ns"] is not None)
    pushes = [r for r in rows if r["operation"] == "event.deliver"]
    assert all(r["published_ns"] is not None and r["published_ns"] < r["ended_ns"] + 1_000_000 for r in pushes)
    assert any(r["planned_ns"] is not None for r in pushes)


def test_the_answer_is_measured_from_the_offer(whole_run: LocustRun) -> None:
    rows = whole_run.rows()
    offers = {r["key"]: r for r in rows if r["operation"] == "chat.offer"}
    answers = [r for r in rows if r["operation"] == "chat.answer" and r["outcome"] == "ok"]
    assert answers
    assert all(abs(r["planned_ns"] - offers[r["key"]]["planned_ns"]) < 5_000_000 for r in answers)


def test_stages_are_reported_when_they_begin(whole_run: LocustRun) -> None:
    stages = whole_run.events("stage")
    assert [s["name"] for s in stages] == ["warm-up", "steady", "storm"]
    assert [s["started_ns"] - stages[0]["started_ns"] for s in stages] == [0, 1_000_000_000, 3_000_000_000]
    assert [s["judge"] for s in stages] == [False, True, False]


def test_a_storm_makes_agents_connect_again(whole_run: LocustRun) -> None:
    storm_ns = whole_run.events("stage")[-1]["started_ns"]
    rows = whole_run.rows()
    agents = {(r["user"], r["account"]) for r in rows if r["operation"] == "chat.accept"}
    again = [r for r in rows if r["operation"] == "connection.create" and r["planned_ns"] >= storm_ns]
    assert {(r["user"], r["account"]) for r in again} & agents


def test_no_message_of_an_honest_worker_is_refused(whole_run: LocustRun) -> None:
    log = (whole_run.directory / "locust.log").read_text()
    assert "reported as ready" in log
    assert re.findall(r"refused a message|refused \d+ connections|Traceback", log) == []


def test_no_secret_is_left_behind(whole_run: LocustRun) -> None:
    for path in whole_run.directory.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path.name


def test_users_that_stop_slowly_lose_nothing(pod: str, tmp_path: Path) -> None:
    """No agent answers, so that customers are in the middle of waiting when the run ends."""
    scenario = TINY.replace("median: 60ms", "median: 60s")
    with locust(plan_for(tmp_path, pod, scenario), ["--processes", "2"]) as running:
        run = running.finish()
    rows = run.rows()
    assert sum(w["begun"] for w in run.drained) == sum(w["written"] for w in run.drained) == len(rows)
    unanswered = [r for r in rows if r["operation"] == "chat.answer"]
    assert unanswered
    assert {(r["outcome"], r["error"]) for r in unanswered} <= {("unknown", "run_ended"), ("unknown", "timeout")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_early_keeps_every_row(pod: str, tmp_path: Path, number: signal.Signals) -> None:
    long = TINY.replace("duration: 2s", "duration: 60s")
    with locust(plan_for(tmp_path, pod, long), ["--processes", "2"]) as running:
        running.until("stage")
        running.until("tick")
        os.killpg(running.process.pid, number) if number == signal.SIGINT else running.process.send_signal(number)
        run = running.finish()
    assert sum(w["begun"] for w in run.drained) == sum(w["written"] for w in run.drained) == len(run.rows()) > 0
    assert run.code == 130


def test_a_dead_target_makes_an_honest_run(tmp_path: Path) -> None:
    with locust(plan_for(tmp_path, f"ws://127.0.0.1:{free_port()}/", TINY), ["--processes", "1"]) as running:
        run = running.finish()
    rows = run.rows()
    assert {(r["operation"], r["outcome"], r["error"]) for r in rows} == {
        ("connection.create", "fail", "connect_refused")
    }
    assert run.code == 0


@contextmanager
def busy_server() -> Iterator[str]:
    """Refuses every handshake with a bare 503, and leaves the socket open."""
    held: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connected, _ = server.accept()
                held.append(connected)
                connected.recv(65536)
                connected.sendall(b"HTTP/1.1 503 Busy\x1b[31m\r\nRetry-After: 30\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connected in held:
                connected.close()


def test_refused_handshakes_are_counted_by_status_and_stage(tmp_path: Path) -> None:
    with busy_server() as url, locust(plan_for(tmp_path, url, TINY), ["--processes", "2"]) as running:
        run = running.finish()
    rows = run.rows()
    assert {(r["operation"], r["outcome"], r["error"]) for r in rows} == {
        ("connection.create", "fail", "handshake_rejected")
    }
    failures = connection_failures((w["connection_failures"] for w in run.drained), exact=True)
    assert failures["http_statuses"] == {"503": len(rows)}
    assert (
        {"warm-up", "steady", "storm"} <= set(failures["http_statuses_by_stage"]) <= {"warm-up", "steady", "storm", ""}
    )
    detail = "HTTP 503 Busy\\x1b[31m (Retry-After: 30)"
    assert failures["details"] == [{"error": "handshake_rejected", "detail": detail, "count": len(rows)}]
    assert run.events("tick")[-1]["http_statuses"]["503"] > 0
    assert detail in (tmp_path / "locust.log").read_text()


def test_a_killed_worker_is_named_and_leaves_an_upper_bound(pod: str, tmp_path: Path) -> None:
    with locust(plan_for(tmp_path, pod, TINY.replace("duration: 2s", "duration: 7s")), ["--processes", "2"]) as running:
        running.until("stage")
        running.until("tick")
        victim = psutil.Process(running.process.pid).children()[-1]
        victim.kill()
        while not any(line["state"] == "lost" for line in running.run.events("worker")):
            running.until("worker")
        assert "failed to send heartbeat" not in running.log.read_text(), "seen before Locust misses it"
        run = running.finish()
    (lost,) = [w for w in run.drained if w["error"]]
    assert "was lost" in lost["error"]
    assert lost["in_flight"] is None
    assert any(line["state"] == "lost" and line["worker"] == lost["worker"] for line in run.events("worker"))
    last = max(
        batch["seq"].to_pylist()[-1] for batch in read_batches(run.directory / f"operations-{lost['worker']}.arrows")
    )
    assert lost["reserved"] > max(last, lost["begun"] - 1)
    (kept,) = [w for w in run.drained if not w["error"]]
    assert kept["begun"] == kept["written"]


def test_a_starved_worker_is_not_lost(pod: str, tmp_path: Path) -> None:
    """Locust alone would give it up after three seconds."""
    with locust(plan_for(tmp_path, pod, TINY.replace("duration: 2s", "duration: 8s")), ["--processes", "2"]) as running:
        running.until("stage")
        starved = psutil.Process(running.process.pid).children()[-1]
        run = ticks_without(starved, 6, running)
    assert_nothing_lost(run)
    assert {line["state"] for line in run.events("worker")} == {"joined"}
    slow, fast = sorted((w["stood_still_s"] for w in run.drained), reverse=True)
    assert slow > 4
    assert fast < slow - 1


def ticks_without(worker: psutil.Process, ticks: int, running: Locust) -> LocustRun:
    """So many seconds of a run in which a worker stands still, and the rest of it."""
    worker.suspend()
    try:
        for _ in range(ticks):
            running.until("tick")
    finally:
        worker.resume()
    return running.finish()


def test_workers_end_when_their_master_is_killed(pod: str, tmp_path: Path) -> None:
    with locust(
        plan_for(tmp_path, pod, TINY.replace("duration: 2s", "duration: 60s")), ["--processes", "2"]
    ) as running:
        running.until("stage")
        running.until("tick")
        workers = psutil.Process(running.process.pid).children()
        running.process.kill()
        running.process.wait()
        _, alive = psutil.wait_procs(workers, timeout=15)
        assert alive == []
        assert len(running.run.rows()) > 0


def test_a_remote_worker_sends_its_rows_to_the_master(pod: str, tmp_path: Path) -> None:
    with (
        locust(plan_for(tmp_path, pod, TINY), ["--master", "--expect-workers", "1"]) as running,
        remote_worker(running, tmp_path / "worker.log"),
    ):
        run = running.finish()
    (report,) = run.drained
    assert report["begun"] == report["written"] == len(run.rows()) > 0
    (joined,) = [line for line in run.events("worker") if "remote" in line]
    assert joined["remote"] is True
    assert abs(joined["offset_ns"]) <= joined["error_ns"] + 1_000_000  # the same clock, in truth


@contextmanager
def remote_worker(running: Locust, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "LOADTESTS_TOKEN_SECRET": SECRET, "LOADTESTS_REMOTE_WORKER": "1"}
    worker = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker", "--master-port", running.port]
    with log.open("w") as output, subprocess.Popen(worker, env=environment, stderr=output, stdout=output) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_remote_worker_that_is_starved_for_long_comes_back(pod: str, tmp_path: Path) -> None:
    """For longer than it waits for a master that is silent."""
    scenario = TINY.replace("duration: 2s", "duration: 15s")
    with (
        locust(plan_for(tmp_path, pod, scenario), ["--master", "--expect-workers", "1"]) as running,
        remote_worker(running, tmp_path / "worker.log") as worker,
    ):
        running.until("stage")
        run = ticks_without(psutil.Process(worker.pid), MASTER_SILENT_S + 2, running)
    assert_nothing_lost(run)
    assert {line["state"] for line in run.events("worker")} == {"joined"}


def test_a_killed_remote_worker_is_missed_before_locust_misses_it(pod: str, tmp_path: Path) -> None:
    scenario = TINY.replace("duration: 2s", "duration: 60s")
    with (
        locust(plan_for(tmp_path, pod, scenario), ["--master", "--expect-workers", "1"]) as running,
        remote_worker(running, tmp_path / "worker.log") as worker,
    ):
        running.until("stage")
        running.until("tick")
        worker.kill()
        ticks = len(running.run.events("tick"))
        while not any(line["state"] == "lost" for line in running.run.events("worker")):
            running.until("worker")
        assert len(running.run.events("tick")) - ticks <= 2
        assert "failed to send heartbeat" not in running.log.read_text()


def test_remote_worker_without_the_secret_is_refused(pod: str, tmp_path: Path) -> None:
    token = {"LOADTESTS_JOIN_TOKEN": "a token of the tests"}
    with locust(plan_for(tmp_path, pod, TINY), ["--master", "--expect-workers", "1"], **token) as running:
        environment = {k: v for k, v in os.environ.items() if k != "LOADTESTS_TOKEN_SECRET"} | token
        worker = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker", "--master-port", running.port]
        process = subprocess.Popen(
            worker, env={**environment, "LOADTESTS_REMOTE_WORKER": "1"}, stderr=subprocess.DEVNULL
        )
        try:
            run = running.finish()
        finally:
            process.kill()
            process.wait()
    assert run.code == 64
    assert "needs LOADTESTS_TOKEN_SECRET in its environment" in running.log.read_text()


def test_without_a_worker_one_line_names_the_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 64
    assert "add --processes 1" in done.stderr
    assert "Traceback" not in done.stderr
