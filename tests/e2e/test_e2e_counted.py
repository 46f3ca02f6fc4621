"""What real servers count and how real transactions end, from the run to the report."""

import json

import pytest
import redis
from e2e_harness import loadtests, write_scenario

from reports.report_command import main as report

pytestmark = [pytest.mark.e2e, pytest.mark.server]
BLOCK = """-- report_build
local function us() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local ends = us() + 300000 repeat until us() >= ends return 1"""
"""Keeps the thread for 0.3 s."""


@pytest.fixture(scope="module")
def summary(tmp_path_factory, redis_server, mariadb_server):
    """The summary of a run on each. A client's script blocks the run's Redis, whose totals are reset during the run.
    `*_server`: such servers are here."""
    directory = tmp_path_factory.mktemp("counted")
    storages = ("--storage", "redis", "--storage", "mariadb")
    with loadtests("run", str(write_scenario(directory, 10)), *storages, runs=directory / "runs") as harness:
        harness.wait_for_rows(60)
        dsns = json.loads(harness.child("loadtests.probes").environ()["LOADTESTS_DSNS"])
        with redis.Redis.from_url(dsns["redis"]) as client:
            blocked = block_until_counted(harness, client)
            client.config_resetstat()
            client.eval(BLOCK, 0)
        assert harness.finish(110) == 0, harness.stderr
        assert report([str(harness.study())]) == 0
        summary = json.loads((harness.study() / "report" / "summary.json").read_text())
        return {**summary, "blocked": blocked + 1}


def block_until_counted(harness, client):
    """Until three readings have had more and more, whenever they come on this machine: they are a second apart, and the
    warm-up is over in one. Returns how often it blocked."""
    for number in range(1, 60):
        client.eval(BLOCK, 0)
        rows = [row for batch in harness.directory().batches("counters") for row in batch.to_pylist()]
        if len({row["value"] for row in rows if row["counter"] == "slow_calls:report_build"}) == 3:
            return number
    raise AssertionError("no reading had it")


def test_redis_thread_use_and_blocking_client_are_reported(summary):
    found = summary["storages"]["redis"]["counted"]["redis"]
    thread = found["thread"]
    assert 0 < thread["busy"][0] <= thread["busy"][1] <= 1
    assert {"eval", "evalsha"} <= {command["name"] for command in thread["commands"] if command["calls"]}
    (slow,) = [slow for slow in thread["slow"] if slow["operation"] == "report_build"]
    assert 1 <= slow["calls"] <= summary["blocked"]
    assert slow["seconds"] >= 0.3 * slow["calls"]


def test_totals_that_were_set_back_are_of_a_part_and_never_negative(summary):
    found = summary["storages"]["redis"]["counted"]["redis"]
    assert (found["known"], found["resets"]) == ("counter", 1)
    assert 0 < found["seen"] < 1
    assert min(found["growth"].values()) >= 0
    assert [caveat for caveat in summary["caveats"] if "totals of redis were reset once" in caveat]


def test_mariadb_counts_lock_waits_beside_sampled_ones(summary):
    found = summary["storages"]["mariadb"]["counted"]["mariadb"]
    assert (found["known"], found["resets"]) == ("counter", 0)
    assert found["growth"]["commits"] > 0
    assert found["growth"]["deadlocks"] == 0
    low, high = found["row_waits_s"]
    assert high - low == pytest.approx(found["growth"]["lock_waits"] / 1000)
    assert found["row_waits_sampled"]["interval_s"][1] > 0


def test_how_transactions_ended_is_known_of_both(summary):
    for storage in ("redis", "mariadb"):
        ended = {row["operation"]: row for row in summary["storages"][storage]["transactions"]}
        accept = ended["chat.accept"]
        assert accept["outcomes"]["committed"] > 0
        assert sum(accept["outcomes"].values()) == accept["attempts"]
