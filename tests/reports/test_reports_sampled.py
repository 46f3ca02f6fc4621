"""Confidence intervals of sampled totals: sessions in one lock queue appear in the same sample or in none."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2
from studies import Op, write_run
from waiting import MS, only, ticks, transaction, wait

from loadtests.probes.waits import Lock, Observation, Waits
from loadtests.records.tables import TABLES
from reports.analysis.locks.sampled import of_samples
from reports.data.probe_samples import first_samples
from reports.findings.locks import Sampled
from reports.text.sentence import sentence_of

RUNS, BURSTS = 300, 300
POSTGRES_NS, MARIADB_NS = 50 * MS, 200 * MS
"""The observer's own periods."""


def alike(sessions):
    """All waits of a burst begin and end together."""
    return lambda chance, period: np.full((BURSTS, sessions), period // 5)


def of_any_size(chance, period):
    """From one to twenty waits at a time; missing ones have no duration."""
    there = np.arange(20) < chance.integers(1, 21, (BURSTS, 1))
    return there * (period // 5)


def one_by_one(chance, period):
    """A queue of twenty: each gets the lock when the one before it has released it."""
    return np.broadcast_to(np.arange(1, 21) * (period // 5), (BURSTS, 20))


def truth_and_interval(chance, lengths, period):
    """Separate bursts, each at a random moment between two samples."""
    lasting = lengths(chance, period)
    begins = np.arange(BURSTS)[:, None] * 10 * period + chance.integers(0, period, (BURSTS, 1))
    first, past = -(-begins // period), -(-(begins + lasting) // period)
    first, hits = np.broadcast_to(first, lasting.shape).ravel(), (past - first).ravel()
    seen = of_samples(first[hits > 0], hits[hits > 0], hits[hits > 0] * float(period))
    return lasting.sum() / 1e9, seen.interval_s(period / 1e9)


@pytest.mark.parametrize(
    "lengths", [alike(1), alike(5), alike(20), of_any_size, one_by_one], ids=["1", "5", "20", "1 to 20", "queue"]
)
def test_interval_covers_truth_for_any_concurrency(lengths):
    chance = np.random.default_rng(7)
    found = [truth_and_interval(chance, lengths, POSTGRES_NS) for _ in range(RUNS)]
    assert sum(low <= truth <= high for truth, (low, high) in found) >= 0.92 * RUNS


def test_interval_of_single_observations_is_poisson():
    samples = np.arange(40) * 3
    seen = of_samples(samples, np.ones(40, dtype=np.int64), np.full(40, 5e7))
    assert seen.seconds == pytest.approx(2.0)
    assert seen.interval_s(0.05) == pytest.approx((chi2.ppf(0.025, 80) * 0.025, chi2.ppf(0.975, 82) * 0.025))
    assert Sampled().interval_s(0.05) == (0.0, pytest.approx(chi2.ppf(0.975, 2) * 0.025))


def test_sums_of_different_samples_add_up():
    one, two = Sampled(3e9, 4e17, 1e8), Sampled(1e9, 1e17, 2e8)
    assert one + two == Sampled(4e9, 5e17, 2e8)
    assert sum([one, two], Sampled()) == two + one


@pytest.mark.parametrize(("period", "ages"), [(POSTGRES_NS, True), (MARIADB_NS, False)])
def test_samples_of_a_wait_are_derived_from_its_row(period, ages):
    """Rows as the observer's sampler makes them: samples are sometimes late and last up to 4 ms."""
    chance, sampler, rows, counts, samples = np.random.default_rng(3), Waits(period), [], [], []
    bursts = [(n * 20 * period + int(chance.integers(2 * period)), int(chance.integers(1, 21))) for n in range(200)]
    for tick in range(200 * 20):
        began = tick * period + int(chance.integers(5 * MS))
        ended = began + int(chance.integers(MS, 4 * MS))
        at, (since, size) = (began + ended) // 2, bursts[tick // 20]
        there = range(size if since <= at < since + period * 3 // 2 else 0)
        locks = [
            Lock(n, f"row {n}", "row", "X", False, since=since, age_ns=at - since if ages else None) for n in there
        ]
        rows += sampler.observe(at, MS, [Observation(lock, "row of accounts", None) for lock in locks])
        counts.append(len(there))
        samples.append(("postgres", began, began, ended, 0, None, period))
    rows += sampler.rest()
    table = pa.table(dict(zip(TABLES["ticks"].schema().names, zip(*samples, strict=True), strict=True)))
    first, hits = first_samples(table, np.array([row.started_ns for row in rows])), np.array([row.hits for row in rows])
    seen = of_samples(first, hits, hits.astype(float))
    assert seen.ns == sum(counts)
    assert seen.largest == max(counts)
    assert seen.squares == pytest.approx(sum(n * n for n in counts), rel=0.03)


@pytest.mark.parametrize("sessions", [1, 20])
def test_more_concurrent_waits_do_not_narrow_intervals(tmp_path, sessions):
    """A burst each 100 ms, of which samples show every other one: fifty random events for any number of sessions."""
    operations, transactions, waits = [], [transaction(1, "message.send", 0, 10_000)], []
    for key in range(1, 100 * sessions + 1):
        burst, n = divmod(key - 1, sessions)
        t, session = 100 * burst, 2 + n
        times = {"planned_s": 5 + t / 1000, "response_s": 0.08}
        operations.append(Op("chat.accept", key=key, **times))
        transactions.append(transaction(session, "chat.accept", t, t + 76, key=key, received=t, asked=t))
        if burst % 2 == 0:
            lock = {"lock": f"accounts (0,{burst})", "outcome": "unknown"}
            waits.append(wait(session, 1, t + 26, t + 75, known="sampled", hits=1, **lock))
    tables = {"lock_waits": waits, "ticks": ticks()}
    write_run(tmp_path, "01-postgres", operations=operations, transactions=transactions, tables=tables)
    storage = only(tmp_path)
    low, high = 1.856 * sessions, 3.296 * sessions  # s, of 50 that weigh 50 ms each
    assert storage.waits.interval_s("chat.accept") == pytest.approx((low, high), rel=0.01)
    durations = storage.durations
    assert durations.interval_s(durations.sampled) == pytest.approx((low, high), rel=0.01)
    assert storage.lock_wait_interval_s("chat.accept") == pytest.approx((18.56, 32.96), rel=0.01)
    assert storage.causes.splits["chat.accept"]["mean"].bounds == pytest.approx((18.56 * MS, 32.96 * MS), rel=0.01)
    assert "about 25 ms (19 ms … 33 ms) was a queue" in sentence_of(storage, "chat.accept", "mean")
