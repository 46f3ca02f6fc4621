"""Lock waits during gaps in a server's log: a whole run, a part of it, one database."""

import pytest
from studies import NS, Op, write_run
from waiting import MS, at, only, ticks, transaction, wait

from loadtests.records.probe_coverage import Tick
from reports.data.probe_samples import log_gaps
from reports.text.sentence import sentence_of

EXACT = {"known": ["event", "sampled"], "period_ns": 50 * MS, "threshold_ns": 10 * MS, "reason": ""}
SAMPLED = {"known": ["sampled"], "period_ns": 50 * MS, "threshold_ns": None, "reason": ""}
LOG_NS = 250 * MS


def log(*gaps, name="postgres/log"):
    """Samples of a log that could not be read in those windows, in ms since the judged stage began."""
    return [
        (name, t, t, t + 1, 0, "unreadable" if any(at(a) <= t < at(b) for a, b in gaps) else None, LOG_NS)
        for t in range(0, 16 * NS, LOG_NS)
    ]


ALWAYS, NEVER, EARLY = [(-5000, 11_000)], [], [(-5000, 2000)]


def study_of(study, samples, waits, sources=None, name="01-postgres", **more):
    """A wait behind session 1 each 100 ms."""
    keys = range(1, 101)
    operations = [Op("chat.accept", key=key, planned_s=5 + key / 10 - 0.1, response_s=0.09) for key in keys]
    transactions = [transaction(1, "message.send", 0, 10_000)]
    for key in keys:
        moment = 100 * (key - 1)
        transactions.append(
            transaction(1 + key, "chat.accept", moment, moment + 85, key=key, received=moment, asked=moment)
        )
    tables = {"lock_waits": waits, "ticks": [*ticks(), *samples]}
    manifest = {"lock_sources": {"postgres": EXACT} if sources is None else sources}
    write_run(study, name, operations=operations, transactions=transactions, tables=tables, manifest=manifest, **more)
    return only(study)


def sampled(key, length_ms=75, **columns):
    moment = 100 * (key - 1) + 3
    its = {"lock": f"accounts (0,{key})", "outcome": "unknown", "known": "sampled", "hits": 1, **columns}
    return wait(1 + key, 1, moment, moment + length_ms, **its)


def timed(key):
    return wait(1 + key, 1, 100 * (key - 1) + 3, 100 * (key - 1) + 78, lock=f"accounts (0,{key})")


def known(storage):
    return sentence_of(storage, "chat.accept", "mean").rpartition(" (")[2].rstrip(").")


def figures(storage):
    found = storage.durations
    return found.threshold_s, found.counts.sum(), found.below.seconds, found.sampled.seconds


def test_log_without_gaps_times_long_waits(tmp_path):
    """A sampled wait of 5 ms: one observation, with a recorded end half a period after it."""
    waits = [*map(timed, range(1, 100)), sampled(100, 5 + 25)]
    storage = study_of(tmp_path, log(), waits)
    assert storage.waits.known == "event and sampled"
    assert figures(storage) == (0.01, 99, pytest.approx(0.05), 0)
    assert known(storage) == "waits above 10 ms timed by the server, shorter ones sampled"


@pytest.mark.parametrize("samples", [log(*ALWAYS), []], ids=["gap", "no sample"])
def test_all_waits_are_sampled_without_log_lines(tmp_path, samples):
    storage = study_of(tmp_path, samples, list(map(sampled, range(1, 101))))
    assert storage.waits.known == storage.blame.known == storage.causes.known == storage.durations.known == "sampled"
    assert figures(storage) == (None, 0, 0, pytest.approx(5.0))
    assert known(storage) == "lock waits known: sampled"


def test_log_before_judged_time_is_not_a_source(tmp_path):
    before = wait(500, 1, -2000, -1000)
    storage = study_of(tmp_path, log((-100, 11_000)), [before, *map(sampled, range(1, 101))])
    assert storage.waits.known == "sampled"


def test_waits_in_log_gaps_have_any_length(tmp_path):
    """In two of ten seconds all waits were sampled; in the others only short ones, one of them observed for 40 ms."""
    short = [sampled(key, 5 + 25) for key in range(91, 100)]
    waits = [*map(sampled, range(1, 21)), *map(timed, range(21, 91)), *short, sampled(100, 40 + 25)]
    storage = study_of(tmp_path, log(*EARLY), waits)
    assert storage.waits.known == "event and sampled"
    assert figures(storage) == (0.01, 70, pytest.approx(9 * 0.05), pytest.approx(21 * 0.05))
    assert known(storage) == "waits above 10 ms timed by the server in part, all others sampled"


def test_time_that_is_not_judged_does_not_count(tmp_path):
    storage = study_of(tmp_path, log((-5000, -1000)), list(map(timed, range(1, 101))))
    assert known(storage) == "waits above 10 ms timed by the server, shorter ones sampled"


def test_only_lines_never_read_are_log_gaps(tmp_path):
    """A starved observer reads late; one that dies reads no more."""
    waits = list(map(timed, range(1, 101)))
    late = [tick for tick in log() if not at(2000) <= tick[1] < at(5000)]
    assert not study_of(tmp_path / "late", late, waits).durations.in_part
    gone = [tick for tick in log() if tick[1] < at(5000)]
    assert study_of(tmp_path / "gone", gone, waits).durations.in_part


def test_failed_log_sample_leaves_a_gap_since_the_last(tmp_path):
    found = log_gaps([Tick("postgres/log", t, LOG_NS, "cut" if t == 3 else None) for t in range(6)], 6)
    assert found == ((2, 4),)


def test_gap_in_one_round_makes_the_threshold_partial(tmp_path):
    study_of(tmp_path, log(), list(map(timed, range(1, 101))))
    storage = study_of(tmp_path, log(*ALWAYS), list(map(sampled, range(1, 101))), name="02-postgres")
    assert figures(storage) == (0.01, 100, 0, pytest.approx(5.0))
    assert known(storage) == "waits above 10 ms timed by the server in part, all others sampled"


def test_the_log_of_one_database_times_no_waits_of_another(tmp_path):
    """Two sides of a dual storage: MariaDB has no log of its waits, however long they are."""
    elsewhere = [sampled(key, database="legacy") for key in range(1, 11)]
    samples = [("mariadb:legacy", *tick[1:]) for tick in ticks()]
    sources = {"postgres": EXACT, "legacy": SAMPLED}
    storage = study_of(tmp_path, [*log(), *samples], [*elsewhere, *map(timed, range(11, 101))], sources)
    assert {name: its.known for name, its in storage.waits.databases.items()} == {
        "postgres": "event and sampled",
        "legacy": "sampled",
    }
    assert figures(storage) == (0.01, 90, 0, pytest.approx(0.5))
    assert known(storage) == "waits above 10 ms timed by the server in part, all others sampled"


def test_each_log_is_that_of_its_own_database(tmp_path):
    """Two PostgreSQL servers of one run, one with a log that could not be read."""
    others = [("postgres:legacy", *tick[1:]) for tick in ticks()]
    samples = [*log(), *others, *log(*ALWAYS, name="postgres:legacy/log")]
    elsewhere = [sampled(key, database="legacy") for key in range(1, 11)]
    waits = [*elsewhere, *map(timed, range(11, 101))]
    storage = study_of(tmp_path, samples, waits, {"postgres": EXACT, "legacy": EXACT})
    assert {name: its.known for name, its in storage.waits.databases.items()} == {
        "postgres": "event and sampled",
        "legacy": "sampled",
    }
    assert figures(storage) == (0.01, 90, 0, pytest.approx(0.5))
