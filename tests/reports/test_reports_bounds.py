"""Small inputs that would need much memory or time are refused, with the number that is too large."""

import json

import pytest
from studies import NS, STAGES, Op, action, healthy_ticks, healthy_timeline, lock_wait, session, write_run

from reports.analysis.study import find
from reports.data.judged_time import overlap_ns
from reports.data.runs import read_run, read_study
from reports.report_command import main
from reports.text.story import story

MANY = 1_500
DAYS_NS = 29 * 86_400 * NS


def stage(number):
    return (number * NS // 100, (number + 1) * NS // 100, "stage", f"s{number}", "ok", '{"judge": true}')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeline": [stage(n) for n in range(128)]}, "more than 127 stages"),
        ({"manifest": {"target": {"pods": [{"name": f"p{n}"} for n in range(255)]}}}, "has 256 pods; the most is 255"),
        (
            {"manifest": {"target": {"pods": [{"name": f"p{n}"} for n in range(200)]}}, "end": {"ended_ns": DAYS_NS}},
            "201 pods for 2,505,600 s are more than are counted second by second",
        ),
        (
            {"tables": {"resources": [(n, "pod", f"p{n}", n, n) for n in range(MANY)]}},
            "resources.arrows: column name: more than 1,000 different names",
        ),
        (
            {"tables": {"sessions": [session(n / 1000, "lock", 1, database=f"d{n}") for n in range(MANY)]}},
            "sessions.arrows: column database: more than 100 different names",
        ),
        (
            {"tables": {"counters": [(n, "redis", "redis", f"c{n}", n) for n in range(5_001)]}},
            "counters.arrows has more counters and moments than are put into one table",
        ),
        ({"tables": {"ticks": [(f"p{n}", n, n, n, 0, None, 1) for n in range(MANY)]}}, "column probe: more than 1,000"),
    ],
)
def test_study_that_would_take_too_much_is_refused(tmp_path, capsys, given, message):
    write_run(tmp_path / "study", operations=[Op("chat.accept")], **given)
    assert main([str(tmp_path / "study")]) == 64
    assert message in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["01-sqlite"]


def test_many_sessions_and_objects_need_no_group_each(tmp_path, monkeypatch):
    """15,000 sessions, 100 databases and 1,000 objects would have been 112 GB."""
    monkeypatch.setattr("reports.report_command._write", lambda *_: None)
    waits = [
        lock_wait(6 + n / 1e4, 2, wait=n, outcome=1, waiter_session=n, blocker_session=n + 1, database=f"d{n % 90}",
                  object=f"x{n}", lock=f"l{n}", depth=2**31 - 1)
        for n in range(MANY)
    ]  # fmt: skip
    write_run(tmp_path / "study", operations=[Op("chat.accept")], tables={"lock_waits": waits})
    assert main([str(tmp_path / "study")]) == 0


@pytest.mark.parametrize("detail", ["[" * 100_000, '{"judge": "no"}', '{"judge": 1}', "[]", '{"judge": NaN}'])
def test_stage_without_judge_is_refused(tmp_path, capsys, detail):
    rows = [(0, 10 * NS, "stage", "steady", "ok", detail)]
    write_run(tmp_path / "study", operations=[Op("chat.accept")], timeline=rows)
    assert main([str(tmp_path / "study")]) == 64
    assert "the detail of a stage in timeline.arrows" in capsys.readouterr().err


def test_older_tables_of_one_database_are_read(tmp_path, monkeypatch):
    """Without the columns of later versions."""
    monkeypatch.setattr("reports.report_command._write", lambda *_: None)
    counters = [(n * NS, "redis", "redis", "commits", n) for n in range(16)]
    run = write_run(tmp_path / "study", operations=[Op("chat.accept")], tables={"counters": counters})
    for table, column in (("counters", "database"), ("ticks", "period_ns")):
        drop_column(run.table_path(table), column)
    assert main([str(tmp_path / "study")]) == 0


def drop_column(path, name):
    import pyarrow as pa

    table = pa.ipc.open_stream(path.read_bytes()).read_all().drop_columns([name])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def test_overlap_of_many_windows():
    many = [(n, n + 1) for n in range(0, 200_000, 2)]
    assert overlap_ns(many, [(5, 11), (100_000, 100_001)]) == 3 + 1
    assert overlap_ns(many, many) == 100_000
    assert overlap_ns([], many) == 0


def test_names_of_runs_reach_the_terminal_cleaned(tmp_path, capsys):
    for number, seed in ((1, 7), (2, 8)):
        manifest = {"seed": seed, "packages": {"\x1b[31m": str(seed)}, "stages": [dict(s) for s in STAGES]}
        write_run(tmp_path / "study", f"0{number}-\x1b[31m\u202e", manifest={**manifest, "storage": "sqlite"})
    assert main([str(tmp_path / "study")]) == 64
    text = capsys.readouterr().err
    assert "seed differs" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_many_blind_ticks_are_counted_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr("reports.report_command._write", lambda *_: None)
    ticks = [
        (*tick[:5], "x" if number % 2 else None, tick[6]) for number, tick in enumerate(healthy_ticks(every_s=0.001))
    ]
    write_run(tmp_path / "study", operations=[Op("chat.accept")], tables={"ticks": ticks})
    assert main([str(tmp_path / "study")]) == 0


@pytest.mark.usefixtures("without_plots")
def test_document_of_another_shape_counts_as_missing(tmp_path):
    run = write_run(tmp_path / "study", operations=[Op("chat.accept")])
    (run.path / "ledger.json").write_text(json.dumps({"checks": 7}))
    assert main([str(tmp_path / "study")]) == 0
    caveats = json.loads((tmp_path / "study" / "report" / "summary.json").read_text())["caveats"]
    assert any("01-sqlite/ledger.json: checks: Input should be a valid list" in caveat for caveat in caveats)


def test_plots_show_the_first_events_and_the_page_states_it(tmp_path):
    rows = [*healthy_timeline(), *(action(5 + n / 100, f"w{n}") for n in range(150))]
    run = read_run(write_run(tmp_path / "study", operations=[Op("chat.accept")], timeline=rows))
    assert (len(run.events), len(run.drawn)) == (150, 100)
    caveats = [doubt.line for doubt in story(find("study", read_study(tmp_path / "study"))).doubts]
    assert "150 actions and faults: plots show the first 100; tables and figures cover all" in caveats
