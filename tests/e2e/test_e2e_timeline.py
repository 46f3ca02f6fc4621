"""Runs with actions: each by real means on real pods and servers, recorded, and reverted at the end."""

import json
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e_harness import Harness, loadtests, wait_for

from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import codes_of

pytestmark = [pytest.mark.e2e, pytest.mark.server]

SCENARIO = """\
name: tiny
seed: 11
locales: [en_GB]
pods: [{name: canary}, {name: "17", weight: 2}]
{head}
agent: {{subscriptions: 1, think: {{median: 50ms, sigma: 0.3}}, chats_at_once: 4, session: 4s, churn: 2s}}
customer: {{arrivals: poisson, patience: 2s, messages: {{min: 1, max: 2}}, pause: {{median: 50ms, sigma: 0.3}}}}
timeouts: {{default: 2s}}
stages:
  - {{name: warm-up, duration: 1s, agents: 6, arrivals_per_s: 8}}
  - {{name: steady, duration: {steady_s}s, agents: 6, arrivals_per_s: 8, judge: true}}
timeline:
{actions}
""".replace('{name: canary}, {name: "17", weight: 2}', '{{name: canary}}, {{name: "17", weight: 2}}')


def play(tmp_path: Path, storage: str, *actions: str, head: str = "", steady_s: int = 5) -> Any:
    path = tmp_path / "tiny.yaml"
    lines = "\n".join(f"  - {{stage: steady, {action}}}" for action in actions)
    path.write_text(SCENARIO.format(head=head, steady_s=steady_s, actions=lines))
    return loadtests("run", str(path), "--storage", storage, runs=tmp_path / "runs")


def actions(run: RunDirectory) -> list[dict[str, Any]]:
    rows = [row for batch in run.batches("timeline") for row in batch.to_pylist() if row["kind"] == "action"]
    return [{**row, **json.loads(row["detail"])} for row in rows]


def pods_of(run: RunDirectory, *, after_ns: int, before_ns: int, outcomes: tuple[int, ...]) -> Counter[str]:
    """Pod → operations that were begun between the two moments and ended with one of these outcomes."""
    return Counter(
        codes_of(batch.schema)["pod"][row["pod"]]
        for batch in run.batches("operations")
        for row in batch.to_pylist()
        if row["started_ns"] is not None and after_ns <= row["started_ns"] < before_ns and row["outcome"] in outcomes
    )


def hurt(run: RunDirectory, action: dict[str, Any]) -> set[str]:
    """The pods whose people got an error, or waited for more than a second, for what they began in the meantime."""
    return {
        codes_of(batch.schema)["pod"][row["pod"]]
        for batch in run.batches("operations")
        for row in batch.to_pylist()
        if row["started_ns"] is not None
        and action["started_ns"] <= row["started_ns"] < action["ended_ns"]
        and (row["outcome"] in FAIL or row["ended_ns"] - row["started_ns"] > 1_000_000_000)
    }


OK, FAIL = (0,), (2, 3)


def done(harness: Harness, code: int = 0) -> RunDirectory:
    assert harness.finish(90) == code, harness.stderr
    run = harness.directory()
    assert run is not None
    assert harness.left_behind() == []
    assert sorted(p.name for p in run.path.parent.iterdir() if p.name.startswith("server")) == []
    return run


def test_pods_have_accounts_of_their_own(tmp_path):
    with play(tmp_path, "memory", "do: sweep") as harness:
        run = done(harness)
    pods = run.read("manifest")["target"]["pods"]
    assert [(p["name"], p["accounts"], p["weight"]) for p in pods] == [
        ("canary", ["account-0001"], 1),
        ("17", ["account-0002"], 2),
    ]
    begun = pods_of(run, after_ns=0, before_ns=2**62, outcomes=OK)
    assert begun["17"] > begun["canary"] > 0
    accounts = {(r["pod"], r["account"]) for b in run.batches("operations") for r in b.to_pylist()}
    assert accounts == {(0, 0), (1, 1)}


def test_a_killed_pod_hurts_its_own_people_and_comes_back(tmp_path):
    # A busy machine takes seconds to start it again.
    with play(tmp_path, "sqlite", 'after: 1s, do: kill, pods: ["17"], for: 1s', steady_s=10) as harness:
        run = done(harness)
    (action,) = actions(run)
    assert (action["result"], action["subject"], action["pods"]) == ("ok", "pod 17", ["17"])
    assert action["ended_ns"] - action["started_ns"] >= 1_000_000_000
    assert hurt(run, action) == {"17"}
    after = pods_of(run, after_ns=action["ended_ns"] + 500_000_000, before_ns=2**62, outcomes=OK)
    assert after["17"] > 0
    assert [p.name for p in run.table_files("transactions")] == [
        "transactions-17-2.arrows",
        "transactions-17.arrows",
        "transactions-canary.arrows",
    ]


def test_a_held_lock_is_seen_as_the_stuck_transaction_that_it_is(tmp_path):
    action = 'after: 1s, do: hold, operation: chat.accept, pods: ["17"], for: 1500ms'
    with play(tmp_path, "postgres:pessimistic", action) as harness:
        run = done(harness)
    (action,) = actions(run)
    assert action["result"] == "ok"
    assert action["found"]["rows_locked"] >= 1
    waits = [row for b in run.batches("lock_waits") for row in b.to_pylist()]
    roots = {row["root_operation"] for row in waits if row["started_ns"] > action["started_ns"]}
    assert any("stuck" in (root or "") for root in roots), roots


def test_a_database_may_be_killed_resized_and_recover_under_a_run_that_goes_on(tmp_path):
    with play(
        tmp_path,
        "postgres:optimistic",
        "after: 500ms, do: kill, database: postgres, for: 500ms",
        "after: 1s, do: resize, connections: 60, memory_mb: 64",  # before it has recovered
        "after: 10s, do: maintain, what: analyze, statements: {postgres: ANALYZE}",
        steady_s=13,
    ) as harness:
        run = done(harness)
    results = [(a["do"], a["result"]) for a in actions(run)]
    assert results == [("kill", "ok"), ("resize", "ok"), ("maintain", "ok")], actions(run)
    kill, resize, _ = actions(run)
    assert resize["started_ns"] >= kill["ended_ns"]
    assert resize["waited_s"] > 0
    assert resize["words"].endswith(" s in the queue")
    assert run.read("end")["reason"] == "completed"
    last = pods_of(run, after_ns=actions(run)[-1]["ended_ns"], before_ns=2**62, outcomes=OK)
    assert set(last) == {"canary", "17"}
    assert {c["check"]: c["verdict"] for c in run.read("ledger")["checks"]}["lost_messages"] == "pass"


@pytest.mark.parametrize("how", ["reset", "blackhole"])
def test_a_cut_network_is_felt_by_the_pod_behind_it_only(tmp_path, how):
    action = f'after: 1s, do: cut, how: {how}, pods: ["17"], for: 1500ms'
    with play(tmp_path, "postgres:optimistic", action) as harness:
        run = done(harness)
    (action,) = actions(run)
    assert action["result"] == "ok", action
    # Reset is refused at once, a black hole is waited in: either is felt.
    assert hurt(run, action) == {"17"}


def test_a_dual_storage_migrates_there_and_back_without_losing_anything(tmp_path):
    with play(
        tmp_path,
        "dual(sqlite,postgres:optimistic)",
        "after: 1s, do: migrate, to: dual",
        "after: 3s, do: migrate, to: upgraded, pods: [canary]",
        "after: 4s, do: migrate, to: upgraded",
        "after: 6s, do: migrate, to: legacy, share: 50",
        "after: 7s, do: migrate, to: legacy",
        head="starts_on: legacy",
        steady_s=9,
    ) as harness:
        run = done(harness)
    assert [a["result"] for a in actions(run)] == ["ok"] * 5, actions(run)
    assert [a["found"]["moved"] for a in actions(run)][:3] == [2, 1, 1]
    checks = {c["check"]: c for c in run.read("ledger")["checks"]}
    for check in ("accepted_twice", "lost_accepts", "lost_messages"):
        assert checks[check]["verdict"] == "pass", checks[check]


def test_a_pod_that_dies_amid_a_move_leaves_the_others_moved_and_the_ledger_in_doubt(tmp_path):
    with play(
        tmp_path,
        "dual(sqlite,postgres:optimistic)",
        "after: 1s, do: pause, database: upgraded, for: 3s",
        "after: 1500ms, do: migrate, to: dual",
        'after: 2s, do: kill, pods: ["17"], for: 500ms',
        head="starts_on: legacy",
        steady_s=6,
    ) as harness:
        run = done(harness)
    move = next(a for a in actions(run) if a["do"] == "migrate")
    assert move["result"] == "failed"
    assert move["error"].startswith("pod 17, POST /storage: ")
    checks = {c["check"]: c for c in run.read("ledger")["checks"]}
    assert checks["lost_messages"]["verdict"] == "unknown"
    assert checks["lost_messages"]["reason"] == "the outcome of a move of the accounts of 17 is unknown"
    last_ns = max(a["ended_ns"] for a in actions(run))
    assert set(pods_of(run, after_ns=last_ns, before_ns=2**62, outcomes=OK)) == {"canary", "17"}


def test_failed_action_is_reported_and_the_run_goes_on(tmp_path):
    with play(
        tmp_path, "postgres:optimistic", "do: maintain, what: nonsense, statements: {postgres: VACUUM x}"
    ) as harness:
        run = done(harness)
    (action,) = actions(run)
    assert action["result"] == "failed"
    assert action["error"] == 'PostgreSQL: relation "x" does not exist'
    assert "action failed: nonsense on database" in harness.stderr


def test_a_worker_that_stands_still_makes_a_saturated_generator_and_no_lost_worker(tmp_path):
    with play(tmp_path, "memory", "after: 1s, do: pause, worker: true, for: 5s", steady_s=8) as harness:
        run = done(harness)
    end = run.read("end")
    assert (end["reason"], end["operations"]["lost"]) == ("completed", 0)
    assert end["generator"]["saturated"] is True
    assert max(w["stood_still_s"] for w in end["generator"]["workers"]) > 4


def test_ctrl_c_reverts_actions(tmp_path):
    with play(tmp_path, "postgres:optimistic", "do: pause, database: postgres, for: 50s", steady_s=60) as harness:
        harness.wait_for_rows()
        wait_for(lambda: harness.directory() and server_stands_still(harness))
        harness.process.send_signal(signal.SIGINT)
        run = done(harness, 130)
    (action,) = actions(run)
    assert (action["do"], action["result"]) == ("pause", "unfinished")
    assert {c["check"]: c["verdict"] for c in run.read("ledger")["checks"]}["lost_messages"] == "pass"


def test_ctrl_c_starts_a_killed_pod_again(tmp_path):
    with play(tmp_path, "sqlite", 'do: kill, pods: ["17"], for: 50s', steady_s=60) as harness:
        harness.wait_for_rows()
        pod = harness.child("loadtests.pod", "--name 17")
        wait_for(lambda: not pod.is_running() or pod.status() == psutil.STATUS_ZOMBIE)
        harness.process.send_signal(signal.SIGINT)
        run = done(harness, 130)
    (action,) = actions(run)
    assert (action["do"], action["result"], action.get("error")) == ("kill", "unfinished", "the run ended before it")
    assert "transactions-17-2.arrows" in [p.name for p in run.table_files("transactions")]


def server_stands_still(harness: Harness) -> bool:
    """Nothing on disk says that an action has begun: its server's processes do."""
    for process in harness.seen.values():
        with suppress(psutil.Error):
            if "postgres" in process.name() and process.status() == psutil.STATUS_STOPPED:
                return True
    return False


@pytest.mark.parametrize(
    ("action", "storage", "message"),
    [
        ("do: migrate, to: dual", "sqlite", "expected a dual storage to migrate"),
        ("do: resize, cores: 1", "memory", "expected a storage with a server: memory has none"),
        ('do: kill, pods: ["18"], for: 1s', "memory", "expected one of canary, 17"),
        ("after: 9s, do: sweep", "memory", "expected less than the stage lasts (5s)"),
    ],
)
def test_impossible_action_is_refused_before_the_start(tmp_path, action, storage, message):
    with play(tmp_path, storage, action) as harness:
        assert harness.finish(20) == 64
    assert message in harness.stderr
    assert "tiny.yaml:13: timeline[0]" in harness.stderr
    assert not (tmp_path / "runs").exists()
