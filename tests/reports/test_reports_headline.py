"""The headline, which claims only what the rows prove."""

from outages import write_outage
from studies import NS, Op, ledger_check, lock_wait, session, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.text.headline import headline


def accepts(slow_s, n):
    return [Op("chat.accept", planned_s=5.0 + 9.9 * i / n, response_s=slow_s * (1 + i % 7 / 7)) for i in range(n)]


def head(study):
    return headline(find("study", read_study(study)))


def wait(number, waiter, lasts_s):
    return lock_wait(6.0 + number / NS, lasts_s, wait=number, waiter_operation=waiter)


def test_few_rows_use_a_percentile_with_bounds(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 150))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 150))
    assert head(tmp_path).answer.startswith("sqlite makes Accept chat wait: p95 ")


def test_unnoticeable_difference_has_no_winner(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.0201, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400))
    assert head(tmp_path).answer.startswith("No storage clearly makes Accept chat wait longer than another")


def test_rounds_that_disagree_make_no_winner(tmp_path):
    for number, (storage, slow) in enumerate(
        (("sqlite", 0.2), ("memory", 0.05), ("memory", 0.05), ("sqlite", 0.04)), 1
    ):
        write_run(tmp_path, f"{number:02}-{storage}", operations=accepts(slow, 400))
    assert head(tmp_path).answer.startswith("No storage clearly")


def test_highest_differing_percentile_answers(tmp_path):
    stuck = [Op("chat.accept", planned_s=5.0 + 0.1 * i, response_s=1.0) for i in range(20)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 600) + stuck)
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 600) + stuck)
    assert head(tmp_path).answer.startswith("sqlite makes Accept chat wait: p95 ")


def test_one_storage_is_described_not_compared(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    assert head(tmp_path).answer == "On sqlite, Accept chat has a p99 of 37 ms (37 … 37 ms)."


def test_unobserved_waits_are_not_called_lock_free(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400), tables={"ticks": []})
    assert head(tmp_path).reason == "What sqlite waited for was not observed."


def test_accepts_queued_behind_waiters_name_these(tmp_path):
    tables = {"lock_waits": [wait(i, "message.send", 5.0) for i in range(8)]}
    write_run(tmp_path, "01-postgres", operations=accepts(0.2, 400), tables=tables)
    reason = head(tmp_path).reason
    assert reason.startswith("Locks are 0.0% of its accepts' waiting (known: event).")
    assert "on average 4.0 sessions waited for locks, most of all message.send behind message.send" in reason


def test_headline_reports_client_backlog(tmp_path):
    late = [Op("chat.accept", planned_s=6.0, response_s=0.2, lag_s=0.15) for _ in range(400)]
    tables = {"lock_waits": [wait(0, "message.send", 5.0)]}
    write_run(tmp_path, "01-postgres", operations=late, tables=tables)
    assert "75% was client backlog (their agents were still in an earlier call)." in head(tmp_path).reason


def test_sessions_that_wait_are_set_against_all_that_are_busy(tmp_path):
    samples = range(50, 150)
    ticks = [("postgres", t * NS // 10, t * NS // 10, t * NS // 10, 1, None, NS // 10) for t in samples]
    sessions = [session(t / 10, name, n) for t in samples for name, n in (("lock", 4), ("running", 1))]
    tables = {"lock_waits": [wait(i, "message.send", 5.0) for i in range(8)], "ticks": ticks, "sessions": sessions}
    write_run(tmp_path, "01-postgres", operations=accepts(0.2, 400), tables=tables)
    assert "on average 4.0 of 5.0 busy sessions waited for locks" in head(tmp_path).reason


def test_without_accepts_the_answer_is_unknown(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=[Op("message.send")])
    found = head(tmp_path)
    assert not found.answered
    assert found.answer.startswith("Unknown")


def test_storage_that_failed_all_accepts_comes_first(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    dead = [Op("chat.accept", planned_s=6.0, outcome="fail", error="internal") for _ in range(300)]
    write_run(tmp_path, "02-memory", operations=dead)
    found = head(tmp_path)
    assert found.answer.startswith("Every Accept chat on memory failed. On sqlite, Accept chat has a p99 of")
    assert "memory: 300 of 300 chat.accept failed; percentiles exclude them." in found.caveats


def test_where_every_accept_failed_nothing_is_answered(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=[Op("chat.accept", outcome="fail", error="internal")] * 9)
    assert head(tmp_path).answer == "Unknown: every Accept chat on sqlite failed."


def test_storage_failing_most_accepts_is_not_the_fastest(tmp_path):
    failed = [Op("chat.accept", planned_s=6.0, outcome="fail", error="internal") for _ in range(3600)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.005, 400) + failed)
    answer = head(tmp_path).answer
    assert answer.startswith("Accept chat failed: 90% on memory. So memory is not called fast. On sqlite, ")


def test_storage_failing_some_accepts_may_be_the_slowest(tmp_path):
    failed = [Op("chat.accept", planned_s=6.0, outcome="fail", error="internal") for _ in range(20)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400) + failed)
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400))
    assert head(tmp_path).answer.startswith("Accept chat failed: 5% on sqlite. sqlite makes Accept chat wait: p99 ")


def test_no_storage_is_fastest_when_all_fail(tmp_path):
    failed = [Op("chat.accept", planned_s=6.0, outcome="fail", error="internal") for _ in range(20)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400) + failed)
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400) + failed)
    assert "None of them accepts chats reliably enough to be called fast: p99 sqlite" in head(tmp_path).answer


def test_slowest_and_fastest_of_a_dozen_storages_are_named(tmp_path):
    for number in range(1, 13):
        name = f"storage{number}"
        write_run(tmp_path, f"{number:02}-{name}", operations=accepts(0.02 * number, 400))
    answer = head(tmp_path).answer
    assert answer.startswith("storage12 makes Accept chat wait: p99 ")
    assert "10 others: " in answer
    assert len(answer) < 200


def test_a_missing_ledger_and_an_unknown_check_are_doubts(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400), ledger=None)
    unknown = {"checks": [ledger_check("orphans"), ledger_check("diverged", "unknown", None, "no access")]}
    write_run(tmp_path, "02-sqlite", operations=accepts(0.02, 400), ledger=unknown)
    caveats = head(tmp_path).caveats
    assert "01-sqlite has no ledger: whether orphans were left or anything was lost is unknown." in caveats
    assert "02-sqlite: the ledger could not determine diverged (no access)." in caveats


def test_headline_has_blast_radius_of_differing_rounds(tmp_path):
    write_outage(tmp_path)
    assert head(tmp_path).radius.startswith("17 and 18 breached an SLO 3.0 s after")
    write_outage(tmp_path, "02-dual-postgres-mariadb", seed=9)
    assert head(tmp_path).radius.count("17 and 18 breached an SLO") in (1, 2)


def test_a_failure_among_hundreds_is_only_a_caveat(tmp_path):
    write_run(tmp_path, operations=[*accepts(0.02, 400), Op("chat.accept", outcome="fail", error="internal")])
    assert head(tmp_path).answer.startswith("On sqlite, Accept chat has a p99")
