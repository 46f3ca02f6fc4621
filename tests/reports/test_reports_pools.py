"""Attribution of waits for a pooled session: transactions and waits in, shares out."""

from types import SimpleNamespace

import numpy as np
import pytest

from reports.analysis.causes.pools import STEP_NS, Pools
from reports.data.arrays import MISSING
from reports.data.transactions import Transactions

MS = 1_000_000
ROW = "row of accounts"
ACCEPT, SEND = "chat.accept", "message.send"


def whole(numbers):
    return np.array(numbers, dtype=np.int64)


def transactions(*rows, databases=("postgres",)):
    """Each is (pod, database, from, to) in ms."""
    pod, database, begun, ended = (whole(column) for column in zip(*rows, strict=True))
    none = np.full(len(rows), MISSING)
    places = database.astype(np.int16), pod.astype(np.int16), np.zeros(len(rows), np.uint8)
    keys = np.arange(len(rows)), np.arange(len(rows), dtype=np.uint64)
    return Transactions(
        databases, *places, *keys, none, begun * MS, ended * MS, none, none, np.zeros(len(rows), np.uint8)
    )


def pools(rows, *waits, ends_ms=1_000):
    """Each wait is (transaction, from, to, holder) in ms; transaction -1 is that of another client."""
    row, starts, ends = (whole([wait[place] for wait in waits]) for place in range(3))
    names = sorted({wait[3] for wait in waits})
    waiting = SimpleNamespace(
        transaction=row, starts=starts * MS, ends=ends * MS, weight=(ends - starts) * float(MS),
        object=np.zeros(len(waits), np.int32), names=SimpleNamespace(all=names), objects=SimpleNamespace(all=[ROW]),
    )  # fmt: skip
    part = SimpleNamespace(rows=waiting, holders=lambda: whole([names.index(wait[3]) for wait in waits]))
    run = SimpleNamespace(started_ns=0, ended_ns=ends_ms * MS)
    return Pools(SimpleNamespace(run=run, transactions=rows, parts=[part] if waits else []))


def behind_ms(found, pool, start, end):
    waited = found.behind(pool, whole([start * MS]), whole([end * MS]))
    return {holder: float(ns[0]) / MS for (holder, what), ns in waited.items() if what == ROW and ns[0] > 0}


def test_the_share_of_the_sessions_time_is_the_share_of_the_wait():
    rows = transactions((0, 0, 0, 200), (0, 0, 0, 200))
    found = pools(rows, (0, 0, 200, SEND))  # one of two sessions waits all the time
    assert behind_ms(found, 0, 0, 100) == {SEND: pytest.approx(50)}


def test_each_holder_has_its_part():
    rows = transactions((0, 0, 0, 400), (0, 0, 0, 400))
    found = pools(rows, (0, 0, 400, SEND), (1, 0, 200, ACCEPT))
    assert behind_ms(found, 0, 0, 400) == {SEND: pytest.approx(200), ACCEPT: pytest.approx(100)}


def test_a_pods_users_wait_for_its_own_pool_alone():
    """Two pods on one database: the sessions of the second wait, those of the first work."""
    rows = transactions((0, 0, 0, 300), (1, 0, 0, 300))
    found = pools(rows, (1, 0, 300, SEND))
    first, second = np.unique(rows.pool)
    assert behind_ms(found, int(first), 0, 300) == {}
    assert behind_ms(found, int(second), 0, 300) == {SEND: pytest.approx(300)}


def test_a_pods_databases_have_a_pool_each():
    rows = transactions((0, 0, 0, 300), (0, 1, 0, 300), databases=("legacy", "upgraded"))
    found = pools(rows, (1, 0, 300, SEND))
    assert [behind_ms(found, int(pool), 0, 300) for pool in np.unique(rows.pool)] == [{}, {SEND: pytest.approx(300)}]


def test_other_clients_are_in_no_pool():
    found = pools(transactions((0, 0, 0, 300)), (-1, 0, 300, SEND))
    assert behind_ms(found, 0, 0, 300) == {}


def test_pool_activity_is_in_steps_of_100_ms():
    rows = transactions((0, 0, 0, 400))
    found = pools(rows, (0, 100, 200, SEND))
    step = STEP_NS // MS
    assert behind_ms(found, 0, 0, step) == {}
    assert behind_ms(found, 0, step, 2 * step) == {SEND: pytest.approx(step)}
    assert behind_ms(found, 0, step + 10, step + 30) == {SEND: pytest.approx(20)}


def test_lock_time_never_exceeds_the_session_wait():
    """Waits that were sampled may weigh more than the transactions that they were in."""
    rows = transactions((0, 0, 0, 20))
    found = pools(rows, (0, 0, 90, SEND), (0, 0, 60, ACCEPT))
    assert sum(behind_ms(found, 0, 0, 50).values()) == pytest.approx(50)


def test_empty_without_waits_or_sessions():
    assert behind_ms(pools(transactions((0, 0, 0, 300))), 0, 0, 300) == {}
    found = pools(transactions((0, 0, 500, 600)), (0, 500, 600, SEND))
    assert behind_ms(found, 0, 0, 100) == {}
