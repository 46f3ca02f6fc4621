"""Growth of servers' totals in the judged time, compared with sampling, and the use of Redis's thread."""

import numpy as np
import pytest
from counter_rows import counters, thread
from studies import NS, Op, write_run
from waiting import only, wait

from reports.analysis.study import find
from reports.data.contract import CounterGrowth
from reports.data.counters import counted_together, growth
from reports.data.runs import read_study
from reports.findings.locks import counted_wait_s
from reports.findings.redis_thread import thread_of
from reports.text.story import story

JUDGED = [(5 * NS, 15 * NS)]


def grown(*totals, at=range(17), judged=JUDGED):
    """Of one counter, or of several side by side."""
    return growth(np.array(at) * NS, np.array(totals, dtype=float).T, list("abc")[: len(totals)], judged)


def study_of(study, rows, name="01-mariadb", **tables):
    write_run(study, name, operations=[Op("chat.accept")] * 50, tables={"counters": rows, **tables})
    return only(study)


def test_growth_is_of_the_judged_time_only():
    found = grown([10 * second for second in range(17)])
    assert (found.grown, found.seen_s, found.seen, found.whole) == ({"a": 100}, 10.0, 1.0, True)


def test_growth_uses_the_nearest_readings():
    found = growth(np.arange(16) * NS + NS // 3, np.arange(16.0)[:, None] * 7, ["a"], JUDGED)
    assert (found.grown, found.seen_s) == ({"a": 70}, 10.0)


def test_a_gap_between_readings_hides_nothing():
    found = grown([0, 6, 7, 14, 16], at=[0, 6, 7, 14, 16], judged=[(6 * NS, 14 * NS)])
    assert (found.grown, found.whole) == ({"a": 8}, True)


def test_totals_without_readings_are_unknown_not_zero():
    for at in ([], [3], [3, 4], [16, 17]):
        found = grown(range(len(at)), at=at)
        assert (found.grown, found.seen, found.whole, found.per_s("a")) == ({}, 0.0, False, None)


def test_totals_that_fall_leave_their_second_out_of_all_counters():
    """The other counter of the server grew beyond its old value: its growth before the reset is unknown."""
    fell, grew = [*range(100, 110), *range(7)], [*range(10), *range(50, 57)]
    found = grown(fell, grew)
    assert (found.grown, found.resets, found.seen_s) == ({"a": 9, "b": 9}, 1, 9.0)
    assert not found.whole


def test_totals_that_disappear_were_reset():
    found = grown([*range(10), *[np.nan] * 4, 1, 2, 3], [*range(10), *range(20, 27)])
    assert (found.resets, found.grown) == (1, {"a": 5 + 1 + 0, "b": 9})


def test_a_total_that_is_not_there_yet_has_counted_nothing():
    found = grown([*[np.nan] * 8, *range(3, 12)])
    assert (found.grown, found.resets) == ({"a": 10}, 0)


def test_a_total_that_never_comes_is_none():
    assert grown([np.nan] * 17, range(17)).grown == {"b": 10}


def test_round_without_counters_makes_the_sum_partial():
    one = CounterGrowth("redis", 10.0, 10.0, 0, {"a": 5})
    both = counted_together([{"redis": one}, {"redis": one}], [10.0, 10.0])["redis"]
    assert (both.grown, both.seen, both.whole) == ({"a": 10}, 1.0, True)
    half = counted_together([{"redis": one}, {}], [10.0, 10.0])["redis"]
    assert (half.engine, half.grown, half.seen, half.whole) == ("redis", {"a": 5}, 0.5, False)


def test_unreached_database_is_unknown_unwatched_one_absent(tmp_path):
    write_run(tmp_path, "01-redis", manifest={"lock_sources": {"redis": {"known": ["counter"]}}})
    write_run(tmp_path, "02-sqlite")
    redis, sqlite = find("study", read_study(tmp_path)).storages
    assert (redis.counted["redis"].seen, redis.counted["redis"].grown) == (0.0, {})
    assert sqlite.counted == {}


# --- Redis ---


def test_thread_use_has_bounds_when_scripts_call_commands(tmp_path):
    found = thread_of(study_of(tmp_path, thread(evalsha=500_000, hset=200_000, info=100_000)).counted["redis"])
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.8))
    assert [(c.name, c.calls) for c in found.commands] == [("evalsha", 1000), ("hset", 1000), ("info", 1000)]
    assert found.commands[0].mean_s == pytest.approx(0.005)


def test_without_scripts_it_is_known_and_never_more_than_all(tmp_path):
    found = thread_of(study_of(tmp_path, thread(get=700_000, set=600_000)).counted["redis"])
    assert (found.low, found.high) == (1.0, 1.0)


def test_blocking_commands_and_unread_ones_are_reported(tmp_path):
    rows = counters(
        {
            "command_us:evalsha": 9,
            "slow_us:chat.accept": [*[None] * 8, *[1_500_000] * 9],
            "slow_calls:chat.accept": [*[None] * 8, *[1] * 9],
            "slow_calls_unread": [*[0] * 9, *[4] * 8],
        },
        "redis",
        "redis",
    )
    found = thread_of(study_of(tmp_path, rows).counted["redis"])
    (slow,) = found.slow
    assert (slow.operation, slow.calls, slow.mean_s, slow.share, found.unread) == ("chat.accept", 1, 1.5, 0.15, 4)


def test_other_engines_have_no_thread(tmp_path):
    assert thread_of(study_of(tmp_path, counters({"commits": 3})).counted["mariadb"]) is None


# --- MariaDB ---


def row_waits(hits, **more):
    """Row lock waits in the judged time, each with one observation."""
    columns = {"engine": "mariadb", "database": "mariadb", "hits": 1, "outcome": "unknown", **more}
    began_ms = [100 + 9_000 * i / hits for i in range(hits)]
    return [wait(i, 99, ms, ms + 190, known="sampled", **columns) for i, ms in enumerate(began_ms)]


SAMPLE_ROWS = [("mariadb", t * NS // 5, t * NS // 5, t * NS // 5 + 1, 0, None, NS // 5) for t in range(80)]


def mariadb(study, counted_ms, waits, count=5):
    """Its totals by numbers a second, or as they were second by second."""
    rows = counters({"lock_wait_ms": counted_ms, "lock_waits": count, "deadlocks": 0})
    return study_of(study, rows, lock_waits=waits, ticks=SAMPLE_ROWS)


def doubts(study):
    return [text for text in lines(study) if "the server counted" in text]


def lines(study):
    return [doubt.line for doubt in story(find("study", read_study(study))).doubts]


def test_a_total_lies_within_a_millisecond_a_wait(tmp_path):
    storage = mariadb(tmp_path, 2_000, row_waits(100))
    assert counted_wait_s(storage.counted["mariadb"]) == (20.0, 20.05)


def test_totals_that_agree_are_not_doubted(tmp_path):
    storage = mariadb(tmp_path, 2_000, row_waits(100))
    assert storage.sampled["mariadb"].seconds == pytest.approx(20.0, rel=0.02)
    assert doubts(tmp_path) == []


@pytest.mark.parametrize("counted_ms", [1_000, 4_000])
def test_totals_that_differ_beyond_errors_are_doubted(tmp_path, counted_ms):
    mariadb(tmp_path, counted_ms, row_waits(100))
    (text,) = doubts(tmp_path)
    assert "sampled row lock waits of mariadb add up to 20 s" in text
    assert f"the server counted {counted_ms // 100} s of the same waits" in text


def test_few_observations_are_no_contradiction(tmp_path):
    mariadb(tmp_path, 100, row_waits(2))
    assert doubts(tmp_path) == []


def test_waits_that_the_server_does_not_count_are_left_out(tmp_path):
    storage = mariadb(tmp_path, 0, row_waits(100, object="relation accounts"))
    assert storage.sampled["mariadb"].seconds == 0.0
    assert doubts(tmp_path) == []


def test_a_round_that_was_not_sampled_is_compared_with_nothing(tmp_path):
    mariadb(tmp_path, 4_000, row_waits(100))
    rows = counters({"lock_wait_ms": 4_000, "lock_waits": 5})
    failed = [(*tick[:5], "no privileges", tick[6]) for tick in SAMPLE_ROWS]
    write_run(tmp_path, "02-mariadb", operations=[Op("chat.accept")] * 50, tables={"counters": rows, "ticks": failed})
    assert only(tmp_path).sampled == {}
    assert doubts(tmp_path) == []


def test_reset_totals_are_compared_for_the_rest_and_doubted(tmp_path):
    ms = [*[2_000 * s for s in range(11)], *[2_000 * s for s in range(6)]]
    storage = mariadb(tmp_path, ms, row_waits(100), [m // 400 for m in ms])
    assert (storage.counted["mariadb"].resets, storage.counted["mariadb"].grown["lock_wait_ms"]) == (1, 18_000)
    assert storage.sampled["mariadb"].seconds == pytest.approx(18.0, rel=0.1)
    (text,) = [text for text in lines(tmp_path) if "totals of mariadb were reset once" in text]
    assert "known for 90% of that time" in text
    assert doubts(tmp_path) == []
