"""The log: literal lines → events → waits with their parts, ends and chains."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_lines import T0_NS, acquired, at, events, failed, line, row, tuple_lock, waiting

from loadtests.probes.jsonlog.conversion import Relations, see, to_wait
from loadtests.probes.jsonlog.lines import LONGEST_STATEMENT, LoggedRow, event
from loadtests.probes.jsonlog.names import ProcessActivity, TransactionActivity
from loadtests.probes.jsonlog.waits import LoggedWaits
from loadtests.probes.waits import Chain, Party, Wait

MS = 1_000_000
FOR_EVER = 1 << 62
LOCK = "advisory lock [1,2,3,4]"


def follow(*lines: bytes, threshold_ms: int = 10, relations: dict[int, str] | None = None) -> LoggedWaits:
    waits = LoggedWaits(threshold_ms * MS, relations or {16384: "t", 16390: "child"})
    for found in events(*lines):
        waits.take(found)
    return waits


def waits_from(*lines: bytes, threshold_ms: int = 10) -> list[Wait]:
    """Every wait that ended, in the words of the table, by the server's clock."""
    names, relations = ProcessActivity(), Relations()
    relations.learn([{"id": 16384, "bare": "t", "name": "t"}, {"id": 16390, "bare": "child", "name": "app.child"}])
    waits = follow(*lines, threshold_ms=threshold_ms)
    for found in events(*lines):
        see(found, names)
    return [to_wait(w, waits, names, relations, lambda ns: ns) for w in waits.settled(FOR_EVER)]


def lengths_ms(waits: list[Wait]) -> list[float]:
    return [((w.ended_ns or 0) - w.started_ns) / MS for w in waits]


def test_a_line_of_a_wait() -> None:
    literal = (
        b'{"timestamp":"2026-11-24 15:28:20.498 UTC","user":"pod","dbname":"pod","pid":13582,"remote_host":"127.0.0.1",'
        b'"remote_port":47564,"session_id":"6b05ad14.350e","line_num":1,"ps":"UPDATE waiting",'
        b'"session_start":"2026-11-24 15:28:20 UTC","vxid":"4/2","txid":730,"error_severity":"LOG",'
        b'"message":"process 13582 still waiting for ShareLock on transaction 729 after 10.064 ms",'
        b'"detail":"Processes holding the lock: 13581, 9. Wait queue: 13582.",'
        b'"context":"while updating tuple (0,1) in relation \\"t\\"","statement":"/* chat.offer */ UPDATE t",'
        b'"application_name":"op1@pod-1","backend_type":"client backend","query_id":0}'
    )
    (found,) = events(literal)
    assert (found.kind, found.pid, found.session, found.mode, found.lock) == (
        *("waiting", 13582, "6b05ad14.350e"),
        *("ShareLock", "transaction 729"),
    )
    assert (found.after_ns, found.holders, found.queue) == (10_064_000, (13581, 9), (13582,))
    assert (found.row, found.transaction, found.operation) == (LoggedRow("updating", "(0,1)", "t"), "4/2", "op1")
    assert found.at_ns == 1_795_534_100_498_500_000
    assert (event(literal, 3600) or found).at_ns == found.at_ns - 3600 * 10**9


ACQUIRED = "process {} acquired ExclusiveLock on advisory lock [5,0,9,1] after 60000.000 ms"


@pytest.mark.parametrize(
    "forged",
    [
        line(0, 7, ACQUIRED.format(7), context="PL/pgSQL function inline_code_block line 1 at RAISE"),
        line(
            0, 7, ACQUIRED.format(7), context='PL/pgSQL function "f\n at"() line 1 at RAISE\nSQL statement "SELECT f()"'
        ),
        line(0, 7, ACQUIRED.format(7), context="PL/Perl anonymous code block"),
        line(0, 7, ACQUIRED.format(8)),
        line(0, 7, ACQUIRED.format(7), error_severity="WARNING"),
        line(0, 7, "starting PostgreSQL 18.1"),
        line(0, 7, "all server processes terminated; reinitializing"),
    ],
)
def test_lines_forged_by_a_client_are_ignored(forged: bytes) -> None:
    assert events(forged) == []


def test_waits_within_functions_are_believed() -> None:
    statement = 'SQL statement "SELECT pg_advisory_xact_lock(7)"\nPL/pgSQL function f() line 1 at PERFORM'
    for context in (statement, "PL/pgSQL function f(integer) line 3 at assignment"):
        (found,) = events(line(0, 7, ACQUIRED.format(7), context=context))
        assert (found.kind, found.pid) == ("acquired", 7)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (row("(0,7)", "locking", "accounts") + '\nSQL statement "SELECT 1"', LoggedRow("locking", "(0,7)", "accounts")),
        ("PL/pgSQL function f()\n" + row("(0,7)", "inserting index"), LoggedRow("inserting index", "(0,7)", "t")),
        (row("(0,7)", relation='a"b'), LoggedRow("updating", "(0,7)", 'a"b')),
        ("while doing something else", None),
        (None, None),
    ],
)
def test_the_row_that_a_context_names(context: str | None, expected: LoggedRow | None) -> None:
    (found,) = events(waiting(10, 2, "transaction 9", 1, context=context))
    assert found.row == expected


@pytest.mark.parametrize(
    "text",
    [
        line(1, 2, "checkpoint starting: time"),
        line(1, 2, "duration: 5 ms", statement="process 3 still waiting for ShareLock on transaction 9 after 1.000 ms"),
        line(1, 2, 'x","message":"process 3 still waiting for ShareLock on transaction 9 after 1.000 ms'),
        line(1, 2, "process 3 is still here"),
        line(1, 2, "Prozess 3 wartet immer noch auf ShareLock-Sperre auf Transaktion 9 nach 10.000 ms"),
        b"",
        b"not json",
    ],
)
def test_other_lines_are_ignored(text: bytes) -> None:
    assert event(text) is None


@pytest.mark.parametrize("cut", [60, 200, 330])
def test_unreadable_relevant_line_is_bad(cut: int) -> None:
    broken = waiting(10, 2, "transaction 9", 1)[:cut] + b'"message":"process 1'
    with pytest.raises(ValueError, match=r"."):
        event(broken)
    with pytest.raises(ValueError, match="without"):
        event(b'{"message":"process 3 acquired ShareLock on transaction 9 after 1.000 ms","error_severity":"LOG"}')


def test_hostile_statements_are_cut_and_named_by_their_end() -> None:
    statement = 'SELECT \'","message":"process 1\n' + "x" * 1_000_000 + "'/*action='chat%2Eaccept'*/"
    (found,) = events(waiting(10, 2, "transaction 9", 1, statement=statement, application_name="uvicorn"))
    assert found.statement is not None
    assert len(found.statement) == LONGEST_STATEMENT
    assert found.operation == "chat.accept"


@given(st.text(), st.text(), st.text(), st.text())
def test_wait_is_read_correctly_for_all_client_input(statement: str, application: str, user: str, context: str) -> None:
    text = waiting(
        12, 7, "transaction 9", 1, statement=statement, application_name=application, user=user, context=context
    )
    (found,) = events(text)
    assert (found.pid, found.lock, found.holders, found.at_ns) == (7, "transaction 9", (1,), at(12))
    assert event(line(1, 2, statement, application_name=application, user=user, context=context)) is None or (
        statement.startswith(("process ", "loadtests observer", "starting PostgreSQL", "all server processes"))
    )


@given(st.binary(max_size=400))
def test_any_bytes_are_a_line_or_a_bad_one(data: bytes) -> None:
    for text in (data, b'{"message":"process 1' + data, data + b'"error_severity":"ERROR"'):
        try:
            event(text)
        except ValueError:
            continue


def test_a_wait_from_beginning_to_end() -> None:
    (wait,) = waits_from(
        waiting(110, 2, "transaction 9", 1, context=row("(0,5)")),
        acquired(160, 2, "transaction 9", "60.988", context=row("(0,5)")),
    )
    assert lengths_ms([wait]) == [60.988]
    assert abs(wait.started_ns - at(100)) <= MS
    assert (wait.object, wait.name, wait.known, wait.hits) == ("row of t", "t (0,5)", "event", None)
    assert (wait.outcome, wait.lock.operation, wait.lock.pod) == ("acquired", "op2", "pod-1")
    assert wait.chain == Chain(Party(1, None), Party(1, None), 1)
    assert wait.lock.statement == "UPDATE t SET n = n + ? WHERE id = ?"


def test_a_stamp_that_comes_late_moves_nothing() -> None:
    """The server was busy between reading the clock for the duration and for the stamp."""
    (wait,) = waits_from(waiting(110, 2, "transaction 9", 1), acquired(187, 2, "transaction 9", "60.000"))
    assert (wait.started_ns, wait.ended_ns) == (at(100), at(160))


def test_wait_logged_again_after_a_reload_counts_once() -> None:
    waits = waits_from(
        waiting(110, 2, "transaction 9", 1),
        waiting(150, 2, "transaction 9", 1, "50.100"),
        waiting(150, 3, "transaction 9", 1, "20.000"),
        acquired(160, 2, "transaction 9", "60.000"),
        acquired(160, 3, "transaction 9", "30.000"),
    )
    assert lengths_ms(waits) == [60, 30]


def test_an_end_without_a_beginning_is_a_wait() -> None:
    """The log was rotated away in its midst."""
    (wait,) = waits_from(acquired(160, 2, "advisory lock [1,0,77,1]", "60.000"))
    assert (lengths_ms([wait]), wait.chain, wait.object) == ([60], None, "advisory 77")


HOT = [
    waiting(68, 16, "transaction 729", 15, context=row("(0,1)", "locking")),
    waiting(73, 17, tuple_lock("(0,1)"), 16, "10.064", queue="17, 18", mode="ExclusiveLock"),
    waiting(78, 18, tuple_lock("(0,1)"), 16, queue="17, 18", mode="ExclusiveLock"),
    acquired(114, 16, "transaction 729", "55.513", context=row("(0,1)", "locking")),
    acquired(114, 17, tuple_lock("(0,1)"), "51.335", mode="ExclusiveLock"),
    waiting(124, 17, "transaction 730", 16, context=row("(0,11)", "rechecking updated")),
    acquired(175, 17, "transaction 730", "61.312", context=row("(0,11)", "rechecking updated")),
    acquired(175, 18, tuple_lock("(0,1)"), "107.500", mode="ExclusiveLock"),
    waiting(186, 18, "transaction 731", 17, context=row("(0,12)", "locking")),
    acquired(237, 18, "transaction 731", "61.034", context=row("(0,12)", "locking")),
]
"""One session holds a row, three want it."""


def test_the_parts_of_a_hot_row_are_one_wait_each() -> None:
    waits = waits_from(*HOT)
    assert [w.lock.session for w in waits] == [16, 17, 18]
    assert lengths_ms(waits) == pytest.approx([55.5, 112.5, 169], abs=2)
    assert {(w.object, w.name, w.outcome) for w in waits} == {("row of t", "t (0,1)", "acquired")}


def test_longest_part_names_the_blocker() -> None:
    """Queues move: who got the row's queue is in the way from then on, behind the session that this one waits for."""
    chains = [w.chain for w in waits_from(*HOT)]
    assert [c and (c.blocker.session, c.root.session, c.depth) for c in chains] == [
        (15, 15, 1),
        (16, 16, 1),
        (17, 16, 2),
    ]
    assert chains[2] is not None
    assert (chains[2].blocker.operation, chains[2].root.operation) == ("op17", "op16")


def test_other_rows_of_a_statement_are_waits_of_their_own() -> None:
    def two(first: dict[str, Any], second: dict[str, Any]) -> int:
        return len(
            waits_from(
                waiting(110, 2, "transaction 9", 1, **first),
                acquired(160, 2, "transaction 9", "60.000", **first),
                waiting(171, 2, "transaction 11", 3, **second),
                acquired(200, 2, "transaction 11", "39.900", **second),
            )
        )

    here = {"context": row("(0,1)")}
    assert two(here, {"context": row("(0,11)", "rechecking updated")}) == 1
    assert two(here, {"context": row("(0,2)")}) == 2
    assert two(here, {"context": row("(0,1)", relation="child")}) == 2
    assert two(here, {"context": row("(0,1)"), "vxid": "2/99"}) == 2
    assert two(here, {"context": row("(0,1)"), "statement": "SELECT 2"}) == 2
    assert two(here, {}) == 1
    assert two({}, {"vxid": "2/99"}) == 2


def test_row_is_named_by_the_part_that_knows_it() -> None:
    (wait,) = waits_from(
        waiting(110, 2, "transaction 9", 1),
        acquired(160, 2, "transaction 9", "60.000"),
        waiting(171, 2, tuple_lock("(0,7)"), 3),
        acquired(200, 2, tuple_lock("(0,7)"), "39.900"),
    )
    assert (wait.object, wait.name) == ("row of t", "t (0,7)")


def test_a_queue_of_another_table_is_another_wait() -> None:
    waits = waits_from(
        waiting(110, 2, tuple_lock("(0,1)"), 1),
        acquired(160, 2, tuple_lock("(0,1)"), "60.000"),
        waiting(170, 2, tuple_lock("(0,1)", 16390), 3),
        acquired(200, 2, tuple_lock("(0,1)", 16390), "40.000"),
    )
    assert [w.object for w in waits] == ["row of t", "row of app.child"]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (failed(160, 2, "55P03", "canceling statement due to lock timeout"), "timed_out"),
        (failed(160, 2, "57014", "canceling statement due to statement timeout"), "timed_out"),
        (failed(160, 2, "57014", "canceling statement due to user request"), "cancelled"),
        (failed(160, 2, "40P01", "deadlock detected"), "deadlock"),
        (failed(160, 2, "57P01", "terminating connection due to administrator command", "FATAL"), "cancelled"),
        (failed(160, 2, "XX000", "who knows"), "unknown"),
    ],
)
def test_waits_that_end_in_an_error(end: bytes, outcome: str) -> None:
    (wait,) = waits_from(waiting(110, 2, "transaction 9", 1), end)
    assert (lengths_ms([wait]), wait.outcome) == ([60], outcome)


def test_an_error_shortly_after_the_last_part_that_was_logged_is_its_end() -> None:
    """It had the row's queue, and waited for its holder for less than the threshold when its time was over."""
    (wait,) = waits_from(
        waiting(110, 2, tuple_lock("(0,1)"), 1),
        acquired(160, 2, tuple_lock("(0,1)"), "60.000"),
        failed(168, 2, "55P03", "canceling statement due to lock timeout"),
    )
    assert (lengths_ms([wait]), wait.outcome) == ([68], "timed_out")


def test_errors_of_others_end_nothing() -> None:
    lines = [waiting(110, 2, "transaction 9", 1), failed(120, 3, "55P03", "canceling statement due to lock timeout")]
    assert len(follow(*lines).open()) == 1


def test_a_deadlock_is_one_wait_of_its_victim() -> None:
    waits = waits_from(
        waiting(110, 2, "transaction 9", 1, context=row("(0,1)")),
        waiting(115, 1, "transaction 8", 2, did="detected deadlock while waiting for", context=row("(0,2)")),
        failed(115, 1, "40P01", "deadlock detected"),
        acquired(115, 2, "transaction 9", "15.100", context=row("(0,1)")),
    )
    assert [(w.lock.session, w.outcome) for w in waits] == [(2, "acquired"), (1, "deadlock")]


def test_an_error_that_was_caught_is_in_no_log() -> None:
    """The next wait of the session shows that the one before was over; the sampler may know more."""
    first, second = waits_from(
        waiting(110, 2, "transaction 9", 1),
        waiting(310, 2, "transaction 9", 1, statement="SELECT 2"),
        acquired(360, 2, "transaction 9", "60.000", statement="SELECT 2"),
    )
    assert (first.outcome, second.outcome, lengths_ms([second])) == ("unknown", "acquired", [60])
    assert at(110) <= (first.ended_ns or 0) <= at(300)


def test_a_chain_is_walked_to_its_head() -> None:
    waits = waits_from(
        waiting(110, 2, "transaction 1", 1),
        waiting(111, 3, "transaction 2", 2),
        waiting(112, 4, "relation 16384 of database 13573", 3, queue="4", mode="AccessShareLock"),
        acquired(210, 2, "transaction 1", "110.000"),
        acquired(211, 3, "transaction 2", "110.000"),
        acquired(212, 4, "relation 16384 of database 13573", "110.000", mode="AccessShareLock"),
    )
    chains = [w.chain for w in waits]
    assert [c and (c.blocker.session, c.root.session, c.depth) for c in chains] == [(1, 1, 1), (2, 1, 2), (3, 1, 3)]
    assert (waits[2].object, waits[2].name) == ("relation t", "relation t")


def test_the_head_is_the_one_who_was_it_for_longest() -> None:
    """Who is waited for begins to wait itself soon after."""
    waits = waits_from(
        waiting(110, 3, "transaction 2", 2),
        waiting(130, 2, "transaction 1", 1),
        acquired(310, 2, "transaction 1", "190.000"),
        acquired(315, 3, "transaction 2", "215.000"),
    )
    by_waiter = {w.lock.session: w.chain for w in waits}
    assert by_waiter[3] == Chain(Party(2, "op2"), Party(1, None), 2)


@pytest.mark.parametrize(
    ("change", "reader", "blocker"),
    [
        ("AccessExclusiveLock", "AccessShareLock", 2),
        ("ShareLock", "RowExclusiveLock", 2),
        ("ShareLock", "AccessShareLock", 1),
        ("AccessExclusiveLock", "AccessExclusiveLock", 1),
    ],
)
def test_who_queues_before_a_mode_that_the_holder_may_share(change: str, reader: str, blocker: int) -> None:
    """The log names the holder of a relation, whether or not it blocks: its queue names the others."""
    lock = "relation 16384 of database 13573"
    waits = waits_from(
        waiting(110, 2, lock, 1, queue="2", mode=change),
        waiting(113, 3, lock, 1, queue="2, 3", mode=reader),
        acquired(160, 2, lock, "60.000", mode=change),
        acquired(161, 3, lock, "58.000", mode=reader),
    )
    chains = {w.lock.session: w.chain for w in waits}
    assert [c and (c.blocker.session, c.root.session) for c in (chains[2], chains[3])] == [(1, 1), (blocker, 1)]


def test_a_circle_ends() -> None:
    waits = follow(waiting(110, 1, "transaction 2", 2), waiting(111, 2, "transaction 1", 1))
    assert [[h.pid for h in waits.chain(w, at(112))] for w in waits.open()] == [[2], [1]]


def test_a_server_that_began_anew_gives_old_numbers_to_others() -> None:
    lines = [
        waiting(110, 2, "transaction 9", 1),
        line(400, 77, "starting PostgreSQL 15.18 on x86_64", backend_type="postmaster"),
        waiting(520, 2, "transaction 9", 3, session_id="6b05ad99.2"),
        acquired(560, 2, "transaction 9", "50.000", session_id="6b05ad99.2"),
    ]
    old, new = waits_from(*lines)
    assert (old.outcome, old.chain and old.chain.root.session) == ("unknown", 1)
    assert (old.ended_ns or FOR_EVER) < at(400)
    assert (lengths_ms([new]), new.chain and new.chain.root.session) == ([50], 3)


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ("advisory lock [13573,0,77,1]", ("advisory 77", "advisory 77")),
        ("advisory lock [13573,4294967295,4294967295,1]", ("advisory -1", "advisory -1")),
        ("advisory lock [13573,3,4294967289,2]", ("advisory 3,-7", "advisory 3,-7")),
        ("object 0 of class 1262 of database 0", ("commit of NOTIFY", "commit of NOTIFY")),
        ("object 5 of class 2615 of database 1", ("object of class 2615", "object 5 of class 2615")),
        ("extension of relation 16384 of database 1", ("extend of t", "extend of t")),
        ("page 3 of relation 16384 of database 1", ("page of t", "page 3 of t")),
        ("relation 99 of database 1", ("relation relation 99", "relation relation 99")),
        ("virtual transaction 4/17", ("virtualxid", "virtualxid 4/17")),
        ("something new", ("something new", "something new")),
    ],
)
def test_locks_in_words(lock: str, expected: tuple[str, str]) -> None:
    (wait,) = waits_from(waiting(110, 2, lock, 1), acquired(160, 2, lock, "60.000"))
    assert (wait.object, wait.name) == expected


def test_a_key_that_is_not_there_yet() -> None:
    context = row("(0,9)", "inserting index", "t_pkey")
    (wait,) = waits_from(
        waiting(110, 2, "transaction 9", 1, context=context), acquired(160, 2, "transaction 9", "60.000")
    )
    assert (wait.object, wait.name) == ("key of t_pkey", "t_pkey transaction 9")


def test_hardly_anything_is_kept_of_what_is_over() -> None:
    waits = follow(*HOT)
    for n in range(1, 100):
        for found in events(
            waiting(1000 * n, 2, f"transaction {n}", 1), acquired(1000 * n + 20, 2, f"transaction {n}", "30.000")
        ):
            waits.take(found)
        waits.settled(FOR_EVER)
        waits.forget()
    assert [len(getattr(waits, name)) for name in ("_history", "_last", "unsettled")] == [1, 1, 0]


def test_a_wait_that_lasts_does_not_keep_all_others() -> None:
    """One session is stuck for an hour behind a lock that changes hands, while others wait by the second."""
    waits = follow(waiting(10, 2, LOCK, 100, queue="101, 2"), waiting(10, 50, "transaction 8", 2))
    for n in range(1, 3600):
        holder, others = 100 + n // 1000, events(waiting(1000 * n, 7, f"transaction {n}", 6))
        if n % 1000 == 0:
            others += events(acquired(1000 * n, holder, LOCK, "500.000"))
        for found in [*others, *events(acquired(1000 * n + 20, 7, f"transaction {n}", "30.000"))]:
            waits.take(found)
        waits.settled(FOR_EVER)
        waits.forget()
    assert len(waits._history) < 200
    lasting = {wait.pid: waits.snapshots(wait, wait.parts[-1], at(3_600_000)) for wait in waits.open()}
    assert [len(noted_snapshots) <= 16 for noted_snapshots in lasting.values()] == [True, True]
    apart = [after - before for (before, _), (after, _) in pairwise(lasting[2])]
    assert max(apart) < 1.3 * min(apart)
    assert {holders[0].pid for _, holders in lasting[2]} == {100, 101, 102, 103}
    assert {tuple(h.pid for h in holders[:1]) for _, holders in lasting[50]} == {(2,)}
    assert {holders[-1].pid for _, holders in lasting[50]} == {100, 101, 102, 103}


def activity(
    transaction: str, since_ms: int, until_ms: int, operation: str | None, own: bool = False
) -> TransactionActivity:
    return TransactionActivity(transaction, since_ms * MS, until_ms * MS, operation, own)


def test_names_are_those_of_the_transaction_that_held_the_lock() -> None:
    names = ProcessActivity()
    names.see(1, activity("a", 100, 200, "chat.accept"))
    names.see(1, activity("b", 300, 300, "chat.close"))
    names.see(1, activity("b", 300, 400, None))
    found = [names.operation(1, [ms * MS]) for ms in (150, 250, 350, 500)]
    assert found == ["chat.accept", None, "chat.close", None]
    assert names.operation(2, [150 * MS]) is None


def test_strangers_bear_one_name_until_the_server_is_another() -> None:
    names = ProcessActivity()
    names.see(1, activity("a", 100, 200, "pg_dump", own=True))
    names.cut(1000 * MS)
    names.see(1, activity("b", 1100, 1200, "psql", own=True))
    assert [names.operation(1, [ms * MS]) for ms in (300, 999, 1050)] == ["pg_dump", "pg_dump", "psql"]


def test_relations_are_asked_for_once() -> None:
    relations = Relations()
    for what in (16384, "t", "t", None, 16384):
        relations.want(what)
    assert relations.wanted() == ([16384], ["t"])
    relations.want(16384)
    assert relations.wanted() == ([], [])
    relations.learn([{"id": 1, "bare": "t", "name": "a.t"}, {"id": 2, "bare": "t", "name": "b.t"}])
    assert (relations.of_id(1), relations.of_name("t"), relations.of_id(3)) == ("a.t", "t", "relation 3")
    relations.forget()
    relations.want(16384)
    assert relations.wanted() == ([16384], [])


def test_names_of_processes_long_gone_are_forgotten() -> None:
    names = ProcessActivity()
    for pid in range(5000):
        names.see(pid, activity("a", 1000 * pid, 1000 * pid + 1, "pg_dump", own=True))
        names.see(9, activity("b", 0, 1000 * pid, "chat.accept"))
        names.forget((1000 * pid - 300_000) * MS)
    assert len(names) < 320
    assert [names.operation(pid, [4_998_000 * MS]) for pid in (5, 9, 4800)] == [None, "chat.accept", "pg_dump"]


def test_moments() -> None:
    assert events(line(7, 1, "loadtests observer abc 1"))[0].at_ns == T0_NS + 7_500_000
