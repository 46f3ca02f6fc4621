"""The client backlog: earlier calls of the user between planned and started."""

import numpy as np
from studies import NS, Op, write_run

from reports.analysis.causes.client_backlog import earlier_calls
from reports.analysis.operations.columns import Exemplars
from reports.data.runs import read_run

MS = NS // 1000


def call(key, planned_ms, ended_ms, lag_ms=0.0, operation="message.send", **more):
    times = {"planned_s": planned_ms / 1000, "response_s": (ended_ms - planned_ms) / 1000, "lag_s": lag_ms / 1000}
    return Op(operation, key=key, **times, **more)


def found(tmp_path, operations, *keys, **more):
    """(key, from, to) in ms of the calls in the backlog of those operations."""
    run = read_run(write_run(tmp_path, operations=operations, **more))
    mine = sorted((op for op in operations if op.key in keys), key=lambda op: op.key)
    workers = len(run.directory.table_files("operations"))
    users = [(operations.index(op) % workers << 32) + op.user for op in mine]
    columns = ([round(moment(op) * NS) for op in mine] for moment in _MOMENTS)
    keys = np.array([op.key for op in mine], np.uint64)
    group = Exemplars(keys, np.array(users), *(np.array(c, np.int64) for c in columns))
    calls = earlier_calls(run, {"asked": group})
    if not calls:
        return None
    its = calls["asked"]
    assert np.array_equal(its.planned, its.started)
    return sorted(zip(its.key.tolist(), (its.started / MS).tolist(), (its.ended / MS).tolist(), strict=True))


_MOMENTS = (
    lambda op: op.planned_s,
    lambda op: op.planned_s + op.lag_s,
    lambda op: op.planned_s + op.response_s,
)


def test_earlier_call_counts_from_planned_to_started(tmp_path):
    operations = [call(1, 0, 80), call(2, 20, 120, lag_ms=60)]
    assert found(tmp_path, operations, 2) == [(1, 20, 80)]


def test_several_calls_one_after_the_other_all_count(tmp_path):
    operations = [call(1, 0, 30), call(2, 30, 70), call(3, 10, 90, lag_ms=60)]
    assert found(tmp_path, operations, 3) == [(1, 10, 30), (2, 30, 70)]


def test_calls_of_other_users_are_no_backlog(tmp_path):
    operations = [call(1, 0, 80, user=1), call(2, 20, 120, lag_ms=60, user=2)]
    assert found(tmp_path, operations, 2) == []


def test_users_of_other_workers_are_others(tmp_path):
    """Operations are dealt to the workers in turn; each numbers its users itself."""
    operations = [call(1, 0, 80), call(2, 20, 120, lag_ms=60)]
    assert found(tmp_path, operations, 2, workers=2) == []


def test_pushes_are_no_backlog(tmp_path):
    operations = [call(1, 0, 80, operation="event.deliver"), call(2, 20, 120, lag_ms=60)]
    assert found(tmp_path, operations, 2) == []


def test_operation_that_began_in_time_has_no_backlog(tmp_path):
    operations = [call(1, 0, 80), call(2, 20, 120, lag_ms=0.9)]
    assert found(tmp_path, operations, 2) is None


def test_call_is_backlog_of_each_operation_due_meanwhile(tmp_path):
    operations = [call(1, 0, 80), call(2, 20, 100, lag_ms=60), call(3, 40, 120, lag_ms=60)]
    # The second was still running when the third was due; it counts once, from its own start.
    assert found(tmp_path, operations, 2, 3) == [(1, 20, 80), (1, 40, 80), (2, 80, 100)]
