# ruff: noqa: E501  lines of the page are kept whole
"""Doubts: one line for each kind, over all rounds, with its severity and what it means for the figures."""

import pytest
from studies import HEALTHY, NS, Op, ledger_check, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.sections import settings
from reports.text.doubts import doubts

LATENCIES_STAND = "latencies, outcomes and counts are not affected"
OK = [Op("chat.accept", planned_s=5.0 + i / 50, response_s=0.02) for i in range(100)]
LOG_FAILED = ("postgres/log", 6 * NS, 6 * NS, 6 * NS, 0, "gone", NS // 10)
CALIBRATED = {"format": 1, "figures": [{
    "engine": "postgres", "database": "postgres", "source": "sampled", "figure": "recovered", "value": 0.5, "unit": "ratio",
    "bar": 0.1, "verdict": "fail", "n": 9, "reason": "",
}]}  # fmt: skip


def doubts_of(study):
    return doubts(find("study", read_study(study)))


def lines(study):
    return [f"{doubt.severity}: {doubt.line}" for doubt in doubts_of(study)]


def worker(**figures):
    return {"generator": {"saturated": True, "reasons": ["late"], "workers": [figures]}}


ROUNDS = [
    # what the run has, the line
    ({"manifest": {"faults": [{"name": "notify", "title": "each message.send ends with a NOTIFY"}]}},
     "serious: reference pod started with the fault notify (each message.send ends with a NOTIFY): every figure is of a "
     "pod that was made faulty on purpose"),
    ({"end": {"reason": "pod_died", "detail": "exit 1"}},
     "serious: run did not complete (pod_died: exit 1): its rows are the only ones of this system; what came after its "
     "end is missing from every figure"),
    ({"manifest": {"stages": [{"name": "no start"}]}},
     "serious: document could not be read (01-sqlite/manifest.json: stages.0.starts_s: Field required): it counts as "
     "missing; figures from the tables are not affected"),
    ({"manifest": {"stages": [{"name": "no start"}]}},
     "serious: no manifest: the settings are unknown and were not compared; the rows count all the same"),
    ({"timeline": [(0, 16 * NS, "stage", "all", "ok", '{"judge": false}')]},
     "serious: no stage is marked as judged: the whole run counts, warm-up included"),
    ({"end": {"operations": {"lost": 3}}},
     "serious: operations lost: 3: counts, shares and percentiles lack them; lock waits are not affected"),
    ({"end": {"operations": {"lost": None, "lost_at_most": 9}}},
     "serious: operations lost with a killed worker: at most 9: counts, shares and percentiles lack them; lock waits are "
     "not affected"),
    ({"end": {"generator": {"saturated": True, "reasons": ["local_errors"], "local_errors": {"ports": 1204}}}},
     "serious: the load generator's host ran out of resources (no ports for 1,204 operations): less load was made, and "
     "these failures are not the system's; other latencies are not affected"),
    ({"end": worker(cpu_share=0.97)},
     "serious: load generator saturated (its busiest worker used 97% of a processor, 0 of 80 arrivals (0.0%) began more than 100 ms late): latencies include its own "
     "slowness; lock waits and the servers' totals do not"),
    ({"end": {"generator": {"saturated": None}}},
     "serious: it is unknown whether the load generator was saturated: latencies may include its own slowness; lock "
     "waits and the servers' totals do not"),
    ({"end": {"local_errors": {"pod-1": {"descriptors": 4}}}},
     "serious: a process of the run had no resources of the host left (pod-1 had no descriptors (4 times)): failures "
     "and waits may be the host's, not the system's"),
    ({"end": {"host": {"reason": "the host was under other load for 3.0 s of 16.0 s: others used 0.7 processors"}}},
     "serious: host under other load (for 3.0 s of 16.0 s: others used 0.7 processors): latencies and timeouts are "
     "worse for that; refusals, errors and ledger are not affected"),
    ({"end": {"rows": {"operations-0": 101}}},
     "serious: tables lack rows or have too many (operations-0.arrows has 100 of the 101 rows that were written; was the run copied whole?): figures "
     "from these tables may be wrong"),
    ({"end": {"observer": {"blind_s": 4.0, "reason": "timeout"}}},
     "serious: observer blind for 4.0 s (timeout): lock waits, CPU and who blocked whom may be too low; "
     f"{LATENCIES_STAND}"),
    ({"ledger": {"checks": [ledger_check("orphans", "fail", 12, "no live connection")]}},
     "serious: the ledger found 12 orphans (no live connection): stored data or deliveries are wrong; latencies are not "
     "affected"),
    ({"end": {"observer": None}},
     f"minor: no observer: lock waits, CPU and who blocked whom are unknown; {LATENCIES_STAND}"),
    ({"manifest": {"lock_sources": {"postgres": {"known": ["event"]}}}},
     "minor: observation of lock waits of postgres not calibrated: how exact lock waits are is unknown; "
     f"{LATENCIES_STAND}"),
    ({"manifest": {"lock_sources": {"postgres": {"known": ["sampled"], "reason": "no log"}}}},
     "minor: lock waits of postgres not from the best source (known: sampled; no log): short waits are estimated or "
     f"missing; {LATENCIES_STAND}"),
    ({"tables": {"ticks": [LOG_FAILED] * 20}},
     "minor: log of postgres not readable for about 2.0 s (first 6.0 s into the load: gone): lock waits of that time "
     f"are sampled, which is less exact; {LATENCIES_STAND}"),
    ({"ledger": None},
     "minor: no ledger: whether orphans were left or anything was lost is unknown; all other figures are not affected"),
    ({"ledger": {"checks": [ledger_check("diverged", "unknown", None, "no access")]}},
     "minor: the ledger could not determine diverged (no access): whether these are right is unknown; all other figures "
     "are not affected"),
    ({"end": {"generator": {"saturated": False, "workers": [{"unstamped_connections": 40}]}}},
     "minor: arrivals timed on reading on 40 connections, without SO_TIMESTAMPNS: latencies include the load "
     "generator's own delay; outcomes and counts are not affected"),
    ({"operations": [*OK, Op("chat.accept", outcome="unknown", error="timeout")]},
     "minor: operations without an answer: Accept chat 1 of 101: each counts with at least its observed wait, so figures "
     "marked ≥ are lower bounds"),
    ({"operations": [*OK, Op("message.send", outcome="fail", error="internal"), *OK]},
     "minor: failed operations: sending a message 1 of 1: percentiles exclude them; shares and counts of failures do "
     "not"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "line"), ROUNDS)
def test_doubt_about_a_run_states_its_consequence(tmp_path, run, line):
    write_run(tmp_path, **{"operations": OK, **run})
    assert line in lines(tmp_path)


def test_healthy_run_has_no_doubts(tmp_path):
    write_run(tmp_path, operations=OK)
    assert lines(tmp_path) == []


def test_failed_calibration_makes_lock_waits_unknown(tmp_path):
    write_run(tmp_path, operations=OK).write("calibration", CALIBRATED)
    assert lines(tmp_path) == [
        "serious: lock waits of postgres unknown, because the calibration did not pass (recovered by sampled: 50.00%, "
        f"tolerance 10.00%): who blocked whom is not shown for it; {LATENCIES_STAND}"
    ]


def test_doubts_of_a_kind_are_one_line_over_rounds(tmp_path):
    for number, blind_s in enumerate((8.0, 12.0, 21.0, 9.0, 0.0), 1):
        end = {"observer": {"blind_s": blind_s, "reason": "timeout"}}
        write_run(tmp_path, f"0{number}-sqlite", operations=OK, end=end, manifest={"round": number})
    (doubt,) = doubts_of(tmp_path)
    assert doubt.text == "observer blind for 8.0–21 s in 4 of 5 rounds (timeout)"  # noqa: RUF001
    assert doubt.runs == ("01-sqlite", "02-sqlite", "03-sqlite", "04-sqlite")


def test_doubts_of_several_systems_use_labels(tmp_path):
    sick = {"end": {"operations": {"lost": 1}}}
    for number, (name, more) in enumerate((("sqlite", {}), ("memory", sick), ("memory", {}), ("sqlite", {})), 1):
        write_run(tmp_path, f"0{number}-{name}", operations=OK, ledger=HEALTHY if number < 4 else None, **more)
    assert [doubt.text for doubt in doubts_of(tmp_path)] == [
        "operations lost: 1 in 1 of 2 rounds of memory",
        "no ledger in 1 of 2 rounds of sqlite",
    ]


def test_incomplete_round_is_left_out_of_the_figures(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=OK)
    write_run(tmp_path, "02-sqlite", operations=OK, end={"reason": "pod_died", "detail": "exit 1"})
    assert lines(tmp_path) == [
        "minor: run did not complete in 1 of 2 rounds (pod_died: exit 1): it is left out of the figures, which come from "
        "the other rounds"
    ]


def test_changed_harness_is_a_serious_doubt(tmp_path):
    for number, commit in enumerate(("a" * 40, "b" * 40), 1):
        write_run(tmp_path, f"0{number}-sqlite", operations=OK, manifest={"harness": {"commit": commit}})
    assert lines(tmp_path) == [
        "serious: the harness changed between runs: commits aaaaaaaaaa and bbbbbbbbbb: differences between runs may be "
        "the harness's"
    ]


def test_serious_doubts_come_first(tmp_path):
    write_run(tmp_path, operations=OK, ledger=None, end={"observer": None, "operations": {"lost": 2}})
    assert [doubt.severity for doubt in doubts_of(tmp_path)] == ["serious", "minor", "minor"]


def test_many_reasons_are_counted(tmp_path):
    checks = [ledger_check(f"check{n}", "unknown", None, f"reason {n}") for n in range(12)]
    write_run(tmp_path, operations=OK, ledger={"checks": checks})
    (doubt,) = doubts_of(tmp_path)
    assert doubt.text == (
        "the ledger could not determine check0, check1, check2, check3, check4, check5, check6 and 5 others (reason 0; "
        "11 other reasons)"
    )


def test_settings_list_the_faults_of_each_run(tmp_path):
    fault = {"name": "notify", "title": "each message.send ends with a NOTIFY"}
    write_run(tmp_path, "01-sqlite", operations=OK, manifest={"faults": [fault]})
    write_run(tmp_path, "02-sqlite", operations=OK)
    tables = [make(find("study", read_study(tmp_path))) for make in settings.SECTION.beside]
    (rows,) = [table.rows for table in tables if "fault" in table.columns]
    assert rows == [["01-sqlite", "sqlite", "notify", "each message.send ends with a NOTIFY"]]
