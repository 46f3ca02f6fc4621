"""Outcomes of transactions and retries, in the page, the sentence and the summary."""

import json

import pytest
from counter_rows import counters, thread
from studies import Op, write_run
from waiting import only, ticks, transaction

from loadtests.records.vocabulary import TRANSACTION_OUTCOMES
from reports.analysis.study import find
from reports.data.runs import read_study
from reports.findings.redis_thread import CommandUse, SlowCommand, Thread
from reports.findings.transactions import Ended, endings_by_operation
from reports.page.plots.style import storage_styles, styled
from reports.sections.blocked import endings as counted
from reports.sections.blocked.endings import draw as lost_attempts
from reports.sections.blocked.endings import lost_operations
from reports.text.phrases import busy_words, database_words
from reports.text.sentence import sentence

ACCEPT, SEND = "chat.accept", "message.send"


def attempt(at_ms, outcome, key=1, operation=ACCEPT, **more):
    ended = {"outcome": TRANSACTION_OUTCOMES.index(outcome), **more}
    return transaction(7, operation, at_ms, at_ms + 1, key=key, **ended)


def storage_of(study, *rows, name="01-postgres", **more):
    write_run(study, name, operations=[Op(ACCEPT)] * 100, transactions=rows or None, **more)
    return only(study)


def test_attempts_of_judged_time_are_counted_by_outcome(tmp_path):
    rows = [
        attempt(-1_000, "conflict", 3),
        attempt(10, "committed"),
        attempt(20, "rolled_back", 2),
        attempt(11_000, "deadlock"),
    ]
    assert storage_of(tmp_path, *rows).endings == {
        ("postgres", ACCEPT): Ended({"committed": 1, "rolled_back": 1}, 0),
    }


def test_retry_is_the_next_attempt_after_a_lost_one(tmp_path):
    lost = [attempt(10, "conflict"), attempt(20, "deadlock"), attempt(30, "committed"), attempt(40, "committed")]
    others = [attempt(15, "committed", 2), attempt(25, "rolled_back", 3), attempt(35, "committed", 3)]
    (ended,) = storage_of(tmp_path, *others, *lost).endings.values()
    assert (ended.attempts, ended.lost, ended.retries) == (7, 2, 2)


def test_the_other_side_of_a_dual_storage_is_no_retry(tmp_path):
    found = storage_of(tmp_path, attempt(10, "conflict"), attempt(20, "committed", database="mariadb")).endings
    assert [(kind, its.retries) for kind, its in found.items()] == [(("mariadb", ACCEPT), 0), (("postgres", ACCEPT), 0)]
    assert endings_by_operation(found)[ACCEPT] == Ended({"committed": 1, "conflict": 1}, 0)


def test_without_keys_nothing_is_known_of_retries(tmp_path):
    (ended,) = storage_of(tmp_path, attempt(1, "conflict", None), attempt(2, "committed", None)).endings.values()
    assert (ended.lost, ended.retries) == (1, None)


def test_a_round_without_the_table_makes_the_whole_unknown(tmp_path):
    write_run(tmp_path, "01-postgres", transactions=[attempt(10, "conflict")])
    write_run(tmp_path, "02-postgres")
    assert only(tmp_path).endings == {}
    assert "outcomes of transactions unknown" in finding(tmp_path)[0]


def finding(study):
    return counted.SECTION.finding(find("study", read_study(study)))


# --- page ---


@pytest.fixture
def compared(tmp_path):
    """A storage that loses accepts, a busy Redis, and one without data."""
    lost = [attempt(ms, "conflict", ms) for ms in range(1, 11)]
    done = [attempt(ms + 100, "committed", ms) for ms in range(1, 91)]
    ops = [Op(ACCEPT)] * 100
    busy = {"counters": thread(evalsha=900_000, hset=100_000)}
    write_run(tmp_path, "01-postgres-optimistic", operations=ops, transactions=[*lost, *done])
    write_run(tmp_path, "02-redis", operations=ops, transactions=[attempt(5, "committed")], tables=busy)
    write_run(tmp_path, "03-sqlite", operations=ops)
    return tmp_path


def test_storages_are_shown_side_by_side(compared):
    findings = find("study", read_study(compared))
    assert counted._table(findings).rows == [
        [ACCEPT, "postgres", "100", "90", "0", "10", "0", "0", "0", "0", "10 %", "100"],
        [ACCEPT, "redis", "1", "1", "0", "0", "0", "0", "0", "0", "0", "0"],
    ]
    assert finding(compared) == [
        "postgres: 10 of 100 transactions were lost to others (10 %), most of chat.accept (10 %); 10 retried.",
        "redis: none of 1 transactions was lost to another one; the one thread of redis was 90 … 100 % busy (most with "
        "evalsha).",
        "sqlite: outcomes of transactions unknown: no pod wrote its transactions.",
    ]
    with styled():
        panels = lost_attempts(findings, storage_styles([s.storage for s in findings.storages])).axes
    assert lost_operations(findings) == [ACCEPT]
    assert [[text.get_text() for text in panel.texts] for panel in panels[:3]] == [
        ["10 %"],
        ["0"],
        ["outcomes of transactions unknown"],
    ]


def test_commands_of_the_thread_are_in_a_table(compared):
    rows = counted.commands_table(find("study", read_study(compared))).rows
    assert rows == [
        ["redis", "redis", "all commands", "90 … 100", "—", "—", "—", "100%"],
        ["redis", "redis", "evalsha", "90", "100", "9.0 ms", "0", "100%"],
        ["redis", "redis", "hset", "10", "100", "1.0 ms", "0", "100%"],
    ]


def test_totals_of_a_part_are_at_least_and_of_nothing_unknown(tmp_path):
    part = counters({"deadlocks": [*range(10), *range(7)], "commits": 100})
    sources = {"lock_sources": {"mariadb": {"known": ["sampled"]}}}
    write_run(tmp_path, "01-mariadb", tables={"counters": part})
    write_run(tmp_path, "02-mariadb-optimistic", manifest=sources)
    assert counted.totals_table(find("study", read_study(tmp_path))).rows == [
        ["mariadb", "mariadb", "90%, reset once", "—", "—", "—", "≥ 9", "≥ 900", "—"],
        ["mariadb:optimistic", "mariadb", "0%", *["unknown"] * 6],
    ]


def test_summary_has_the_same_figures(compared):
    findings = find("study", read_study(compared))
    optimistic, redis, sqlite = (
        json.loads(json.dumps(counted.SECTION.summary(findings, s))) for s in findings.storages
    )
    (row,) = optimistic["transactions"]
    assert (row["database"], row["operation"], row["lost"], row["retries"]) == ("postgres", ACCEPT, 10, 10)
    assert redis["counted"]["redis"]["thread"]["busy"] == [pytest.approx(0.9), 1.0]
    assert (sqlite["transactions"], sqlite["counted"]) == (None, {})


# --- sentence ---


def test_sentence_names_a_busy_thread(tmp_path):
    key = range(1, 101)
    ops = [Op(ACCEPT, planned_s=6 + k / 20, response_s=0.1, key=k) for k in key]
    rows = [transaction(k, ACCEPT, 1_000 + k * 50, 1_100 + k * 50, key=k, database="redis") for k in key]
    tables = {"counters": thread(evalsha=900_000), "ticks": [("redis", *t[1:]) for t in ticks()]}
    sources = {"lock_sources": {"redis": {"known": ["counter"]}}}
    write_run(tmp_path, "01-redis", operations=ops, transactions=rows, tables=tables, manifest=sources)
    assert sentence(only(tmp_path)).startswith(
        "Of the 100 ms that p99 of Accept chat took on redis, 100 ms was work of the database, whose one thread was "
        "90 % busy (most with evalsha)"
    )


def test_idle_thread_is_named_only_for_a_blocking_command(tmp_path):
    storage = storage_of(tmp_path, tables={"counters": thread(evalsha=100_000)})
    assert database_words(storage.counted, 100e6) == ""
    blocked = {"command_us:eval": 9, "slow_us:report.build": 90_000, "slow_calls:report.build": 1}
    rows = counters(blocked, "redis", "redis")
    write_run(tmp_path / "slow", "01-redis", tables={"counters": rows})
    slow = only(tmp_path / "slow").counted
    assert database_words(slow, 100e6) == (
        "was work of the database, whose one thread report.build blocked 10 times for 90 ms each"
    )
    assert database_words(slow, 1e9) == ""


def test_of_several_databases_the_busy_one_is_named(tmp_path):
    rows = [*thread(evalsha=600_000), *counters({"commits": 5})]
    storage = storage_of(tmp_path, tables={"counters": rows})
    assert database_words(storage.counted, 100e6) == (
        "was database work; the one thread of redis was 60 % busy (most with evalsha)"
    )


def test_bounds_that_are_the_same_are_one_figure():
    command = CommandUse("evalsha", 0.9, 1, 0.1, 0)
    assert busy_words(Thread(0.9, 0.902, (command,), (), 0)) == "90 % busy (most with evalsha)"
    assert busy_words(Thread(0.0, 0.0, (), (), 0)) == "0 % busy"


def test_client_of_slow_commands_is_named():
    eval_, slow = CommandUse("eval", 0.8, 100, 0.08, 0), SlowCommand("report_build", 100, 8.0, 0.8)
    assert busy_words(Thread(0.8, 0.8, (eval_,), (slow,), 0)) == "80 % busy (most with eval by report_build)"
    seldom = SlowCommand("report_build", 1, 0.1, 0.01)
    assert busy_words(Thread(0.8, 0.8, (eval_,), (seldom,), 0)) == "80 % busy (most with eval)"
