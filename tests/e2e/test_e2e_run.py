"""Whole runs by the command that people use: what they leave is complete, readable and free of secrets."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from e2e_harness import Harness, loadtests, write_scenario
from stored_study import keys_left_out, stored_runs

from loadtests.conductor.ports import free_port
from loadtests.conductor.run.locust import LOCUSTFILE
from loadtests.export import export_run
from loadtests.records.rundirectory import RunDirectory, run_directories

pytestmark = pytest.mark.e2e

MANIFEST_KEYS = {
    *("format", "study", "run", "round", "started_at", "storage", "scenario", "seed", "harness", "origin_ns", "clock"),
    *("target", "engine", "host", "packages", "generator", "database_offsets", "lock_sources", "stages", "timeline"),
    *("planned", "servers", "notes", "protocol"),
}
END_KEYS = {
    *("format", "reason", "detail", "ended_ns", "rows", "operations", "late_starts", "generator", "observer"),
    *("connection_failures", "load", "local_errors", "host", "later_rows"),
}


def assert_whole(run: RunDirectory) -> None:
    """A completed run with everything in it and nothing lost."""
    manifest, end, ledger = (run.read(name) for name in ("manifest", "end", "ledger"))
    assert end is not None
    assert end["reason"] == "completed", end
    assert set(manifest) == MANIFEST_KEYS
    assert set(end) == END_KEYS
    assert end["operations"]["lost"] == 0
    assert end["operations"]["begun"] == end["operations"]["written"] > 50
    counted = sum(b.num_rows for b in run.batches("operations"))
    assert counted == end["operations"]["written"]
    assert ledger["checks"]
    assert [check for check in ledger["checks"] if check["verdict"] == "fail"] == []
    stages = [row for b in run.batches("timeline") for row in b.to_pylist()]
    assert [(s["kind"], s["subject"], s["result"]) for s in stages] == [
        ("stage", "warm-up", "ok"),
        ("stage", "steady", "ok"),
    ]
    assert (run.path / "scenario.yaml").read_text().startswith("name: tiny")


def outcomes(run: RunDirectory) -> dict[str, int]:
    from loadtests.records.vocabulary import OUTCOMES

    codes = [code for b in run.batches("operations") for code in b["outcome"].to_pylist()]
    return {name: codes.count(code) for code, name in enumerate(OUTCOMES)}


@contextmanager
def locusts_own(scenario: str, runs: Path) -> Iterator[subprocess.Popen[str]]:
    """The run as Locust's own command makes it."""
    port = str(free_port())
    command = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "--processes", "2"),
        *("--scenario", scenario, "--storage", "sqlite", "--runs-dir", str(runs)),
        *("--master-port", port, "--master-bind-port", port, "--master-bind-host", "127.0.0.1"),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Iterator[Harness]:
    """Two storages, two workers, two rounds."""
    directory = tmp_path_factory.mktemp("compared")
    options = ("--rounds", "2", "--processes", "2", "--storage", "memory", "--storage", "sqlite")
    with loadtests("run", str(write_scenario(directory, 2)), *options, runs=directory / "runs") as harness:
        assert harness.finish(90) == 0, harness.stderr
        yield harness


def test_a_study_is_whole_and_named_in_the_last_line(compared):
    runs = run_directories(compared.study())
    assert [r.name for r in runs] == ["01-memory", "02-sqlite", "03-sqlite", "04-memory"]
    assert [r.read("manifest")["round"] for r in runs] == [1, 1, 2, 2]
    for run in runs:
        assert_whole(run)
        assert len(run.table_files("operations")) == 2
        assert outcomes(run)["ok"] > 50


def test_documents_have_every_key_of_0_3_0(compared, tmp_path):
    run = run_directories(compared.study())[1]
    for stored in stored_runs(tmp_path):
        for name in ("manifest", "end", "ledger"):
            assert keys_left_out(stored.read(name), run.read(name)) == set()


def test_the_observer_saw_generator_and_pod(compared):
    for run in run_directories(compared.study()):
        rows = [row for b in run.batches("resources") for row in b.to_pylist()]
        assert {"generator", "pod", "observer"} <= {row["role"] for row in rows}
        assert run.read("end")["observer"]["blind_s"] < 1


def test_nothing_is_left_behind(compared):
    assert compared.left_behind() == []
    study = compared.study()
    assert [p.name for p in study.iterdir()] and all(p.is_dir() for p in study.iterdir())
    assert not list(study.rglob("storage.sqlite*")) and not list(study.rglob(".reserve"))


def test_progress_is_plain_lines(compared):
    assert re.search(r"^\[1/4 memory\] stage steady: 4 agents, 8 customers/s$", compared.stderr, re.MULTILINE)
    assert "[4/4 memory] done" in compared.stderr


def test_export_merges_workers_and_names_codes(compared, tmp_path):
    run = run_directories(compared.study())[1]
    written = run.read("end")["operations"]["written"]
    assert export_run(run.path, "parquet", tmp_path) == 0
    assert export_run(run.path, "csv", tmp_path) == 0
    parquet = pyarrow.parquet.read_table(tmp_path / "operations.parquet")
    csv = pyarrow.csv.read_csv(tmp_path / "operations.csv")
    assert parquet.num_rows == csv.num_rows == written
    assert set(parquet["writer"].to_pylist()) == {"0", "1"}
    assert "chat.accept" in set(parquet["operation"].to_pylist())
    assert set(parquet["pod"].to_pylist()) == {"pod-1"}
    assert {"ok", "refused", "fail", "unknown"} >= set(csv["outcome"].to_pylist())


@pytest.mark.server
def test_postgres_comes_and_goes_without_a_secret_left(tmp_path, postgres_server):
    runs = tmp_path / "runs"
    with loadtests("run", str(write_scenario(tmp_path, 2)), "--storage", "postgres:optimistic", runs=runs) as harness:
        run = harness.wait_for_rows()
        pod = harness.child("loadtests.pod").environ()
        secrets = [pod["LOADTESTS_TOKEN_SECRET"], pod["LOADTESTS_CONTROL_TOKEN"], _password(pod["LOADTESTS_DSN"])]
        observer = harness.child("loadtests.probes").environ()
        secrets.append(_password(json.loads(observer["LOADTESTS_DSNS"])["postgres"]))
        commands = [" ".join(p.cmdline()) for p in harness.seen.values() if p.is_running()]
        assert harness.finish() == 0, harness.stderr
        assert_whole(run)
        assert run.read("manifest")["engine"]["settings"]["fsync"] == "on"
        calibration = run.read("calibration")
        assert {(f["engine"], f["database"]) for f in calibration["figures"]} == {("postgres", "postgres")}
        assert f"calibration: lock waits of postgres are {'known' if passed(calibration) else 'no evidence'}" in (
            harness.stderr
        )
        assert harness.left_behind() == []
        assert not list(harness.study().glob("server-*"))
    written = [p.read_bytes() for p in runs.rglob("*") if p.is_file()]
    for secret in secrets:
        assert not any(secret.encode() in content for content in written)
        assert secret not in harness.stderr + harness.stdout + "".join(commands)


def passed(calibration) -> bool:
    return {figure["verdict"] for figure in calibration["figures"]} == {"pass"}


def _password(dsn: str) -> str:
    return dsn.split(":")[2].partition("@")[0]


def test_master_and_worker_started_apart(tmp_path):
    scenario = str(write_scenario(tmp_path, 2))
    address = f"127.0.0.1:{free_port()}"
    options = ("--storage", "memory", "--master", "--expect-workers", "1", "--bind", address)
    with (
        loadtests("run", scenario, *options, runs=tmp_path / "master") as master,
        loadtests("run", "--worker", address, runs=tmp_path / "worker") as worker,
    ):
        assert master.finish() == 0, master.stderr
        worker.finish()
        assert_whole(run_directories(master.study())[0])


def test_locusts_own_command_makes_the_same_run(tmp_path):
    with locusts_own(str(write_scenario(tmp_path, 2)), tmp_path / "runs") as locust:
        _, errors = locust.communicate(timeout=60)
    assert locust.returncode == 0, errors
    (study,) = (tmp_path / "runs").iterdir()
    (run,) = run_directories(study)
    assert_whole(run)
    assert run.read("manifest")["generator"]["processes"] == 2
