"""The log's waits and the sampler's: each wait once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes.jsonlog.reconciling import FOR_EVER, Competitors, WaitReconciler
from loadtests.probes.postgres.log_probe import LogSettings, source
from loadtests.probes.wait_samples import WaitSample
from loadtests.probes.waits import Chain, Lock, Party, Wait


def sampled(session: int, started: int, last: int, hits: int = 1, chain: Chain | None = None) -> Wait:
    lock = Lock(session, "tag", "transactionid", "ShareLock", False, age_ns=5)
    samples = [WaitSample(started, last, 0)] * hits
    return Wait(
        lock, "row of t", started, 0, last, hits, last + 25, chains=Counter([chain]), name="t (0,1)", samples=samples
    )


def logged(session: int, started: int, ended: int | None, chain: Chain | None = None, of: str = "row of t") -> Wait:
    lock = Lock(session, "transaction 9", "transaction", "ShareLock", False)
    last = started if ended is None else ended
    return Wait(lock, of, started, 0, last, None, ended, "event", "acquired", Counter([chain]), name="transaction 9")


NO_SESSIONS: set[int] = set()


def log(
    reconciler: WaitReconciler, *waits: Wait, queue: set[int] = NO_SESSIONS, holders: set[int] = NO_SESSIONS
) -> None:
    reconciler.logged(waits, [Competitors(frozenset(queue), frozenset(holders)) for _ in waits])


def known(waits: list[Wait]) -> list[tuple[str, int | None, int]]:
    return [(w.known, w.lock.session, w.started_ns) for w in waits]


def test_logged_waits_are_not_counted_twice() -> None:
    reconciler = WaitReconciler()
    reconciler.sampled([sampled(1, 100, 150), sampled(2, 100, 150)])
    log(reconciler, logged(1, 100, 190))
    assert known(reconciler.settled(1000)) == [("event", 1, 100), ("sampled", 2, 100)]
    reconciler.sampled([sampled(1, 100, 160)])
    assert reconciler.settled(1000) == []


def test_sample_is_kept_until_the_log_is_read() -> None:
    """And completes it then, however late that is."""
    reconciler, holder = WaitReconciler(), Party(5, "pg_dump")
    reconciler.sampled([sampled(1, 100, 150, chain=Chain(holder, holder, 1)), sampled(2, 100, 150)])
    assert reconciler.settled(120) == []
    assert known(reconciler.settled(1000, lambda: [(1, 99, FOR_EVER)])) == [("sampled", 2, 100)]
    log(reconciler, logged(1, 99, 190))
    (wait,) = reconciler.settled(1000)
    assert (wait.known, wait.chain) == ("event", Chain(holder, holder, 1))
    assert reconciler.settled(FOR_EVER) == []


def test_sample_of_a_wait_without_a_logged_end_counts() -> None:
    reconciler = WaitReconciler()
    reconciler.sampled([sampled(1, 100, 150)])
    assert reconciler.settled(1000, lambda: [(1, 99, FOR_EVER)]) == []
    assert known(reconciler.settled(2000)) == [("sampled", 1, 100)]


def test_parts_too_short_to_be_logged_are_sampled() -> None:
    """Before the wait that was logged, and after it; a part in its midst is in its span."""
    reconciler = WaitReconciler()
    reconciler.sampled([sampled(1, 90, 95), sampled(1, 140, 141), sampled(1, 200, 203)])
    log(reconciler, logged(1, 100, 200))
    assert known(reconciler.settled(1000)) == [("event", 1, 100), ("sampled", 1, 90), ("sampled", 1, 200)]


def test_samples_outside_of_logged_waits_are_left() -> None:
    """A statement waited in parts, and one of them was long enough to be logged."""
    wait = sampled(1, 90, 395, hits=0)
    wait.samples = [WaitSample(90, 95, 0), WaitSample(100, 145, 0), WaitSample(100, 195, 0), WaitSample(390, 395, 0)]
    reconciler = WaitReconciler()
    reconciler.sampled([wait])
    log(reconciler, logged(1, 100, 200))
    event, left = reconciler.settled(1000)
    assert (event.known, left.hits, left.started_ns, left.ended_ns) == ("event", 2, 90, 420)


def test_stamps_that_come_late_do_not_part_them() -> None:
    reconciler = WaitReconciler()
    reconciler.sampled([sampled(1, 90, 150)])
    log(reconciler, logged(1, 100, 195))
    assert known(reconciler.settled(1000)) == [("event", 1, 100)]


def test_sampler_completes_the_log() -> None:
    """Who of the queue is in the way; who was, where the beginning was not logged; which row."""
    holder, ddl = Party(5, "pg_dump"), Party(6, "migrate")
    behind_ddl = Chain(ddl, holder, 2)
    reconciler = WaitReconciler()
    reconciler.sampled([sampled(n, 100, 150, chain=behind_ddl) for n in (1, 2, 3)])
    direct = Chain(holder, holder, 1)
    log(reconciler, logged(1, 100, 200, direct), queue={6})
    log(reconciler, logged(2, 100, 200, direct), logged(3, 100, 200, of="transaction"))
    waits = reconciler.settled(1000)
    assert [w.chain for w in waits] == [behind_ddl, direct, behind_ddl]
    assert (waits[2].object, waits[2].name) == ("row of t", "t (0,1)")


def test_of_several_holders_the_most_sampled_one_blocked() -> None:
    """But for samples of a session that is not in the log."""
    brief, long, other = (Chain(Party(n, None), Party(n, None), 1) for n in (5, 6, 7))
    reconciler = WaitReconciler()
    for session, seen in ((1, long), (2, other)):
        wait = sampled(session, 100, 150, hits=3)
        wait.chains = Counter({brief: 1, seen: 2})
        reconciler.sampled([wait])
        log(reconciler, logged(session, 100, 200, brief), holders={5, 6})
    assert [wait.chain for wait in reconciler.settled(1000)] == [long, brief]


def test_the_sampler_knows_in_which_mode_a_lock_is_held() -> None:
    """By the log, who queues before it is in its way; so is the holder, by the sampler, and comes first. Where they
    agree the log counts, which knows of all of the wait."""
    holder, ddl = Party(5, "pg_dump"), Party(6, "migrate")
    behind_ddl, direct, later = Chain(ddl, holder, 2), Chain(holder, holder, 1), Chain(ddl, ddl, 1)
    reconciler = WaitReconciler()
    reconciler.sampled([sampled(1, 100, 150, chain=direct), sampled(2, 100, 150, chain=later)])
    log(reconciler, logged(1, 100, 200, behind_ddl), logged(2, 100, 200, behind_ddl), queue={6})
    assert [w.chain for w in reconciler.settled(1000)] == [direct, behind_ddl]


def test_spans_are_forgotten_in_time() -> None:
    reconciler = WaitReconciler()
    log(reconciler, logged(1, 100, 200))
    reconciler.forget(200 + 301 * 10**9)
    reconciler.sampled([sampled(1, 100, 150)])
    assert known(reconciler.settled(1000)) == [("event", 1, 100), ("sampled", 1, 100)]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(0, 30)), max_size=30))
def test_every_wait_is_reported_once(gaps: list[tuple[int, int, int]]) -> None:
    """Waits one after another in three sessions, those from 10 on logged, all of them seen once."""
    reconciler, now, expected = WaitReconciler(), dict.fromkeys((1, 2, 3), 0), 0
    for session, gap, length in gaps:
        started = now[session] + gap
        now[session] = started + length
        expected += 1
        reconciler.sampled([sampled(session, started, started + length // 2)])
        if length >= 10:
            log(reconciler, logged(session, started, started + length))
    assert len(reconciler.settled(FOR_EVER)) == expected


ENGLISH = ("C", "POSIX", "C.UTF-8", "C.utf8", "en_GB", "en_US.UTF-8", "English_United States.1252")
ROW = {
    "lock_waits": True,
    "language": "en_US.UTF-8",
    "threshold_us": 10_000,
    "directory": "/data",
    "file": "log/postgres.json",
    "zone_s": 0,
    "own_settings": False,
}


def test_settings_that_log_every_wait() -> None:
    settings = LogSettings.of(ROW)
    assert (settings.why_not, settings.threshold_ns, str(settings.path)) == (
        None,
        10_000_000,
        "/data/log/postgres.json",
    )
    assert str(LogSettings.of(ROW | {"file": "/log/p.json"}).path) == "/log/p.json"
    assert [LogSettings.of(ROW | {"language": word}).why_not for word in ENGLISH] == [None] * len(ENGLISH)


def test_settings_without_a_change_to_make() -> None:
    changes = ({"file": None}, {"lock_waits": False}, {"language": "de_DE.UTF-8"}, {"own_settings": True})
    words = ("log_destination", "log_lock_waits", "lc_messages", "reset")
    for change, word in zip(changes, words, strict=True):
        assert word in (LogSettings.of(ROW | change).why_not or "")


def test_sources() -> None:
    best = source(50, 10, None, sees_all=True)
    assert (best.known, best.threshold_ns, best.reason) == (("event", "sampled"), 10, "")
    alone = source(50, 10, "no log", sees_all=False)
    assert (alone.known, alone.threshold_ns) == (("sampled",), None)
    assert alone.reason.startswith("no log; other roles' statements are hidden")
