"""Reading run directories, whole or damaged."""

import json

import numpy as np
import pytest
from studies import NS, Op, write_run

from reports.analysis.operations.gathering import axis_for, gather
from reports.analysis.study import find
from reports.data.rows import operations
from reports.data.runs import NotAStudyError, read_run, read_study
from reports.findings.operations import FROM_CAUSE, FROM_STAMP
from reports.findings.slis import LIMITS_S


def found(tmp_path):
    return find("study", read_study(tmp_path)).storages[0]


def test_a_directory_without_runs_is_not_a_study(tmp_path):
    with pytest.raises(NotAStudyError):
        read_study(tmp_path)


def test_every_document_may_be_missing(tmp_path):
    (tmp_path / "01-postgres-optimistic").mkdir()
    (run,) = read_study(tmp_path)
    assert (run.storage, run.ending, run.completed) == ("postgres-optimistic", "aborted", False)
    assert found(tmp_path).rows == 0


def test_directory_names_the_storage_without_a_manifest(tmp_path):
    write_run(tmp_path, "01-postgres-optimistic")
    (tmp_path / "02-postgres-optimistic").mkdir()
    assert {run.storage for run in read_study(tmp_path)} == {"postgres:optimistic"}


def test_a_damaged_document_is_as_good_as_missing(tmp_path):
    directory = write_run(tmp_path, end=None)
    (directory.path / "end.json").write_text('{"reason": "compl')
    assert read_run(directory).ending == "aborted"


def test_stages_come_from_the_timeline_else_from_the_plan(tmp_path):
    late = [(2 * NS, 7 * NS, "stage", "steady", "ok", json.dumps({"judge": True}))]
    assert read_run(write_run(tmp_path, "01-sqlite", timeline=late)).judged == ((2 * NS, 7 * NS),)
    assert read_run(write_run(tmp_path, "02-sqlite", timeline=None)).judged == ((5 * NS, 15 * NS),)


def test_a_cut_stream_yields_every_full_batch(tmp_path):
    directory = write_run(tmp_path, operations=[])
    path = directory.table_path("operations", "cut")
    with directory.create_table("operations", "cut", pod=["pod-1"]) as writer:
        for start in range(0, 100, 10):
            writer.write([Op("chat.accept").row(seq) for seq in range(start, start + 10)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    rows = sum(len(piece.operation) for piece in operations(read_run(directory), ()))
    assert 0 < rows < 100
    assert rows % 10 == 0


def test_an_empty_or_headless_file_holds_no_rows(tmp_path):
    directory = write_run(tmp_path, operations=[])
    directory.table_path("operations", "empty").write_bytes(b"")
    directory.table_path("operations", "headless").write_bytes(b"\xff\xff\xff\xff\x10")
    assert list(operations(read_run(directory), ())) == []


def test_pieces_are_joined_up_to_the_size_asked_for(tmp_path):
    run = read_run(write_run(tmp_path, operations=[Op("chat.accept")] * 25, workers=2))
    assert [len(p.operation) for p in operations(run, (), rows=5)] == [13, 12]


def test_response_counts_from_plan_service_from_start(tmp_path):
    write_run(tmp_path, operations=[Op("chat.accept", response_s=0.5, lag_s=0.3)] * 10)
    accept = found(tmp_path).measures["chat.accept"]
    assert accept.response["p50"].value == pytest.approx(0.5 * NS)
    assert accept.service["p50"].value == pytest.approx(0.2 * NS)


def test_only_what_was_planned_in_judged_stages_counts(tmp_path):
    times = (4.99, 5.0, 14.99, 15.0)
    write_run(tmp_path, operations=[Op("chat.accept", planned_s=t, response_s=3.0) for t in times])
    assert found(tmp_path).measures["chat.accept"].n == 2


def test_refusals_are_apart_and_failures_beside(tmp_path):
    outcomes = [("ok", ""), ("refused", "already_accepted"), ("fail", "internal"), ("unknown", "timeout")]
    write_run(tmp_path, operations=[Op("chat.accept", outcome=o, error=e) for o, e in outcomes])
    accept = found(tmp_path).measures["chat.accept"]
    assert accept.n == 3
    assert accept.outcomes == {"ok": 1, "refused": 1, "fail": 1, "unknown": 1}
    assert accept.errors == {"already_accepted": 1, "internal": 1, "timeout": 1}


def test_a_delivery_is_joined_to_its_cause_by_key_across_workers(tmp_path):
    cause = Op("message.send", planned_s=6.0, key=77)
    push = Op("event.deliver", planned_s=None, key=77, published_s=6.3, ended_s=6.4)
    stray = Op("event.deliver", planned_s=None, key=78, published_s=6.1, ended_s=6.4)
    directory = write_run(tmp_path, operations=[cause, push, Op("chat.offer"), stray], workers=2)
    gathered = gather(read_run(directory), axis_for([read_run(directory)]), (), LIMITS_S)
    assert gathered.take(FROM_CAUSE).response.tolist() == [pytest.approx(0.4 * NS)]
    assert sorted(gathered.take(FROM_STAMP).response / NS) == pytest.approx([0.1, 0.3])


def test_throughput_counts_planned_and_ended_requests(tmp_path):
    run = read_run(write_run(tmp_path, operations=[Op("chat.accept", planned_s=1.05, response_s=2.0)]))
    gathered = gather(run, axis_for([run]), (), LIMITS_S)
    width = axis_for([run]).width_s
    assert np.flatnonzero(gathered.planned).tolist() == [int(1.05 / width)]
    assert np.flatnonzero(gathered.ended.sum(axis=1)).tolist() == [int(3.05 / width)]


def test_aborted_rounds_count_only_without_others(tmp_path):
    write_run(tmp_path, "01-sqlite", operations=[Op("chat.accept")] * 3)
    write_run(tmp_path, "02-sqlite", operations=[Op("chat.accept")] * 5, end=None)
    write_run(tmp_path, "03-memory", operations=[Op("chat.accept")] * 7, end={"reason": "pod_died"})
    storages = {s.storage: s for s in find("study", read_study(tmp_path)).storages}
    assert storages["sqlite"].measures["chat.accept"].n == 3
    assert storages["memory"].measures["chat.accept"].n == 7


def test_processor_time_is_per_answer_of_judged_stages(tmp_path):
    rows = [(t * NS, role, "one", t * NS // 2, 1 << 20) for t in range(17) for role in ("pod", "database")]
    write_run(tmp_path, operations=[Op("chat.accept")] * 10, tables={"resources": rows})
    storage = found(tmp_path)
    assert storage.usage.judged_cpu_s == pytest.approx({"pod": 5.0, "database": 5.0})
    assert np.nanmedian(storage.usage.cores["pod"]) == pytest.approx(0.5)


@pytest.mark.parametrize(("ledger", "orphans"), [(None, None), ({"checks": []}, None)])
def test_uncounted_orphans_are_unknown(tmp_path, ledger, orphans):
    write_run(tmp_path, ledger=ledger)
    assert found(tmp_path).orphans is orphans
