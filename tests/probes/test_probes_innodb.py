"""What MariaDB and MySQL say of themselves, made out: rows made by hand, MySQL's after its manual."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes import locknames
from loadtests.probes.innodb.lock_sample import Freshness, InnodbSample, InnodbSession, InTheWay, SessionLabels
from loadtests.probes.innodb.probe import GUESSED_HOLDERS, NO_HOLDERS, NO_PROCESS, UNTESTED, ServerProduct, source
from loadtests.probes.innodb.tickets import MetadataWait, Ticket, guessed, waits

PERIOD_NS = 200


def session(number: int, head: str | None = None, **other: object) -> InnodbSession:
    known: dict[str, object] = {
        "transaction": None,
        "state": None,
        "tail": None,
        "query": 1,
        "age_ns": 50,
        "user": "pod",
    }
    wait_class = "client" if head is None else "running"
    return InnodbSession(number, **{"wait_class": wait_class, "head": head, **known, **other})  # type: ignore[arg-type]


def test_sessions_are_named_by_their_comments() -> None:
    assert session(1, "/* chat.accept@pod-1 */ SELECT 1").label == "chat.accept@pod-1"
    assert session(1, "SELECT 1 /*action='accept',controller='chats'*/").label == "chats.accept"
    assert session(1, "INSERT " + "x" * 993, tail="x' /* chat.offer */").label == "chat.offer"
    assert session(1, "/* chat.close */ INSERT " + "x" * 976, tail="xxx'").label == "chat.close"
    assert session(1).label is None


@pytest.mark.parametrize("pad", ["x" * 981, "é" * 491])
def test_cut_statement_does_not_show_values(pad: str) -> None:
    assert session(1, f"INSERT '{pad} /* jane */").label is None


def test_idle_session_keeps_its_last_operation() -> None:
    """In its transaction, or since the statement that named it; not in another one."""
    names = SessionLabels()
    names.note([session(n, "/* chat.accept@pod-1 */ SELECT 1", transaction=7, query=n) for n in (1, 2, 3)])
    idle = {"wait_class": "idle in transaction"}
    names.note([session(1, transaction=7, query=9, **idle), session(2, query=2), session(3, transaction=8, query=9)])
    assert [names.of(n) for n in (1, 2, 3)] == ["chat.accept@pod-1", "chat.accept@pod-1", None]


def test_strangers_go_by_their_program_or_user_and_the_pods_by_nothing() -> None:
    names = SessionLabels()
    names.programs = {3: "mariadb-dump"}
    working = {"wait_class": "running"}
    names.note([session(1, "/* chat.accept@pod-1 */ SELECT 1"), session(2, "SELECT 2"), session(5)])
    names.note(
        [
            session(2, "SELECT 2"),  # the pod's: others of its user do say what they do
            session(3, "SELECT 3", user="pod", **working),
            session(4, "SELECT 4", user="backup", **working),
            session(5, user="backup"),
        ]
    )
    assert [names.of(n) for n in (2, 3, 4, 5)] == [None, "mariadb-dump", "backup", None]


HOLDER = session(1, transaction=23)


def way(waiter: int, blocker: int, lock: str = "24:5:3:2", queues: int = 0, type: str = "RECORD") -> InTheWay:
    return InTheWay(waiter, blocker, queues, lock, "X", type, "accounts")


def sample_of(*sessions: InnodbSession) -> InnodbSample:
    names = SessionLabels()
    names.note(sessions)
    return InnodbSample(sessions, names, PERIOD_NS)


@pytest.mark.parametrize(
    ("lock", "type", "name"),
    [
        ("24:5:3:2", "RECORD", "accounts 3:2"),  # MariaDB: transaction, space, page, heap
        ("140211201964816:2:4:7:140211086465800", "RECORD", "accounts 4:7"),  # MySQL adds the lock's address
        ("139664434886512:1059:139664350547912", "TABLE", "relation accounts"),
        ("24:17", "TABLE", "relation accounts"),
        ("something new", "RECORD", "relation accounts"),
    ],
)
def test_lock_is_named_after_its_place_for_every_session(lock: str, type: str, name: str) -> None:
    assert way(2, 1, lock, type=type).named.lock == name


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("`chats`.`accounts`", "accounts"),
        ("`chats`.`a.b'c``d`", "a.b'c`d"),
        ("`ch.ats`.`schema.name;--`", "schema.name;--"),
        ("`chats`.`t` /* Partition `p0` */", "t"),
        ('"chats"."we""ird"', 'we"ird'),
        ("accounts", "accounts"),
    ],
)
def test_table_of_innodb_is_unquoted(name: str, table: str) -> None:
    assert locknames.innodb_table(name) == table


def test_holder_counts_before_an_earlier_request() -> None:
    waiting = {"wait_class": "lock", "transaction": 25}
    seen = sample_of(HOLDER, session(2, "SELECT 1", **waiting), session(3, "SELECT 2", **waiting))
    found = seen.waits([way(3, 2, queues=1), way(3, 1), way(2, 1)], None, False)
    assert {(w.session, b and b.session) for w, b in found} == {(2, 1), (3, 1)}


def test_who_is_in_no_statement_any_more_does_not_wait() -> None:
    over = session(2, wait_class="idle in transaction", transaction=25)
    assert sample_of(HOLDER, over).waits([way(2, 1)], None, False) == []


def test_transaction_without_a_session_is_named() -> None:
    ((_, blocker),) = sample_of(session(2, "SELECT 1", wait_class="lock")).waits([way(2, 0)], None, False)
    assert blocker is not None
    assert (blocker.session, blocker.operation) == (0, "transaction without a session")


def test_statement_begun_since_the_last_sample_dates_its_wait() -> None:
    young, old = (session(n, "SELECT 1", wait_class="lock", age_ns=age) for n, age in ((2, 199), (3, 200)))
    found = sample_of(HOLDER, young, old).waits([way(2, 1), way(3, 1)], None, False)
    assert [w.age_ns for w, _ in found] == [199, None]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ("a = \"hunter2\", b = 'it''s hunter3' WHERE id = 4", "a = ?, b = ? WHERE id = ?"),
        ("a = \"note \\\" hunter2\", b = 'it\\'s hunter3' WHERE id = 4", "a = ?"),  # or did it end at the backslash?
    ],
)
def test_values_quoted_as_in_mariadb_are_left_out(values: str, shown: str) -> None:
    waiter = session(2, f"UPDATE t SET {values}", wait_class="lock")
    ((wait, _),) = sample_of(HOLDER, waiter).waits([way(2, 1)], None, False)
    assert wait.statement == f"UPDATE t SET {shown}"


def test_waits_in_no_list_are_known_by_the_session_s_state() -> None:
    sessions = [
        session(2, "ALTER TABLE t", wait_class="lock", state="Waiting for table metadata lock"),
        session(3, "SELECT 1", wait_class="lock", state="User lock"),
        session(4, "INSERT", wait_class="lock", state="Waiting for table level lock"),
    ]
    found = sample_of(*sessions).waits([], None, False)
    assert [(w.session, w.tag, b) for w, b in found] == [
        (2, "table metadata lock", None),
        (3, "user lock", None),
        (4, "table level lock", None),
    ]
    listed = sample_of(*sessions).waits([], [], True)  # what the list does not show is over by now
    assert [w.session for w, _ in listed] == [4]


def table(session: int, mode: str, granted: bool = True, name: str = "t") -> Ticket:
    return Ticket(session, "TABLE", "pod", name, mode, granted)


def test_a_change_of_a_table_waits_for_its_readers_and_later_readers_for_the_change() -> None:
    reader, upgradable = table(1, "SHARED_READ"), table(2, "SHARED_UPGRADABLE")
    change, late = table(2, "EXCLUSIVE", False), table(3, "SHARED_READ", False)
    elsewhere = table(4, "EXCLUSIVE", name="other")
    found = waits([late, elsewhere, change, upgradable, reader], {2: 900, 3: 100})
    assert found == [MetadataWait(late, 2, True), MetadataWait(change, 1)]


def test_of_several_holders_one_that_does_not_wait_is_named() -> None:
    other = Ticket(1, "SCHEMA", None, "s", "EXCLUSIVE", False)
    found = waits([table(1, "SHARED_READ"), table(2, "SHARED_WRITE"), table(3, "EXCLUSIVE", False), other], {})
    assert found[0].blocker == 2


@pytest.mark.parametrize(
    ("asked", "held", "waits_for_it"),
    [
        ("SHARED_READ", "SHARED_WRITE", False),
        ("SHARED_WRITE", "SHARED_NO_WRITE", True),
        ("SHARED_UPGRADABLE", "SHARED_UPGRADABLE", True),
        ("SHARED_HIGH_PRIO", "SHARED_NO_READ_WRITE", False),
        ("INTENTION_EXCLUSIVE", "SHARED", True),
        ("INTENTION_EXCLUSIVE", "INTENTION_EXCLUSIVE", False),
        ("BACKUP_TRANS_DML", "BACKUP_FTWRL1", True),
        ("BACKUP_TRANS_DML", "BACKUP_DDL", False),
        ("BACKUP_FTWRL1", "BACKUP_DDL", True),
        ("A_NEW_MODE", "SHARED", True),
    ],
)
def test_modes_that_cannot_be_held_beside_each_other(asked: str, held: str, waits_for_it: bool) -> None:
    (wait,) = waits([table(1, held), table(2, asked, False)], {})
    assert wait.blocker == (1 if waits_for_it else None)


def user_level(session: int, name: str, granted: bool) -> Ticket:
    return Ticket(session, "USER LEVEL LOCK", None, name, "SHARED_NO_WRITE", granted)


def test_user_level_locks_are_distinguished_without_their_data() -> None:
    first, second = (user_level(1, f"invoice:{n}", True).named for n in (4711, 4712))
    assert first.object == second.object == "advisory invoice"
    assert first.lock != second.lock
    assert user_level(2, "invoice:4711", False).named == first
    assert "4711" not in first.lock
    assert waits([user_level(1, "a", True), user_level(2, "a", False)], {})[0].blocker == 1


@pytest.mark.parametrize(
    ("name", "object_"),
    [
        ("inbox/jane-doe", "advisory inbox"),
        ("user:jane_doe", "advisory user"),
        ("jane.doe@example.org", "advisory"),
        ("jane", "advisory"),
        ("jane doe: inbox", "advisory"),
        ("lock_jane_doe", "advisory"),
        ("", "advisory"),
    ],
)
@pytest.mark.parametrize("kind", ["USER LEVEL LOCK", "LOCKING SERVICE"])
def test_a_name_that_may_be_a_customer_s_is_an_object_of_its_kind(kind: str, name: str, object_: str) -> None:
    named = Ticket(1, kind, None, name, "EXCLUSIVE", True).named
    assert named.object == object_
    assert re.fullmatch(rf"{object_} #[0-9a-f]{{8}}", named.lock)


def test_plugin_lists_holders_and_the_statement_the_request() -> None:
    held = [table(1, "SHARED_READ"), table(2, "SHARED_UPGRADABLE"), table(9, "SHARED_READ", name="tt")]
    state = "Waiting for table metadata lock"
    asked = guessed(
        held, {2: (state, "/* x */ alter table t add c int"), 3: (state, "SELECT * FROM t"), 4: (state, None)}
    )
    found = waits([*held, *asked], {2: 900, 3: 100})
    assert {(w.ticket.session, w.blocker) for w in found} == {(2, 1), (3, 2)}
    assert guessed(held, {3: (state, "SELECT * FROM t JOIN tt")}) == []  # which one of them?
    key = [user_level(1, "job", True)]
    assert [t.session for t in guessed(key, {2: ("User lock", "SELECT get_lock('job', 5)")})] == [2]


@given(st.text(max_size=60), st.text(max_size=200))
def test_every_lock_name_and_statement_makes_a_row(name: str, statement: str) -> None:
    ticket = user_level(1, name, True)
    assert ticket.named.lock.startswith("advisory")
    waiter = session(2, statement, wait_class="lock", state="User lock")
    ((lock, _),) = sample_of(session(1), waiter).waits([], [ticket], False)
    assert lock.session == 2


@pytest.mark.parametrize(
    ("version", "flavour", "limit"),
    [
        ("10.11.19-MariaDB-0+deb12u1", "mariadb", "max_statement_time = 0.160"),
        ("11.4.2-MariaDB", "mariadb", "max_statement_time = 0.160"),
        ("8.0.36", "mysql", "max_execution_time = 160"),
        ("8.4.0-commercial", "mysql", "max_execution_time = 160"),
    ],
)
def test_servers_are_asked_in_their_own_words(version: str, flavour: str, limit: str) -> None:
    product = ServerProduct.of(version)
    assert (product.flavour, product.limited(0.16)) == (flavour, limit)


@pytest.mark.parametrize("version", ["10.5.9-MariaDB", "5.7.44", "what?", ""])
def test_older_servers_are_refused(version: str) -> None:
    with pytest.raises(RuntimeError, match="cannot be watched"):
        ServerProduct.of(version)


def test_sources_have_a_reason_for_not_being_better() -> None:
    ours, theirs = ServerProduct.of("10.11.1-MariaDB"), ServerProduct.of("8.0.36")
    assert source(ours, 200, 1000, True, "metadata").reason == ""
    assert source(ours, 200, 1000, True, "plugin").reason == GUESSED_HOLDERS
    assert source(theirs, 200, 1000, True, None).reason == f"{UNTESTED}; {NO_HOLDERS}"
    blind = source(ours, 200, 1000, False, None)
    assert (blind.known, blind.period_ns, blind.reason) == (("counter",), 1000, NO_PROCESS)


def test_copy_is_fresh_when_made_since_the_last_sample() -> None:
    freshness = Freshness()
    marks = (None, "/* sample 1 */ SELECT", None, None, "/* sample 4 */ SELECT", "/* sample 4 */ SELECT", None)
    found = [freshness.fresh(f"/* sample {number} */", shown) for number, shown in enumerate(marks)]
    assert found == [False, True, True, False, True, False, False]
    assert not freshness.fresh("/* sample 7 */", "/* sample 70 */ SELECT")
