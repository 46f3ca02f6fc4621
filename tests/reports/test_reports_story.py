# ruff: noqa: E501, RUF001  sentences are kept whole, and ranges are written with a dash
"""The story of a study: what the headline claims, and only what the rows prove."""

from studies import NS, Op, lock_wait, session, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.text.story import story


def accepts(slow_s, n, operation="chat.accept"):
    return [Op(operation, planned_s=5.0 + 9.9 * i / n, response_s=slow_s * (1 + i % 7 / 7)) for i in range(n)]


def failed(n, operation="chat.accept", outcome="fail", error="internal"):
    return [Op(operation, planned_s=6.0, outcome=outcome, error=error) for _ in range(n)]


def story_of(study, **limits):
    return story(find("study", read_study(study), limits))


def head(study, **limits):
    return story_of(study, **limits).headline


def bullets(study):
    return {bullet.label: bullet.text for bullet in story_of(study).bullets}


def why(study):
    return bullets(study)["why"]


def test_slower_system_is_named_with_ratio_and_figures(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400))
    assert head(tmp_path) == "sqlite makes Accept chat wait: p99 371 ms, 10 times memory's 37 ms."


def test_system_in_between_is_stated(tmp_path):
    for number, (name, slow_s) in enumerate((("sqlite", 0.2), ("memory", 0.02), ("redis", 0.1)), 1):
        write_run(tmp_path, f"0{number}-{name}", operations=accepts(slow_s, 400))
    assert head(tmp_path) == "sqlite makes Accept chat wait: p99 371 ms, 10 times memory's 37 ms (redis 186 ms)."


def test_lock_queue_and_its_holder_are_the_cause(tmp_path):
    waits = {"lock_waits": [lock_wait(6.0 + n / NS, 0.3, wait=n, root_operation="message.send") for n in range(400)]}
    write_run(tmp_path, "01-postgres", operations=accepts(0.2, 400), tables=waits)
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400))
    assert head(tmp_path) == (
        "postgres makes Accept chat wait: p99 371 ms, 10 times memory's 37 ms; 100% of its time is a lock queue behind "
        "sending a message."
    )
    assert bullets(tmp_path)["next"] == "Shorten the transactions that hold these locks, or choose memory."


def test_slowest_and_fastest_of_a_dozen_systems_are_named(tmp_path):
    for number in range(1, 13):
        write_run(tmp_path, f"{number:02}-storage{number}", operations=accepts(0.02 * number, 400))
    assert head(tmp_path) == (
        "storage12 makes Accept chat wait: p99 446 ms, 12 times storage1's 37 ms (10 others 74–409 ms)."
    )


def test_few_rows_use_a_percentile_with_bounds(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 150))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 150))
    assert head(tmp_path).startswith("sqlite makes Accept chat wait: p95 ")


def test_highest_differing_percentile_answers(tmp_path):
    stuck = [Op("chat.accept", planned_s=5.0 + 0.1 * i, response_s=1.0) for i in range(20)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 600) + stuck)
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 600) + stuck)
    assert head(tmp_path).startswith("sqlite makes Accept chat wait: p95 ")


def test_no_system_waits(tmp_path):
    for number, (name, slow_s) in enumerate((("sqlite", 0.0065), ("memory", 0.0075), ("redis", 0.0085)), 1):
        write_run(tmp_path, f"0{number}-{name}", operations=accepts(slow_s, 400))
    assert head(tmp_path) == "No system makes Accept chat wait: p99 12, 14 and 16 ms."
    assert why(tmp_path) == (
        "p99 of Accept chat: redis 16 ms (95% interval 16 ms), memory 14 ms (95% interval 14 ms) and sqlite 12 ms (95% "
        "interval 12 ms)."
    )


def test_other_operations_that_wait_are_not_called_calm(tmp_path):
    slow = accepts(0.6, 40, "connection.create")
    write_run(tmp_path, "01-sqlite", operations=accepts(0.0065, 400) + accepts(0.02, 160, "connection.create") + slow)
    write_run(tmp_path, "02-memory", operations=accepts(0.0065, 400) + accepts(0.02, 160, "connection.create"))
    assert head(tmp_path) == (
        "On sqlite, 20% of connecting took longer than 500 ms; Accept chat does not wait: p99 12 ms."
    )


def test_system_without_attempts_is_not_called_calm(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.0065, 400))
    write_run(tmp_path, "02-memory", operations=[])
    assert head(tmp_path) == "On sqlite, Accept chat has a p99 of 12 ms; nothing was recorded on memory."


def test_wide_interval_is_not_called_calm(tmp_path):
    rare = [Op("chat.accept", planned_s=6.0, response_s=0.6) for _ in range(3)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.0065, 400) + rare)
    assert head(tmp_path) == "On sqlite, Accept chat has a p99 of 12 ms."


def test_overlapping_intervals_are_the_reason(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 60))
    write_run(tmp_path, "02-memory", operations=accepts(0.19, 60))
    assert head(tmp_path) == (
        "No system is clearly slower at Accept chat: p50 271 ms (memory) and 286 ms (sqlite); their 95% intervals "
        "overlap."
    )
    assert bullets(tmp_path)["next"] == (
        "Repeat with more rounds or longer judged stages: their 95% intervals overlap."
    )


def test_unnoticeable_difference_is_the_reason(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.201, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.2, 400))
    assert head(tmp_path) == (
        "No system is clearly slower at Accept chat: p99 371 ms (memory) and 373 ms (sqlite); the difference is too "
        "small to notice."
    )


def test_rounds_that_disagree_are_the_reason(tmp_path):
    rounds = (("sqlite", 0.4), ("memory", 0.1), ("memory", 0.1), ("sqlite", 0.08))
    for number, (storage, slow) in enumerate(rounds, 1):
        write_run(tmp_path, f"{number:02}-{storage}", operations=accepts(slow, 400))
    assert head(tmp_path) == (
        "No system is clearly slower at Accept chat: p99 186 ms (memory) and 743 ms (sqlite); memory was slower "
        "in 1 of 2 rounds."
    )


def test_one_system_is_described_not_compared(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400))
    assert head(tmp_path) == "On sqlite, Accept chat has a p99 of 371 ms."
    assert bullets(tmp_path)["next"] == (
        "Compare it with another system or an earlier release: one system alone does not show what is usual."
    )


def test_one_system_may_be_calm(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    assert head(tmp_path) == "On sqlite, Accept chat does not wait: p99 37 ms."


def test_a_failure_among_hundreds_is_only_a_doubt(tmp_path):
    write_run(tmp_path, operations=[*accepts(0.02, 400), *failed(1)])
    found = story_of(tmp_path)
    assert found.headline == "On sqlite, Accept chat does not wait: p99 37 ms."
    assert found.doubts[0].text == "failed operations: Accept chat 1 of 401"


def test_without_accepts_the_most_frequent_request_is_the_hero(tmp_path):
    operations = accepts(0.2, 400, "message.send") + accepts(0.2, 100, "subscription.create")
    write_run(tmp_path, "01-sqlite", operations=operations)
    found = story_of(tmp_path)
    assert found.headline == "On sqlite, sending a message has a p99 of 371 ms."
    assert found.hero == "operations-over-time"


def test_nothing_recorded_is_unknown(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=[])
    found = story_of(tmp_path)
    assert not found.answered
    assert found.headline == "Unknown: no Accept chat, and no other request, was recorded in the judged stages."


def test_system_that_failed_all_attempts_comes_first(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    write_run(tmp_path, "02-memory", operations=failed(300))
    assert head(tmp_path) == "Every Accept chat on memory failed; sqlite: p99 37 ms."
    assert why(tmp_path) == "memory: internal error 300."


def test_where_every_accept_failed_nothing_else_is_claimed(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=failed(9))
    assert head(tmp_path) == "Every Accept chat on sqlite failed."


def test_system_failing_most_accepts_is_not_the_fastest(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.005, 400) + failed(3600))
    assert head(tmp_path) == "On memory, 90% of Accept chat failed; sqlite: p99 37 ms."


def test_system_that_cuts_connections_is_not_the_fastest(tmp_path):
    cut = failed(100, outcome="unknown", error="cut_off")
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.005, 400) + cut)
    assert head(tmp_path) == "On memory, 20% of Accept chat got no answer; sqlite: p99 37 ms."


def test_system_failing_some_accepts_may_be_the_slowest(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400) + failed(20))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400))
    assert head(tmp_path) == "On sqlite, 5% of Accept chat failed; sqlite is slowest, p99 371 ms, 10 times memory's."


def test_no_system_is_fastest_when_all_fail(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400) + failed(20))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400) + failed(40))
    assert head(tmp_path) == "Accept chat failed: 9% on memory and 5% on sqlite; none can be called fast."


def test_failing_connections_come_before_fast_accepts(tmp_path):
    refused = failed(100, "connection.create", error="connect_refused")
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400) + accepts(0.02, 100, "connection.create") + refused)
    assert head(tmp_path) == "On sqlite, 50% of connecting failed; those that succeeded have a p99 of 37 ms."
    assert bullets(tmp_path) == {
        "why": "sqlite: connection refused 100. Of all the time of connecting on sqlite, 0.0% was waiting for locks in its own "
        "transactions (known: sampled); the rest was queues and work. Hardly any session of the database waited for a lock.",
        "since when": "100 of 200 on sqlite; since stage steady, which began at 5 s.",
        "next": "Find the cause of the failures on sqlite before comparing latencies: percentiles exclude failures.",
    }


def test_late_deliveries_come_before_latencies(tmp_path):
    pushes = [Op("event.deliver", planned_s=6.0, response_s=2.0 if i < 80 else 0.01) for i in range(800)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400) + pushes)
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400) + pushes[80:])
    assert head(tmp_path, **{"event.deliver": 1.0}) == (
        "On sqlite, 10% of messages came later than 1.0 s or never; not on memory."
    )
    assert head(tmp_path).startswith("sqlite makes Accept chat wait")


def test_since_when_names_second_and_stage(tmp_path):
    late = [Op("chat.accept", planned_s=9.0 + i / 100, response_s=0.9) for i in range(400)]
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400) + late)
    assert bullets(tmp_path)["since when"] == (
        "From 9 s on, in stage steady: on sqlite, one in twenty took longer than 300 ms for 4 of 10 s."
    )


def test_unobserved_waits_are_not_called_lock_free(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=accepts(0.2, 400), tables={"ticks": []})
    assert why(tmp_path) == "What sqlite waited for was not observed."


def test_accepts_queued_behind_waiters_name_these(tmp_path):
    waits = [lock_wait(6.0 + i / NS, 5.0, wait=i, waiter_operation="message.send") for i in range(8)]
    write_run(tmp_path, "01-postgres", operations=accepts(0.2, 400), tables={"lock_waits": waits})
    assert why(tmp_path) == (
        "Of all the time of Accept chat on postgres, 0.0% was waiting for locks in its own transactions (known: event); the rest "
        "was queues and work. Of all operations together, on average 4.0 sessions of the database waited for locks, most of all "
        "sending a message behind sending a message."
    )


def test_reason_states_client_backlog(tmp_path):
    late = [Op("chat.accept", planned_s=6.0, response_s=0.2, lag_s=0.15) for _ in range(400)]
    waits = [lock_wait(6.0, 5.0, waiter_operation="message.send")]
    write_run(tmp_path, "01-postgres", operations=late, tables={"lock_waits": waits})
    assert "and 75% was client backlog (its user was still in an earlier call); the rest was queues and work." in why(
        tmp_path
    )


def test_sessions_that_wait_are_set_against_all_that_are_busy(tmp_path):
    samples = range(50, 150)
    ticks = [("postgres", t * NS // 10, t * NS // 10, t * NS // 10, 1, None, NS // 10) for t in samples]
    sessions = [session(t / 10, name, n) for t in samples for name, n in (("lock", 4), ("running", 1))]
    waits = [lock_wait(6.0 + i / NS, 5.0, wait=i, waiter_operation="message.send") for i in range(8)]
    tables = {"lock_waits": waits, "ticks": ticks, "sessions": sessions}
    write_run(tmp_path, "01-postgres", operations=accepts(0.2, 400), tables=tables)
    assert "on average 4.0 of 5.0 busy sessions of the database waited for locks" in why(tmp_path)


def test_differing_durability_uses_labels(tmp_path):
    weak = {"name": "memory", "version": "1", "settings": {}, "promises": {"commit_survives": "nothing"}}
    write_run(tmp_path, "01-sqlite", operations=accepts(0.02, 400))
    write_run(tmp_path, "02-memory", operations=accepts(0.02, 400), manifest={"engine": weak})
    assert story_of(tmp_path).durability == (
        "Their durability differs: a commit on sqlite survives a power loss; a commit on memory survives nothing."
    )
