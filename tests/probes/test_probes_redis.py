"""The observer beside a real Redis."""

import threading
from pathlib import Path

import redis
from observers import observing

from loadtests.probes.redis import Busy
from loadtests.servers.contract import Server

PERIOD_S = 0.1


def test_clients_are_told_by_what_they_wait_for(tmp_path: Path, redis_server: Server) -> None:
    blocked, idle, busy = (redis.Redis.from_url(redis_server.dsn) for _ in range(3))
    busy.eval("return 1", 0)
    before_us = busy.info("commandstats")["cmdstat_eval"]["usec"]
    waiting = threading.Thread(target=blocked.blpop, args=(["nothing"], 30))
    with observing(tmp_path, {"upgraded:redis": redis_server.dsn}) as observer:
        observer.until_tick(lambda t: t["error"] is None, probe="redis:upgraded")
        waiting.start()
        for _ in range(20):
            busy.eval("local n = 0 for i = 1, 3000000 do n = n + 1 end return n", 0)
        observer.until_tick(lambda t: t["error"] is None, probe="redis:upgraded")
        observer.stop()
    idle.rpush("nothing", "something")
    waiting.join(30)
    spent_s = (busy.info("commandstats")["cmdstat_eval"]["usec"] - before_us) / 1e6
    for client in (blocked, idle, busy):
        client.close()
    offset = observer.ready["database_offsets"]["upgraded"]
    assert abs(offset["offset_ns"]) <= offset["error_ns"] + 1000
    rows = observer.rows("sessions")
    assert {(r["engine"], r["database"]) for r in rows} == {("redis", "upgraded")}
    assert max(r["sessions"] for r in rows if r["wait_class"] == "other") == 1
    assert max(r["sessions"] for r in rows if r["wait_class"] == "client") >= 1
    running_s = sum(r["sessions"] for r in rows if (r["wait_class"], r["operation"]) == ("running", "eval")) * PERIOD_S
    assert spent_s - PERIOD_S <= running_s <= spent_s
    assert observer.rows("lock_waits") == []


def told(run_id: str, **usec: int) -> dict[str, object]:
    return {"run_id": run_id, **{f"cmdstat_{name}": {"usec": used} for name, used in usec.items()}}


def test_time_is_counted_in_whole_periods_and_nothing_is_lost() -> None:
    busy = Busy(100)
    assert busy.since(told("a", evalsha=1000)).total() == 0  # from before we looked
    assert [busy.since(told("a", evalsha=1000 + used))["running", "evalsha"] for used in (60, 120, 330)] == [0, 1, 2]


def test_a_server_that_was_started_anew_begins_at_nothing() -> None:
    busy = Busy(100)
    busy.since(told("a", evalsha=5000))
    assert busy.since(told("b", evalsha=250))["running", "evalsha"] == 2
    assert busy.since(told("b", evalsha=310))["running", "evalsha"] == 1
