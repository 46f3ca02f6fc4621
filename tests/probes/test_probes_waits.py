"""Chains and the following of waits, from snapshots made by hand."""

from loadtests.probes.waits import Chain, Lock, Party, Waits, waits_behind, waits_in

ROW = "tuple.1"
HOLDER = Lock(1, "xid.9", "transactionid", "ExclusiveLock", True, operation="chat.accept")
FIRST = Lock(2, "xid.9", "transactionid", "ShareLock", False, since=500, age_ns=300, operation="chat.offer")
QUEUE_HEAD = Lock(2, ROW, "tuple", "AccessExclusiveLock", True, relation="chats", operation="chat.offer")
SECOND = Lock(3, ROW, "tuple", "AccessExclusiveLock", False, relation="chats", since=600, age_ns=200)


def test_chain_to_the_root_and_the_row_that_it_is_about() -> None:
    first, second = waits_in([HOLDER, FIRST, QUEUE_HEAD, SECOND])
    holder, waiter = Party(1, "chat.accept"), Party(2, "chat.offer")
    assert (first.chain, first.object) == (Chain(holder, holder, 1), "row of chats")
    assert (second.chain, second.object) == (Chain(waiter, holder, 2), "row of chats")


def test_queue_before_a_free_mode_is_a_blocker_too() -> None:
    """A reader that could share the lock still queues behind the exclusive request before it."""
    reader = Lock(1, "rel", "relation", "AccessShareLock", True, relation="t")
    ddl = Lock(2, "rel", "relation", "AccessExclusiveLock", False, relation="t", age_ns=900)
    behind = Lock(3, "rel", "relation", "AccessShareLock", False, relation="t", age_ns=100)
    samples = {s.lock.session: s for s in waits_in([behind, ddl, reader])}
    assert samples[2].chain == Chain(Party(1, None), Party(1, None), 1)
    assert samples[3].chain == Chain(Party(2, None), Party(1, None), 2)
    assert samples[3].object == "relation t"


def test_shared_locks_do_not_block_each_other() -> None:
    holders = [Lock(n, "rel", "relation", "RowExclusiveLock", True) for n in (1, 2)]
    share = Lock(3, "rel", "relation", "ShareLock", True)
    waiter = Lock(4, "rel", "relation", "RowShareLock", False)
    assert [s.chain for s in waits_in([*holders, share, waiter])] == [None]


def test_deadlock_ends() -> None:
    locks = []
    for holder, waiter in ((1, 2), (2, 1)):
        locks += [Lock(holder, f"x{holder}", "transactionid", "ExclusiveLock", True)]
        locks += [Lock(waiter, f"x{holder}", "transactionid", "ShareLock", False)]
    chains = [s.chain for s in waits_in(locks)]
    assert [c.depth for c in chains if c] == [1, 1]


def test_holder_without_a_session_is_still_a_holder() -> None:
    prepared = HOLDER._replace(session=None, operation=None)
    (shown,) = waits_in([prepared, FIRST])
    assert shown.chain == Chain(Party(None, None), Party(None, None), 1)


def test_objects_in_words() -> None:
    advisory = Lock(5, "adv", "advisory", "ExclusiveLock", False, detail="42")
    extend = Lock(6, "ext", "extend", "ExclusiveLock", False, relation="chats")
    alone = FIRST._replace(session=7)
    assert [s.object for s in waits_in([advisory, extend, alone])] == ["advisory 42", "extend of chats", "transaction"]


def test_wait_lasts_from_its_first_to_its_last_sample() -> None:
    waits = Waits(period_ns=100)
    assert waits.observe(1000, 5, waits_in([HOLDER, FIRST])) == []
    assert waits.observe(1100, 5, waits_in([HOLDER, FIRST._replace(age_ns=400)])) == []
    (over,) = waits.observe(1200, 5, [])
    assert (over.started_ns, over.last_ns, over.ended_ns, over.hits) == (700, 1100, 1150, 2)
    assert waits.rest() == []


def test_the_surest_reading_of_the_beginning_counts() -> None:
    waits = Waits(100)
    waits.observe(1000, 50, waits_in([HOLDER, FIRST]))
    waits.observe(1100, 2, waits_in([HOLDER, FIRST._replace(age_ns=370)]))
    waits.observe(1200, 90, waits_in([HOLDER, FIRST._replace(age_ns=550)]))
    assert [(w.started_ns, w.error_ns) for w in waits.rest()] == [(730, 2)]


def test_two_waits_in_a_row_are_two() -> None:
    waits = Waits(100)
    waits.observe(1000, 5, waits_in([HOLDER, FIRST]))
    (over,) = waits.observe(1100, 5, waits_in([HOLDER, FIRST._replace(since=501, age_ns=50)]))
    assert (over.started_ns, over.hits) == (700, 1)
    assert [w.started_ns for w in waits.rest()] == [1050]


def test_wait_with_a_late_beginning_is_one() -> None:
    waits = Waits(100)
    waits.observe(1000, 5, waits_in([HOLDER, FIRST._replace(since=None, age_ns=None)]))
    assert waits.observe(1100, 5, waits_in([HOLDER, FIRST])) == []
    assert [(w.started_ns, w.hits, w.ended_ns) for w in waits.rest()] == [(800, 2, None)]


def test_the_parts_of_a_statement_are_one_wait() -> None:
    """For the row's queue, for its holder, and for the next one's: a statement on one row; not the statement after."""
    first = SECOND._replace(asked=7, since=600, age_ns=20)
    second = FIRST._replace(session=3, asked=7, since=680, age_ns=30)
    third = second._replace(tag="xid.10", since=790, age_ns=15)
    waits = Waits(100)
    waits.observe(1000, 5, waits_in([HOLDER, FIRST, QUEUE_HEAD, first]))
    assert [w.lock.session for w in waits.observe(1100, 5, waits_in([HOLDER, second]))] == [2]
    assert waits.observe(1200, 1, waits_in([HOLDER._replace(tag="xid.10"), third])) == []
    (over,) = waits.observe(1300, 5, waits_in([HOLDER._replace(tag="xid.10"), third._replace(asked=8, since=950)]))
    assert (over.started_ns, over.ended_ns, over.hits, over.object) == (980, 1250, 3, "row of chats")
    assert [s.since_ns for s in over.samples] == [980, 1070, 1185]


def test_servers_that_do_not_report_the_beginning() -> None:
    waits = Waits(100)
    waits.observe(1000, 5, waits_in([HOLDER, FIRST._replace(age_ns=None)]))
    (over,) = waits.observe(1100, 5, [])
    assert (over.started_ns, over.ended_ns) == (950, 1050)


def test_the_usual_blocker_is_named() -> None:
    waits = Waits(100)
    other = HOLDER._replace(session=8, operation="chat.close")
    for at, holder in ((1000, other), (1100, HOLDER), (1200, HOLDER)):
        waits.observe(at, 5, waits_in([holder, FIRST]))
    assert [w.chain and w.chain.blocker.operation for w in waits.rest()] == ["chat.accept"]


def test_a_server_that_names_the_blockers_is_believed() -> None:
    holder = Lock(1, "a", "row", "", True, operation="chat.accept")
    first = Lock(2, "a", "row", "X", False, relation="chats", operation="chat.offer")
    second = Lock(3, "b", "row", "X", False, relation="chats")
    seen = waits_behind([(first, holder), (second, first), (Lock(4, "m", "table metadata lock", "", False), None)])
    assert [s.object for s in seen] == ["row of chats", "row of chats", "table metadata lock"]
    assert [s.chain and (s.chain.root.session, s.chain.depth) for s in seen] == [(1, 1), (1, 2), None]


def test_a_wait_does_not_outlive_its_server() -> None:
    """Process ids and lock names begin anew: the same ones are another wait's."""
    waits = Waits(100)
    waits.observe(1000, 5, waits_in([HOLDER, FIRST._replace(since=None, age_ns=None)]))
    waits.cut()
    (over,) = waits.observe(9000, 5, waits_in([HOLDER, FIRST._replace(since=None, age_ns=None)]))
    assert (over.started_ns, over.ended_ns, over.hits) == (950, 1050, 1)
    waits.cut()
    assert [(w.started_ns, w.ended_ns) for w in waits.rest()] == [(8950, 9050)]
