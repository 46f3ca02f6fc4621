"""The blame matrix, moment by moment, on rows with a known answer."""

import pytest
from studies import write_run
from waiting import MS, only, ticks, transaction, wait

from loadtests.records.vocabulary import TRANSACTION_OUTCOMES
from reports.analysis.study import find
from reports.data.arrays import MOST, OTHERS
from reports.data.runs import read_study
from reports.text.doubts import doubts

ACCEPT, SEND, CLOSE, OFFER = "chat.accept", "message.send", "chat.close", "chat.offer"


def storage_of(study, waits, transactions=(), **more):
    tables = {"lock_waits": waits, "ticks": ticks()}
    write_run(study, "01-postgres", tables=tables, transactions=list(transactions), **more)
    return only(study)


def seconds(pairs):
    return {pair: pytest.approx(s) for pair, s in pairs.items()}


def rounded(blame):
    return {pair: s for pair, s in blame.items() if s > 1e-12}


def hot_row(moved=False):
    """Session 1 has the row until 100 ms; 2 until 160, 3 until 200, 4 after that. The log names each one's first
    blocker only. The row moves when 2 has changed it."""
    after = {"lock": "accounts (0,9)"} if moved else {}
    transactions = [
        transaction(1, SEND, 0, 100),
        transaction(2, ACCEPT, 5, 160),
        transaction(3, OFFER, 10, 200),
        transaction(4, CLOSE, 20, 230),
    ]
    late = [transaction(5, OFFER, 110, 260)] if moved else []
    waits = [wait(2, 1, 10, 100), wait(3, 1, 10, 160), wait(4, 1, 20, 200)]
    waits += [wait(5, 2, 120, 230, **after)] if moved else []
    return waits, transactions + late


def test_wait_is_attributed_to_the_holder_of_each_moment(tmp_path):
    blame = storage_of(tmp_path, *hot_row()).blame
    assert blame.known == "event"
    assert rounded(blame.direct) == seconds(
        {
            (ACCEPT, SEND): 0.090,
            (OFFER, SEND): 0.090,
            (OFFER, ACCEPT): 0.060,
            (CLOSE, SEND): 0.080,
            (CLOSE, ACCEPT): 0.060,
            (CLOSE, OFFER): 0.040,
        }
    )
    assert rounded(blame.root) == rounded(blame.direct)
    assert blame.depth_s == {1: pytest.approx(0.42)}


def test_wait_for_a_moved_row_is_in_the_same_queue(tmp_path):
    direct = rounded(storage_of(tmp_path, *hot_row(moved=True)).blame.direct)
    # Session 5 began at the new place behind 2, and saw 2, 3 and 4 have the row.
    assert direct[OFFER, ACCEPT] == pytest.approx(0.060 + 0.040)
    assert direct[OFFER, OFFER] == pytest.approx(0.040)
    assert direct[OFFER, CLOSE] == pytest.approx(0.030)


def test_root_is_the_blocker_of_the_holder_at_that_moment(tmp_path):
    transactions = [
        transaction(1, SEND, 0, 80),
        transaction(2, ACCEPT, 0, 200),
        transaction(3, CLOSE, 20, 220),
    ]
    chats = {"object": "row of chats", "lock": "chats (0,1)"}
    # 2 gets the chat at 30 and waits for the account from 40 to 80; 3 waits for the chat from 25 to 200.
    waits = [wait(2, 9, 10, 30, **chats), wait(3, 9, 25, 200, **chats), wait(2, 1, 40, 80)]
    blame = storage_of(tmp_path, waits, transactions).blame
    assert blame.direct[CLOSE, ACCEPT] == pytest.approx(0.170)
    assert blame.root[CLOSE, ACCEPT] == pytest.approx(0.130)
    assert blame.root[CLOSE, SEND] == pytest.approx(0.040)
    assert blame.depth_s[2] == pytest.approx(0.040)


def test_wait_without_known_holder_uses_its_row(tmp_path):
    row = wait(2, 3, 0, 100, root_session=7, root_operation="pg_dump", blocker_operation="alter", depth=2)
    blame = storage_of(tmp_path, [row], [transaction(2, ACCEPT, 0, 120)]).blame
    assert rounded(blame.direct) == seconds({(ACCEPT, "alter"): 0.1})
    assert rounded(blame.root) == seconds({(ACCEPT, "pg_dump"): 0.1})
    assert blame.depth_s == {2: pytest.approx(0.1)}


def test_timed_out_wait_counts_and_acquires_no_lock(tmp_path):
    waits = [wait(2, 1, 0, 50, outcome="timed_out"), wait(3, 1, 10, 110)]
    transactions = [transaction(1, SEND, 0, 110), transaction(2, ACCEPT, 0, 300), transaction(3, CLOSE, 5, 120)]
    blame = storage_of(tmp_path, waits, transactions).blame
    assert rounded(blame.direct) == seconds({(ACCEPT, SEND): 0.05, (CLOSE, SEND): 0.1})


def writers(study, *rows):
    """Transactions of one SQLite: session, operation, asked for the write lock, had it, ended, outcome."""
    transactions = [
        transaction(session, operation, had, ended, waiting=asked, database="sqlite", outcome=code(outcome))
        for session, operation, asked, had, ended, outcome in rows
    ]
    write_run(study, "01-sqlite", transactions=transactions)
    return only(study).blame


code = TRANSACTION_OUTCOMES.index


def test_writer_that_gave_up_did_not_hold_the_lock(tmp_path):
    """One session held it for 9 s, and the waiters gave up after 4 s: this queue did not outlive its cause."""
    blame = writers(
        tmp_path,
        (1, CLOSE, 0, 0, 9000, "committed"),
        (2, ACCEPT, 10, 4010, 4010, "lock_timeout"),
        (3, SEND, 100, 4100, 4100, "lock_timeout"),
        (4, SEND, 4050, 8050, 8050, "lock_timeout"),
        (5, OFFER, 8000, 9000, 9001, "rolled_back"),
        (6, OFFER, 8500, 8600, 8600, "busy_snapshot"),
    )
    assert [(w.waiter, w.outcome) for w in blame.worst] == [
        *((who, "timed_out") for who in (ACCEPT, SEND, SEND)),
        (OFFER, "acquired"),
        (OFFER, "unknown"),
    ]
    assert blame.convoys == ()
    assert {w.chain for w in blame.worst} == {(CLOSE,)}


def test_reused_process_id_is_resolved_by_time(tmp_path):
    transactions = [transaction(1, SEND, 0, 100), transaction(1, CLOSE, 500, 600), transaction(2, ACCEPT, 0, 700)]
    waits = [wait(2, 1, 10, 90), wait(2, 1, 510, 600, lock="accounts (0,2)")]
    blame = storage_of(tmp_path, waits, transactions).blame
    assert rounded(blame.direct) == seconds({(ACCEPT, SEND): 0.08, (ACCEPT, CLOSE): 0.09})


def test_a_session_of_another_database_is_not_taken_for_ours(tmp_path):
    waits = [wait(2, 1, 10, 60, waiter_operation="psql", blocker_operation="backup", root_operation="backup")]
    transactions = [transaction(n, SEND, 0, 100, database="legacy") for n in (1, 2)]
    assert rounded(storage_of(tmp_path, waits, transactions).blame.direct) == seconds({("psql", "backup"): 0.05})


def test_interval_covers_the_sampled_part_of_the_sum(tmp_path):
    waits = [wait(2, 1, 0, 100), wait(2, 1, 200, 250, known="sampled", hits=1, outcome="unknown")]
    transactions = [transaction(1, SEND, 0, 260), transaction(2, ACCEPT, 0, 260)]
    storage = storage_of(tmp_path, waits, transactions)
    assert storage.waits.known == storage.blame.known == storage.durations.known == "event and sampled"
    assert storage.waits.of(ACCEPT) == pytest.approx(0.15)
    low, high = storage.waits.interval_s(ACCEPT)
    assert low == pytest.approx(0.1 + 0.05 * 0.0253, rel=0.01)
    assert high == pytest.approx(0.1 + 0.05 * 5.572, rel=0.01)
    assert storage.durations.counts.sum() == 1
    assert storage.durations.sampled.seconds == pytest.approx(0.05)


def test_waits_count_with_any_name(tmp_path):
    waits = [
        wait(2, 1, 0, 100, waiter_operation="calibration.upload", blocker_operation="nightly"),
        wait(3, 1, 0, 100, waiter_operation="idle", blocker_operation="nightly", pod="calibration"),
    ]
    assert rounded(storage_of(tmp_path, waits).blame.direct) == {
        ("calibration.upload", "nightly"): 0.1,
        ("idle", "nightly"): 0.1,
    }


def calibration(verdict):
    row = {"engine": "postgres", "database": "postgres", "source": "event", "figure": "waits found", "value": 0.8}
    return {"format": 1, "figures": [{**row, "unit": "ratio", "bar": 0.995, "verdict": verdict, "n": 40, "reason": ""}]}


@pytest.mark.parametrize(("verdict", "known"), [("pass", "event"), ("fail", None), ("unknown", None)])
def test_waits_without_passed_calibration_are_unknown(tmp_path, verdict, known):
    run = write_run(tmp_path, "01-postgres", tables={"lock_waits": [wait(2, 1, 0, 100)], "ticks": ticks()})
    run.write("calibration", calibration(verdict))
    storage = only(tmp_path)
    assert (storage.waits.known, storage.blame.known, storage.durations.known) == (known, known, known)
    lines = " ".join(doubt.line for doubt in doubts(find("study", read_study(tmp_path))))
    assert ("waits found by event: 80.00%, tolerance 99.50%" in lines) == (known is None)


def test_inferior_source_and_log_gaps_are_doubts(tmp_path):
    source = {"known": ["sampled"], "period_ns": 50 * MS, "threshold_ns": None, "reason": "the log is CSV"}
    why = {**dict.fromkeys(range(4), "rotated away"), 6: "withdrawn"}
    log = [("postgres/log", t[1], t[2], t[3], 0, why.get(i), t[6]) for i, t in enumerate(ticks())]
    tables = {"lock_waits": [], "ticks": [*ticks(), *log]}
    write_run(tmp_path, "01-postgres", tables=tables, manifest={"lock_sources": {"postgres": source}})
    assert [doubt.text for doubt in doubts(find("study", read_study(tmp_path)))] == [
        "observation of lock waits of postgres not calibrated",
        "lock waits of postgres not from the best source (known: sampled; the log is CSV)",
        "log of postgres not readable for about 250 ms (first 0 s into the load: rotated away; first 0.3 s into the "
        "load: withdrawn)",
    ]
    assert only(tmp_path).waits.known == "sampled"


def test_a_queue_that_outlives_its_cause_is_a_convoy(tmp_path):
    sessions = range(2, 8)
    transactions = [transaction(1, "maintenance", 0, 100)]
    transactions += [transaction(n, ACCEPT, 0, 100 + 60 * (n - 1)) for n in sessions]
    waits = [wait(n, 1, n, 100 + 60 * (n - 2)) for n in sessions]
    (convoy,) = storage_of(tmp_path, waits, transactions).blame.convoys
    assert (convoy.cause, convoy.object, convoy.sessions) == ("maintenance", "row of accounts", 6)
    moments = convoy.began_s, convoy.cause_over_s, convoy.over_s
    assert moments == pytest.approx((5.002, 5.100, 5.400))
    assert convoy.waited_s == pytest.approx(sum(100 + 60 * (n - 2) - n for n in sessions) / 1000)


def test_queue_that_ends_with_its_cause_is_no_convoy(tmp_path):
    transactions = [transaction(1, "maintenance", 0, 500), *(transaction(n, ACCEPT, 50, 520) for n in range(2, 8))]
    waits = [wait(n, 1, 50 + n, 500 + n) for n in range(2, 8)]
    assert storage_of(tmp_path, waits, transactions).blame.convoys == ()


def test_cause_of_a_queue_is_the_longest_holder(tmp_path):
    """Two holders are quick, the third is slow: its queue ends when it releases the lock, so there is no convoy."""
    sessions = range(2, 8)
    gets = {2: 100, 3: 110, 4: 700, 5: 710, 6: 720, 7: 730}
    transactions = [transaction(1, "maintenance", 0, 100), transaction(2, ACCEPT, 50, 110)]
    transactions += [transaction(3, CLOSE, 50, 700), *(transaction(n, ACCEPT, 50, 740) for n in range(4, 8))]
    waits = [wait(n, 1, 50 + n, gets[n]) for n in sessions]
    assert storage_of(tmp_path, waits, transactions).blame.convoys == ()


def test_convoy_is_attributed_to_the_longest_holder(tmp_path):
    sessions = range(2, 8)
    gets = {n: 100 + 10 * (n == 3) + (n > 3) * (210 + 90 * (n - 4)) for n in sessions}
    transactions = [transaction(1, "maintenance", 0, 100), transaction(2, ACCEPT, 50, 110)]
    transactions += [transaction(3, CLOSE, 50, 310), *(transaction(n, ACCEPT, 50, 900) for n in range(4, 8))]
    waits = [wait(n, 1, 50 + n, gets[n]) for n in sessions]
    (convoy,) = storage_of(tmp_path, waits, transactions).blame.convoys
    moments = convoy.began_s, convoy.cause_over_s, convoy.over_s
    assert (convoy.cause, *moments) == (CLOSE, *map(pytest.approx, (5.052, 5.310, 5.580)))


def test_worst_waits_have_their_chains(tmp_path):
    waits = [
        wait(3, 2, 0, 900, root_session=1, root_operation="pg_dump", depth=2, statement="SELECT … FOR UPDATE"),
        wait(2, 1, 100, 800, lock="relation accounts", object="relation accounts", root_operation="pg_dump"),
        wait(4, 1, 100, None, lock="relation accounts", object="relation accounts", root_operation="pg_dump"),
    ]
    transactions = [transaction(2, CLOSE, 0, 900), transaction(3, ACCEPT, 0, 950)]
    open_one, longest, other = storage_of(tmp_path, waits, transactions).blame.worst
    assert (open_one.at_least, longest.at_least) == (True, False)
    assert longest.chain == (CLOSE, "pg_dump")
    assert (longest.waiter, longest.statement, longest.waited_ns) == (ACCEPT, "SELECT … FOR UPDATE", 900 * MS)
    assert other.chain == ("pg_dump",)
    assert open_one.started_s == pytest.approx(5.1)


def test_rounds_are_added_and_one_blind_round_makes_all_unknown(tmp_path):
    waits, transactions = hot_row()
    for number in (1, 2):
        tables = {"lock_waits": waits, "ticks": ticks()}
        write_run(tmp_path, f"0{number}-postgres", tables=tables, transactions=transactions)
    assert only(tmp_path).blame.direct[CLOSE, OFFER] == pytest.approx(0.080)
    write_run(tmp_path, "03-postgres", tables={"ticks": []})
    assert only(tmp_path).blame.known is None


def test_names_beyond_the_limit_become_others(tmp_path):
    """A backup that blocks all sessions is named, even after a thousand other session names."""
    n, many = 33_000, {"blocker_operation": "pg_dump", "root_operation": "pg_dump"}
    waits = [
        wait(i, 1, i * 0.2, i * 0.2 + 5, waiter_operation=f"GET /chats/{i}", lock=f"chats {i}", **many)
        for i in range(10, n + 10)
    ]
    storage = storage_of(tmp_path, waits)
    root = rounded(storage.blame.root)
    assert sum(root.values()) == pytest.approx(n * 0.005)
    assert {holder for _, holder in root} == {"pg_dump"}
    assert len(root) <= MOST
    assert root[OTHERS, "pg_dump"] > 0.9 * n * 0.005
    assert {w.chain for w in storage.blame.worst} == {("pg_dump",)}


def test_any_number_of_locks_is_distinguished(tmp_path):
    """Each lock has a queue of its own, independent of the others."""
    n = 2 * MOST
    waits = [wait(i, 1, i, i + 5, lock=f"accounts (0,{i})", root_operation="pg_dump") for i in range(10, n + 10)]
    transactions = [transaction(i, ACCEPT, i, i + 100) for i in range(10, n + 10)]
    assert set(rounded(storage_of(tmp_path, waits, transactions).blame.direct)) == {(ACCEPT, "pg_dump")}
