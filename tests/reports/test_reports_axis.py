"""Bins of time: the last one ends with the run."""

import json

import numpy as np
import pytest
from studies import NS, Op, lock_wait, write_run

from reports.analysis.operations.gathering import axis_for
from reports.analysis.study import find
from reports.data.runs import read_study
from reports.sections.blocked.blockers import _busiest, _rows


def study_of(tmp_path, ends_s, **more):
    stage = (0, round(ends_s * NS), "stage", "steady", "ok", json.dumps({"judge": True}))
    write_run(tmp_path, timeline=[stage], end={"ended_ns": round(ends_s * NS)}, **more)
    return find("study", read_study(tmp_path))


def test_a_rate_in_the_last_bin_is_over_its_real_width(tmp_path):
    steady = [Op("chat.accept", t / 10, 0.0) for t in range(163)]
    found = study_of(tmp_path, 16.3, operations=steady)
    assert found.axis.width_s == 0.5
    assert found.storages[0].planned_per_s == pytest.approx(10, rel=0.21)
    assert found.storages[0].planned_per_s[-1] == pytest.approx(10)


def test_a_sliver_of_a_bin_belongs_to_the_one_before(tmp_path):
    found = study_of(tmp_path, 16.05, operations=[Op("chat.accept", 16.04, 0.0)])
    assert found.axis.count == 32
    assert np.flatnonzero(found.storages[0].planned_per_s).tolist() == [31]
    assert found.axis.widths_s(found.runs[0])[-1] == pytest.approx(0.55)


def test_waiting_sessions_use_the_real_width_of_the_last_bin(tmp_path):
    found = study_of(tmp_path, 16.3, tables={"lock_waits": [lock_wait(0.0, 16.3)]})
    assert found.storages[0].waits.sessions["chat.accept"] == pytest.approx(1.0)


def test_a_shorter_round_does_not_thin_out_the_longer_one(tmp_path):
    steady = [Op("chat.accept", t / 10, 0.0) for t in range(160)]
    waits = {"lock_waits": [lock_wait(0.0, 16.0)]}
    write_run(tmp_path, "01-sqlite", operations=steady, tables=waits)
    stage = (0, 8 * NS, "stage", "warm-up", "ok", json.dumps({"judge": True}))
    short = {"timeline": [stage], "end": {"ended_ns": 8 * NS}}
    write_run(tmp_path, "02-sqlite", operations=steady[:80], tables=waits, **short)
    storage = find("study", read_study(tmp_path)).storages[0]
    assert storage.planned_per_s == pytest.approx(10, abs=0.01)
    assert storage.waits.sessions["chat.accept"] == pytest.approx(1.0, rel=0.01)


def test_a_study_without_time_has_one_bin():
    assert axis_for([]).count >= 1


def test_the_heat_map_keeps_the_worst_of_each_storage(tmp_path):
    loud = [lock_wait(6.0, 5.0, root_operation=f"loud {n}") for n in range(9)]
    write_run(tmp_path, "01-sqlite", tables={"lock_waits": loud})
    write_run(tmp_path, "02-memory", tables={"lock_waits": [lock_wait(6.0, 0.01, root_operation="quiet")]})
    rows = [row for s in find("study", read_study(tmp_path)).storages for row in _rows(s)]
    assert "quiet" in _busiest(rows, 1)
    assert len(_busiest(rows, 1)) == 6
    assert rows[0].root["chat.accept", "loud 1"] / rows[0].judged_s == pytest.approx(0.5), "5 s in 10 judged seconds"
