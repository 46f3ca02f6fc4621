"""Which runs may be compared, and the differences that prevent it."""

from studies import PROMISES, healthy_manifest, write_run

from reports.data.comparability import differences, durability
from reports.data.runs import read_study


def of(tmp_path):
    return differences(read_study(tmp_path))


def engine(**changes):
    return {
        "name": "sqlite",
        "version": "1",
        "settings": {"synchronous": "full"},
        "promises": dict(PROMISES),
        **changes,
    }


def test_equal_rounds_compare_despite_other_addresses(tmp_path):
    target = {"owned": True, "pods": [{"name": "pod-1", "url": "ws://127.0.0.1:2", "accounts": ["account-0001"]}]}
    write_run(tmp_path, "01-sqlite")
    write_run(tmp_path, "02-sqlite", manifest={"round": 2, "target": target, "started_at": "later"})
    assert of(tmp_path) == []


def test_storages_may_differ_in_engine_and_promises(tmp_path):
    write_run(tmp_path, "01-sqlite")
    weaker = engine(name="memory", promises={**PROMISES, "commit_survives": "nothing"})
    write_run(tmp_path, "02-memory", manifest={"engine": weaker})
    assert of(tmp_path) == []
    assert durability(read_study(tmp_path)) == {"sqlite": "power_loss", "memory": "nothing"}


def test_every_difference_is_named_with_its_values_and_runs(tmp_path):
    host = {**healthy_manifest(tmp_path, "01-sqlite")["host"], "kernel": "6.2"}
    write_run(tmp_path, "01-sqlite")
    changed = engine(settings={"synchronous": "off"}, version="2")
    write_run(tmp_path, "02-sqlite", manifest={"engine": changed, "host": host, "seed": 8})
    found = "\n".join(of(tmp_path))
    for field in ("engine.settings.synchronous", "engine.version", "host.kernel", "seed"):
        assert field in found
    assert "'full' in 01-sqlite; 'off' in 02-sqlite" in found


def test_a_setting_that_one_round_lacks_is_a_difference(tmp_path):
    write_run(tmp_path, "01-sqlite")
    write_run(tmp_path, "02-sqlite", manifest={"engine": engine(settings={})})
    assert of(tmp_path) == [
        "engine.settings.synchronous differs among rounds of sqlite: 'full' in 01-sqlite; nothing in 02-sqlite"
    ]


def test_other_scenarios_are_other_questions(tmp_path):
    write_run(tmp_path, "01-sqlite")
    write_run(tmp_path, "02-postgres", manifest={"scenario": {"name": "other", "sha256": "f"}})
    assert [line.split()[0] for line in of(tmp_path)] == ["scenario.name", "scenario.sha256"]


def test_run_without_manifest_does_not_stop_comparison(tmp_path):
    write_run(tmp_path, "01-sqlite")
    (tmp_path / "02-sqlite").mkdir()
    assert of(tmp_path) == []
