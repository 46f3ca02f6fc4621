"""Evidence from real run directories, made by the writers of the records room."""

import json

import pytest
from studies import NS, STAGES, Op, healthy_ticks, healthy_timeline, write_run

from reports.gate.inputs.counting import JudgedAttempts, count
from reports.gate.inputs.evidence import BlockCount, BlockGrid, Counts, Kept, LedgerCheck
from reports.gate.inputs.reading import read_evidence, study_storages
from reports.gate.slo.objectives import Objective

ACCEPT = Objective("accept", "Accept", "chat.accept", 0.3, 0.99)


@pytest.fixture
def study(tmp_path):
    return tmp_path / "20260101T000000-tiny"


def evidence(study, *objectives):
    return read_evidence(study_storages(study), objectives or (ACCEPT,))


def only(study, *objectives):
    (run,) = evidence(study, *objectives).runs
    assert not run.broken, run.broken
    return run


def accept(planned_s=6.0, response_s=0.01, **changes):
    return Op("chat.accept", planned_s=planned_s, response_s=response_s, **changes)


def test_a_healthy_run(study):
    write_run(study, operations=[accept()] * 5, workers=2)
    run = only(study)
    assert (run.run, run.storage, run.round, run.reason, run.saturated) == (
        "01-sqlite",
        "sqlite",
        1,
        "completed",
        False,
    )
    assert run.counts == {"accept": Counts(5, 0)}
    assert run.kept == Kept(lost=0, lost_at_most=0, written=5, found=5)
    assert (run.coverage.judged_s, run.coverage.blind_s) == (10.0, 0.0)
    assert (run.no_orphans, run.commit_survives) == (True, "power_loss")
    assert run.ledger[0] == LedgerCheck("orphans", "pass", 0, known="read")


@pytest.mark.parametrize(
    ("op", "counts"),
    [
        (accept(response_s=0.3), Counts(1, 0)),
        (accept(response_s=0.300_000_001), Counts(0, 1)),
        (accept(lag_s=0.295, response_s=0.31), Counts(0, 1)),  # counted from planned, not from started
        (accept(outcome="fail", error="internal"), Counts(0, 1)),
        (accept(outcome="unknown", error="timeout"), Counts(0, 1)),
        (accept(outcome="unknown", error="run_ended"), Counts(0, 1, unattributed=1)),
        (accept(outcome="unknown", error="run_ended", response_s=0.31), Counts(0, 1)),  # too late in any case
        (accept(outcome="fail", error="local_ports"), Counts(0, 1, unattributed=1)),
        (accept(outcome="unknown", error="local_memory", response_s=5), Counts(0, 1, unattributed=1)),
        (accept(outcome="refused", error="run_ended"), Counts(0, 0, 1)),
        (accept(outcome="ok", error="run_ended"), Counts(1, 0)),
        (accept(outcome="refused", error="already_accepted"), Counts(0, 0, 1)),
        (accept(outcome="refused", error="already_accepted", response_s=9), Counts(0, 0, 1)),
        (accept(planned_s=5.0), Counts(1, 0)),
        (accept(planned_s=4.999_999), Counts(0, 0)),
        (accept(planned_s=14.999_999), Counts(1, 0)),
        (accept(planned_s=15.0), Counts(0, 0)),
        (accept(planned_s=4.9, response_s=3), Counts(0, 0)),  # warm-up's own, though it ended in judged time
        (accept(planned_s=14.9, response_s=3), Counts(0, 1)),
        (Op("chat.offer"), Counts(0, 0)),
        (Op("event.deliver", planned_s=None, ended_s=7.0), Counts(0, 0)),
    ],
)
def test_what_counts(study, op, counts):
    write_run(study, operations=[op])
    assert only(study).counts["accept"] == counts


@pytest.mark.parametrize(
    ("op", "counts"),
    [
        (accept(response_s=30), Counts(1, 0)),
        (accept(outcome="fail", error="internal"), Counts(0, 1)),
        (accept(outcome="unknown", error="timeout"), Counts(0, 1)),
        (accept(outcome="unknown", error="run_ended", response_s=9), Counts(0, 1, unattributed=1)),
        (accept(outcome="refused", error="already_accepted"), Counts(0, 0, 1)),
    ],
)
def test_without_a_limit_each_success_is_good(study, op, counts):
    write_run(study, operations=[op])
    succeeds = Objective("succeeds", "Succeeds", "chat.accept", None, 0.99)
    assert only(study, succeeds).counts["succeeds"] == counts


def test_one_operation_may_have_several_objectives(study):
    strict = Objective("strict", "Strict", "chat.accept", 0.02, 0.5)
    create = Objective("create", "Create", "connection.create", 0.5, 0.9)
    write_run(study, operations=[accept(), accept(response_s=0.1), Op("connection.create")])
    counts = only(study, ACCEPT, strict, create).counts
    assert counts == {"accept": Counts(2, 0), "strict": Counts(1, 1), "create": Counts(1, 0)}


def spanning(judged_s, *operations):
    """A run with so much judged time, from second 5 on."""
    stages = [STAGES[0], {**STAGES[1], "duration_s": judged_s}]
    timeline, end = healthy_timeline(stages), {"ended_ns": round((6 + judged_s) * NS)}
    return {"operations": operations, "workers": 2, "timeline": timeline, "end": end}


def test_time_blocks_are_those_of_the_moments_planned(study):
    """Blocks of five seconds from the first judged moment on; a refusal is in none."""
    refused = accept(7, outcome="refused", error="already_accepted")
    write_run(study, **spanning(60.0, accept(6), accept(9.9, response_s=2), refused, accept(10), accept(14.9)))
    run = only(study)
    assert run.grid == BlockGrid(5 * NS, 5 * NS)
    assert run.blocks == {"accept": (BlockCount(5 * NS, 2, 1), BlockCount(10 * NS, 2, 0))}


@pytest.mark.parametrize(("judged_s", "length_s"), [(6.0, 0.5), (3.0, 0.5), (24.0, 2.0), (59.0, 59 / 12), (600.0, 5.0)])
def test_short_runs_have_shorter_time_blocks(study, judged_s, length_s):
    write_run(study, **spanning(judged_s, accept(5.0), accept(5.0 + 1.5 * length_s, response_s=1)))
    run = only(study)
    assert run.grid == BlockGrid(5 * NS, int(length_s * NS))
    assert [run.grid.position(block.begins_ns) for block in run.blocks["accept"]] == [0, 1]
    assert run.blocks["accept"][1] == BlockCount(5 * NS + int(length_s * NS), 1, 1)


def test_codes_are_read_from_the_table_itself():
    import numpy as np

    attempts = JudgedAttempts(
        ["unknown", "ok", "refused"], np.array([0, 1, 1, 2], np.uint8), np.array([1, 1, 10**9, 1])
    )
    assert count(attempts, 0.5) == Counts(1, 2, 1)


def test_stages_count_as_they_happened_not_as_they_were_planned(study):
    late = [{**s, "starts_s": s["starts_s"] + 2} for s in STAGES]
    write_run(study, operations=[accept(6.0), accept(16.0)], timeline=healthy_timeline(late))
    assert only(study).counts["accept"] == Counts(1, 0)


def test_several_judged_stages(study):
    stages = [{**STAGES[0], "judge": True}, {**STAGES[1], "judge": False}, {**STAGES[2], "judge": True}]
    write_run(study, operations=[accept(t) for t in (1, 4, 6, 15.5)], timeline=healthy_timeline(stages))
    assert only(study).counts["accept"] == Counts(3, 0)


def test_judged_time_is_unknown_without_a_timeline(study):
    write_run(study, operations=[accept(6.0), accept(16.0)], timeline=None)
    (run,) = evidence(study).runs
    assert "timeline.arrows has no stage" in run.broken


def test_a_timeline_that_was_cut_judges_nothing(study):
    """Or a stage that is to be judged could vanish, and a release that fails in it would pass."""
    run = write_run(study, operations=[accept(6.0)], timeline=healthy_timeline(STAGES))
    end = json.loads((run.path / "end.json").read_text())
    end["rows"]["timeline"] = len(STAGES) + 1
    (run.path / "end.json").write_text(json.dumps(end))
    (read,) = evidence(study).runs
    assert f"{len(STAGES)} of the {len(STAGES) + 1} rows" in read.broken


def test_a_stage_that_the_run_ended_in(study):
    rows = [list(row) for row in healthy_timeline(STAGES[:2])]
    rows[1][1] = None
    write_run(study, operations=[accept(11.9)], timeline=rows, end={"ended_ns": 12 * NS})
    run = only(study)
    assert run.counts["accept"] == Counts(1, 0)
    assert run.coverage.judged_s == 7.0


def test_an_aborted_run(study):
    write_run(study, operations=[accept()], end=None, ledger=None)
    run = only(study)
    assert (run.reason, run.kept, run.saturated, run.coverage, run.ledger) == (None, None, None, None, None)
    assert run.counts["accept"] == Counts(1, 0)


def test_a_cut_table_breaks_its_run(study):
    run = write_run(study, operations=[accept()] * 100, workers=2)
    path = run.table_path("operations", "1")
    path.write_bytes(path.read_bytes()[:-5000])
    (read,) = evidence(study).runs
    assert read.broken == "operations-1.arrows has 0 of the 50 rows that were written; was the run copied whole?"


@pytest.mark.parametrize("table", ["timeline", "ticks", "sessions"])
def test_a_table_that_is_gone_breaks_its_run(study, table):
    """Without the observer's rows a lock wait would not be missing: there would have been none."""
    sessions = [(6 * NS, "postgres", "postgres", "lock", None, 3)]
    run = write_run(study, operations=[accept()], tables={"sessions": sessions})
    run.table_path(table).unlink()
    (read,) = evidence(study).runs
    assert table in read.broken


def test_rows_that_the_end_did_not_count_do_not_count(study):
    end = {"operations": {"begun": 2, "written": 2, "in_flight": 0, "lost": 0}, "rows": {}}
    write_run(study, operations=[accept()], end=end)
    assert only(study).kept == Kept(0, None, written=2, found=1)


def test_a_lost_worker_leaves_an_upper_bound(study):
    operations = {"begun": None, "written": 1, "in_flight": 0, "lost": None, "lost_at_most": 40}
    write_run(study, operations=[accept()], end={"operations": operations})
    assert only(study).kept == Kept(None, 40, 1, 1)


def blind_s(study):
    return only(study).coverage.blind_s


def test_no_observer(study):
    write_run(study, end={"observer": None})
    assert only(study).coverage is None


def test_an_observer_that_left_no_ticks_was_blind(study):
    write_run(study, tables={"ticks": []})
    assert (blind_s(study), only(study).coverage.reason) == (10.0, "it left no ticks")


def test_failed_ticks_in_judged_time_blind(study):
    ticks = [(*t[:5], "timeout" if 6 * NS <= t[1] < 9 * NS else None, t[6]) for t in healthy_ticks()]
    write_run(study, tables={"ticks": ticks}, end={"observer": {"blind_s": 3.0, "reason": "statement timeout"}})
    assert blind_s(study) == pytest.approx(3.0)
    assert only(study).coverage.reason == "statement timeout"


def test_failed_ticks_in_warm_up_do_not_count(study):
    ticks = [(*t[:5], "timeout" if t[1] < 3 * NS else None, t[6]) for t in healthy_ticks()]
    write_run(study, tables={"ticks": ticks}, end={"observer": {"blind_s": 2.9, "reason": "statement timeout"}})
    assert blind_s(study) == pytest.approx(0.0)


def test_unplaced_blind_time_counts_as_judged(study):
    write_run(study, end={"observer": {"blind_s": 2.5, "reason": "reported"}})
    assert blind_s(study) == pytest.approx(2.5)


def test_probe_with_least_coverage_counts(study):
    short = [t for t in healthy_ticks("pod") if t[1] < 10 * NS]
    write_run(study, tables={"ticks": healthy_ticks() + short})
    assert blind_s(study) == pytest.approx(5.0, abs=0.2)


def test_an_observer_that_came_late_was_blind_before(study):
    write_run(study, tables={"ticks": [t for t in healthy_ticks() if t[1] >= 8 * NS]})
    assert blind_s(study) == pytest.approx(3.0)


def test_a_target_that_is_not_ours(study):
    write_run(study, "01-theirs", manifest={"storage": None, "label": "theirs", "engine": None}, ledger=None)
    run = only(study)
    assert (run.storage, run.no_orphans, run.commit_survives) == ("theirs", None, None)


def test_storages_in_the_order_of_their_runs(study):
    for name, number in (("01-sqlite", 1), ("02-postgres", 1), ("03-postgres", 2), ("04-sqlite", 2)):
        write_run(study, name, manifest={"round": number})
    assert {s: [r.name for r in runs] for s, runs in study_storages(study).items()} == {
        "sqlite": ["01-sqlite", "04-sqlite"],
        "postgres": ["02-postgres", "03-postgres"],
    }
    found = evidence(study)
    assert [r.run for r in found.runs] == ["01-sqlite", "02-postgres", "03-postgres", "04-sqlite"]
    assert found.storages() == ("sqlite", "postgres")


def test_a_run_without_a_manifest_goes_with_its_siblings(study):
    write_run(study, "01-postgres-optimistic")
    (study / "02-postgres-optimistic").mkdir()
    (first, second) = evidence(study).runs
    assert first.storage == second.storage == "postgres:optimistic"
    assert second.broken == "it never began, aborted: there is no manifest.json"


def test_run_that_never_began_has_its_reason(study):
    run = write_run(study, end={"reason": "pod_died", "detail": "exit code 1"})
    (run.path / "manifest.json").unlink()
    (broken,) = evidence(study).runs
    assert broken.broken == "it never began, pod_died: exit code 1"


@pytest.mark.parametrize(
    ("document", "content"),
    [
        ("manifest.json", "{"),
        ("manifest.json", "[]"),
        ("manifest.json", json.dumps({"format": 1})),
        ("end.json", '{"reason": "completed"}'),
        ("end.json", "garbage"),
        ("ledger.json", '{"checks": [{}]}'),
        ("timeline.arrows", "garbage"),
    ],
)
def test_broken_documents_break_their_run_only(study, document, content):
    write_run(study, "01-sqlite", operations=[accept()])
    other = write_run(study, "02-memory", operations=[accept()])
    (other.path / document).write_text(content)
    first, second = evidence(study).runs
    assert not first.broken
    assert second.broken


def test_another_format_is_not_guessed_at(study):
    write_run(study, manifest={"format": 2})
    (run,) = evidence(study).runs
    assert run.broken == "format 2, where 1 was expected"


def test_a_study_that_is_not_there(study):
    with pytest.raises(FileNotFoundError):
        study_storages(study)


def crowded(begins_s, ends_s):
    """Samples of the host, one a second: other processes use three quarters of it between the two moments."""
    rows, busy, own, queue = [], 0, 0, 0
    for second in range(17):
        if begins_s < second <= ends_s:
            busy, own, queue = busy + 2 * NS, own + NS // 2, queue + 2 * NS
        for name, value in (("busy_ns", busy), ("own_cpu_ns", own), ("measured_cpu_ns", own), ("run_queue_ns", queue)):
            rows.append((second * NS, name, value))
        rows.append((second * NS, "processors", 2))
    return rows


def test_bad_attempts_under_other_load_are_not_attributed(study):
    """The load lasts from second 6 to 8, its backlog to 13; a refusal stays one, and a good attempt good."""
    late = {"response_s": 0.5}
    operations = [
        *(accept(planned_s=5.2, **late), accept(planned_s=5.8, **late), accept(planned_s=7.0, **late)),
        *(accept(planned_s=12.9, outcome="fail", error="storage_conflict"), accept(planned_s=13.5, **late)),
        *(accept(planned_s=7.0), accept(planned_s=7.0, outcome="refused", error="already_accepted")),
    ]
    write_run(study, operations=operations, tables={"host": crowded(6, 8)})
    run = only(study)
    assert run.counts == {"accept": Counts(1, 5, refused=1, unattributed=3)}
    assert run.host_load.startswith("the host was under other load for 2.0 s of 10.0 s: processes that are not of")


def test_quiet_host_explains_nothing(study):
    write_run(study, operations=[accept(response_s=0.5)], tables={"host": crowded(0, 0)})
    run = only(study)
    assert (run.counts, run.host_load) == ({"accept": Counts(0, 1)}, "")


def test_generator_without_ports_made_less_load_and_was_not_slow(study):
    """Its own rows and answers that wait for agents are not attributed; what the pod did slowly stays its own."""
    answer = Objective("answer", "Answer", "chat.answer", 0.3, 0.99)
    operations = [accept(outcome="fail", error="local_ports"), accept(response_s=0.5), Op("chat.answer", response_s=9)]
    generator = {"saturated": True, "reasons": ["local_errors"], "local_errors": {"ports": 1}, "workers": []}
    write_run(study, operations=operations, end={"generator": generator})
    run = only(study, ACCEPT, answer)
    assert run.counts == {"accept": Counts(0, 2, unattributed=1), "answer": Counts(0, 1, unattributed=1)}
    assert (run.saturated, run.slowed) == (True, False)
    assert run.strain == "this host had no ports for 1 operations, 0 of 80 arrivals (0.0%) began more than 100 ms late"


@pytest.mark.parametrize(
    ("reasons", "errors"),
    [(["cpu"], {}), (["cpu", "local_errors"], {"ports": 1}), (["local_errors"], {"memory": 1, "ports": 1}), ([], {})],
)
def test_generator_that_may_have_been_slow(study, reasons, errors):
    generator = {"saturated": True, "reasons": reasons, "local_errors": errors, "workers": []}
    write_run(study, end={"generator": generator})
    assert only(study).slowed


def test_exhausted_resources_are_named(study):
    write_run(study, end={"local_errors": {"pod pod-1": {"descriptors": 7}, "database postgres": {"threads": 1}}})
    assert only(study).exhausted == "pod pod-1 had no descriptors (7 times), database postgres had no threads (1 times)"


def test_agents_that_an_interrupted_load_lacked_are_read(study):
    stage = {"name": "steady", "planned_s": 10.0, "lasted_s": 3.0, "agents": 2, "agents_missing": 2, "agents_extra": 0}
    never = {"name": "cool-down", "planned_s": 1.0, "lasted_s": None, "agents": 2, "agents_missing": None}
    stages = [stage, {**never, "agents_extra": None}]
    write_run(study, end={"reason": "interrupted", "load": {"stages": stages}})
    assert only(study).other_agents == ("stage steady: 2 agents planned, up to 2 missing",)


@pytest.mark.parametrize("started_at", [None, 5, ["2026"]])
def test_start_that_is_no_text_is_unknown(study, started_at):
    write_run(study, manifest={"started_at": started_at})
    assert only(study).started_at is None
