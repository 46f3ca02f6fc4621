"""Sources of each database's lock waits: its own probes, and no others with a similar name."""

import pytest
from studies import NS, write_run
from waiting import ticks, transaction, wait

from reports.analysis.study import find
from reports.data.runs import read_study

SLOW_NS = 200_000_000


def ticks_of(probe, period_ns, error=None):
    return [(probe, t, t, t + 1, 0, error, period_ns) for t in range(0, 16 * NS, period_ns)]


def waits_of(study, rows=(), samples=(), sources=(), **more):
    tables = {"lock_waits": list(rows), "ticks": [tick for probe in samples for tick in probe]}
    manifest = {"lock_sources": {name: {"known": list(known)} for name, known in dict(sources).items()}}
    write_run(study, "01-postgres", operations=(), tables=tables, manifest=manifest, **more)
    (storage,) = find("study", read_study(study)).storages
    return storage.waits


def sampled(database, hits):
    return wait(1, 2, 0, 1000, known="sampled", hits=hits, database=database)


def test_observation_counts_the_period_of_its_own_probe(tmp_path):
    samples = [ticks_of("postgres", 50_000_000), ticks_of("postgres/log", SLOW_NS), ticks_of("mariadb", SLOW_NS)]
    sources = {"postgres": ("event", "sampled"), "mariadb": ("sampled", "counter")}
    waits = waits_of(tmp_path, [sampled("mariadb", 5)], samples, sources)
    assert waits.total_s == pytest.approx(5 * 0.2)
    assert {name: one.known for name, one in waits.databases.items()} == {
        "postgres": "event and sampled",
        "mariadb": "sampled",
    }


def test_a_probe_belongs_to_the_database_whose_whole_name_it_has(tmp_path):
    samples = [ticks_of("postgres", 50_000_000), ticks_of("postgres:replica", SLOW_NS), ticks_of("resources", NS)]
    sources = {"postgres": ("sampled",), "replica": ("sampled",)}
    waits = waits_of(tmp_path, [sampled("replica", 5), sampled("postgres", 4)], samples, sources)
    assert waits.databases["replica"].total_s == pytest.approx(1.0)
    assert waits.databases["postgres"].total_s == pytest.approx(0.2)


def test_a_name_may_have_any_word_in_it(tmp_path):
    samples = [ticks_of("postgres:resources-process", SLOW_NS)]
    waits = waits_of(tmp_path, [sampled("resources-process", 5)], samples, {"resources-process": ("sampled",)})
    assert waits.total_s == pytest.approx(1.0)


def test_totals_alone_do_not_identify_waiters(tmp_path):
    waits = waits_of(tmp_path, samples=[ticks_of("mariadb", SLOW_NS)], sources={"mariadb": ("counter",)})
    assert waits.known is None


def test_totals_suffice_for_engines_without_locks(tmp_path):
    waits = waits_of(tmp_path, samples=[ticks_of("redis", SLOW_NS)], sources={"redis": ("counter",)})
    assert (waits.known, waits.total_s) == ("counter", 0)


def test_one_blind_probe_makes_the_whole_unknown(tmp_path):
    samples = [ticks(), ticks_of("mariadb:orders", SLOW_NS, error="denied")]
    sources = {"postgres": ("sampled",), "orders": ("sampled",)}
    waits = waits_of(
        tmp_path, [sampled("postgres", 4)], samples, sources, transactions=[transaction(1, "chat.accept", 0, 9)]
    )
    assert waits.known is None
    assert waits.databases["postgres"].known == "sampled"
