"""The observer beside a real Redis."""

import asyncio
import threading
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from observers import observing

from loadtests.probes.contract import Database
from loadtests.probes.redis.probe import NO_SLOWLOG, Busy, RedisProbe, Slow, SlowLog, operation, spread
from loadtests.servers.contract import DatabaseServer

PERIOD_S = 0.1
WORK = """-- count_up
local function us() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local ends = us() + ARGV[1] repeat until us() >= ends return 1"""
"""Keeps the thread busy for so many microseconds."""


def test_clients_are_counted_by_what_they_wait_for(tmp_path: Path, redis_server: DatabaseServer) -> None:
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


def test_busy_time_is_exact_and_no_tick_failed(tmp_path: Path, redis_server: DatabaseServer) -> None:
    """The pod's way: EVALSHA with its operation in a key that is not used. A foreign script names itself."""
    with redis.Redis.from_url(redis_server.dsn) as client:
        sha = client.script_load(WORK)
        client.evalsha(sha, 0, 20_000)  # from before the first sample
        with observing(tmp_path, {"redis:redis": redis_server.dsn}) as observer:
            observer.until_tick(lambda t: t["error"] is None, probe="redis")
            client.evalsha(sha, 2, "{a}:", "{a}:/*chat.accept@pod-1*/", 700_000)
            client.eval(WORK, 0, 50_000)
            took_us = {entry["id"]: entry["duration"] for entry in client.slowlog_get(2)}
            observer.until_tick(lambda t: t["rows"] > 10, probe="redis")  # the next second's totals
            observer.stop()
    eval_us, accept_us = took_us.values()
    values = {name: [r["value"] for r in observer.rows("counters") if r["counter"] == name] for name in COUNTED}
    assert [v[-1] for v in values.values()] == [accept_us, 1, eval_us, 1]
    spent = [r["value"] for r in observer.rows("counters") if r["counter"] == "command_us:evalsha"]
    assert spent[-1] - spent[0] == accept_us
    assert observer.ready["lock_sources"]["redis"]["known"] == ["counter"]
    running = [r for r in observer.rows("sessions") if (r["wait_class"], r["operation"]) == ("running", "evalsha")]
    assert [r["sessions"] for r in running] == [1] * (accept_us // 100_000)
    ticks = observer.ticks("redis")
    starts = sorted(t["started_ns"] for t in ticks)
    assert [t["error"] for t in ticks] == [None] * len(ticks)
    assert max(after - before for before, after in pairwise(starts)) <= 3 * PERIOD_S * 1e9


COUNTED = ("slow_us:chat.accept", "slow_calls:chat.accept", "slow_us:count_up", "slow_calls:count_up")


def test_a_server_that_answers_busy_is_seen_to_be_busy(tmp_path: Path, redis_server: DatabaseServer) -> None:
    with redis.Redis.from_url(redis_server.dsn) as client:
        before = client.config_get("lua-time-limit")["lua-time-limit"]
        client.config_set("lua-time-limit", 100)
        try:
            with observing(tmp_path, {"redis:redis": redis_server.dsn}) as observer:
                observer.until_tick(lambda t: t["error"] is None, probe="redis")
                client.eval(WORK, 0, 800_000)
                observer.until_tick(lambda t: t["error"] is None, probe="redis")
                observer.stop()
        finally:
            client.config_set("lua-time-limit", before)
    running = [r for r in observer.rows("sessions") if (r["wait_class"], r["operation"]) == ("running", "eval")]
    assert [r["sessions"] for r in running] == [1] * 8
    assert [t["error"] for t in observer.ticks("redis") if t["error"]] == []


def test_without_the_slow_log_the_source_names_what_is_missing(redis_server: DatabaseServer) -> None:
    async def observe() -> tuple[RedisProbe, set[str]]:
        probe = RedisProbe(Database("redis", "redis"), limited, time.monotonic_ns)
        await probe.open()
        rows = await probe.sample()
        await probe.close()
        return probe, {name for _, _, _, name, _ in rows["counters"]}

    at = urlsplit(redis_server.dsn)
    limited = f"redis://limited:secret@{at.hostname}:{at.port}/0"
    with redis.Redis.from_url(redis_server.dsn) as client:
        client.acl_setuser("limited", enabled=True, passwords="+secret", commands=["+@all", "-slowlog"], keys=["*"])
        try:
            probe, counted = asyncio.run(observe())
        finally:
            client.acl_deluser("limited")
    assert probe.source is not None
    assert probe.source.reason == NO_SLOWLOG
    assert {"command_us:info", "command_calls:info"} <= counted


def test_totals_and_slow_commands_are_of_one_moment(redis_server: DatabaseServer) -> None:
    """Scripts one after the other, so that there are always some between two questions of a probe."""

    async def observe(client: redis.Redis) -> list[dict[str, int]]:
        probe = RedisProbe(Database("redis", "redis"), redis_server.dsn, time.monotonic_ns)
        await probe.open()
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(None, lambda: [client.eval(WORK, 0, 30_000) for _ in range(90)])
        readings = []
        while not working.done():
            if counted := (await probe.sample()).get("counters"):
                readings.append({name: value for _, _, _, name, value in counted})
        await working
        await probe.close()
        return readings

    with redis.Redis.from_url(redis_server.dsn) as client:
        readings = asyncio.run(observe(client))
    calls = [reading["command_calls:eval"] for reading in readings]
    slow = [reading.get("slow_calls:count_up", 0) for reading in readings]
    assert calls[-1] - calls[0] > 30
    assert [n - calls[0] for n in calls] == [n - slow[0] for n in slow]


def info_reply(run_id: str, **usec: int) -> dict[str, object]:
    return {"run_id": run_id, **{f"cmdstat_{name}": {"usec": used} for name, used in usec.items()}}


def test_time_is_counted_in_whole_periods_and_nothing_is_lost() -> None:
    busy = Busy(100)
    assert busy.since(info_reply("a", evalsha=1000)).total() == 0  # from before the first sample
    assert [busy.since(info_reply("a", evalsha=1000 + used))["running", "evalsha"] for used in (60, 120, 330)] == [
        0,
        1,
        2,
    ]


def test_a_server_that_was_started_anew_begins_at_nothing() -> None:
    busy = Busy(100)
    busy.since(info_reply("a", evalsha=5000))
    assert busy.since(info_reply("b", evalsha=250))["running", "evalsha"] == 2
    assert busy.since(info_reply("b", evalsha=310))["running", "evalsha"] == 1


def test_periods_are_spread_over_samples_that_waited() -> None:
    spread_periods = spread({("running", "evalsha"): 2, ("running", "get"): 0, ("running", "eval"): 5}, 3)
    assert [observe["running", "evalsha"] for observe in spread_periods] == [0, 1, 1]
    assert [observe["running", "eval"] for observe in spread_periods] == [1, 1, 3]
    assert [observe["running", "get"] for observe in spread_periods] == [0, 0, 0]


@pytest.mark.parametrize(
    ("command", "client", "operation_"),
    [
        (("EVALSHA", "6c795dd975c3", "2", "{a}:", "{a}:/*chat.accept@pod-1*/", "x"), "pod-1", "chat.accept"),
        (("EVALSHA", "6c795dd975c3", "0", "50000"), "chat.close@pod-2", "chat.close"),
        (("EVALSHA", "6c795dd975c3", "0", "50000"), "pod-1", "evalsha 6c795dd9"),
        (("EVAL", "-- accept_chat\nlocal x", "0"), "", "accept_chat"),
        (("EVAL", "return 1", "0"), "", "eval"),
        (("FCALL", "accept", "0", "30000"), "", "accept"),
        (("CONFIG", "GET", "*"), "", "config get"),
        (("KEYS", "*"), "redis-cli", "keys"),
        (("SET", "k", "/*"), "", "set"),
        ((), "", "untold"),
    ],
)
def test_commands_are_named_by_their_comments(command: tuple[str, ...], client: str, operation_: str) -> None:
    assert operation(command, client) == operation_


def slow(*numbers: int) -> list[Slow]:
    return [Slow(number, 1000 + number, ("KEYS", "*"), "") for number in numbers]


def test_slow_log_is_added_once_with_its_dropped_entries() -> None:
    log = SlowLog()
    log.serve("a")
    assert log.news(7) == 0  # from before the first sample
    assert log.news(9) == 2
    log.add(slow(10, 9, 8, 7))
    assert log.totals == {"slow_us:keys": 3027, "slow_calls:keys": 3}
    assert log.news(None) == 0  # it was emptied
    assert log.news(14) == 4
    log.add(slow(14, 13))
    assert log.totals["slow_calls_unread"] == 2
    assert log.totals["slow_calls:keys"] == 5
    log.serve("b")  # started anew: its numbers begin at nothing
    assert log.news(0) == 1
    log.add(slow(0))
    assert log.totals["slow_calls:keys"] == 6


@pytest.mark.parametrize(
    "text",
    ["/*carol.smith*/", "please/*carol.smith@example.com*/", "/*carol@home*/x", "please /*carol@home*/ x", "-- carol"],
)
def test_text_of_users_is_no_operation(text: str) -> None:
    assert operation(("SET", "chat:1", text), "") == "set"


def test_text_of_users_is_no_operation_on_a_real_server(tmp_path: Path, redis_server: DatabaseServer) -> None:
    """A message among the arguments of a script that lasts."""
    with redis.Redis.from_url(redis_server.dsn) as client, observing(tmp_path, {"redis:redis": redis_server.dsn}) as o:
        o.until_tick(lambda t: t["error"] is None, probe="redis")
        client.eval(WORK, 1, "chat:carol", 50_000, "call /*carol@home*/ please")
        o.until_tick(lambda t: t["rows"] > 10, probe="redis")
        o.until_tick(lambda t: t["rows"] > 10, probe="redis")
        o.stop()
    counted = {r["counter"] for r in o.rows("counters")}
    assert "slow_us:count_up" in counted
    assert not [name for name in counted if "carol" in name]
