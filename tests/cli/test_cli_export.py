"""Exporting a run that an older version wrote, or a stranger."""

import csv
import os

import pyarrow as pa
import pyarrow.parquet
from studies import Op, write_run

from loadtests.export import export_run
from loadtests.records.streams import TableWriter
from loadtests.records.tables import TICKS_TABLE

SPENT = {"operation": 0, "begun_ns": 1, "ended_ns": 2, "outcome": 0, "database": "sqlite"}


def test_missing_column_is_left_empty_and_reported(tmp_path, capsys):
    run = write_run(tmp_path, "01-sqlite", tables={"ticks": []})
    run.table_path("ticks").unlink()
    kept = TICKS_TABLE.schema().names.index("period_ns")
    with TableWriter(run.table_path("ticks"), TICKS_TABLE.schema().remove(kept)) as ticks:
        ticks.write([("database", 0, 0, 1, 0, None)])
    assert export_run(run.path, "parquet", tmp_path / "out") == 0
    assert pa.parquet.read_table(tmp_path / "out" / "ticks.parquet")["period_ns"].to_pylist() == [None]
    expected = capsys.readouterr().err.splitlines()
    assert expected == [
        f"loadtests export: {run.path}: ticks was written without period_ns, by an older version: left empty"
    ]


def test_link_at_a_predictable_name_is_not_written_through(tmp_path):
    run, to, victim = write_run(tmp_path, "01-sqlite", tables={"ticks": []}), tmp_path / "out", tmp_path / "victim"
    victim.write_text("precious")
    to.mkdir()
    for name in (".ticks.csv.draft", f".ticks.csv.{os.getpid()}", "ticks.csv"):
        (to / name).symlink_to(victim)
    assert export_run(run.path, "csv", to) == 0
    assert victim.read_text() == "precious"
    assert (to / "ticks.csv").read_text().startswith('"probe"')
    assert not (to / "ticks.csv").is_symlink()


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(tmp_path):
    words = ["=cmd|' /C calc'!A0", "+1", "-1", "@sum", "\t=1", "\r=1", "a\x00\x1b[2J", 'say "hi"', "plain"]
    ticks = [(word, -5, 0, 1, 0, word, 10**8) for word in words]
    run = write_run(tmp_path, "01-sqlite", tables={"ticks": ticks}, transactions=[{"session": -7, **SPENT}])
    run.table_path("transactions", "pod-1").rename(run.path / "transactions-=1+1.arrows")
    assert export_run(run.path, "csv", tmp_path / "out") == 0
    cells = [row["probe"] for row in rows_of(tmp_path / "out" / "ticks.csv")]
    assert cells == [*(f"'{word}" for word in words[:6]), "a\ufffd\ufffd[2J", 'say "hi"', "plain"]
    assert {row["planned_ns"] for row in rows_of(tmp_path / "out" / "ticks.csv")} == {"-5"}
    (transaction,) = rows_of(tmp_path / "out" / "transactions.csv")
    assert (transaction["writer"], transaction["session"]) == ("'=1+1", "-7")


def test_parquet_keeps_texts_as_they_are(tmp_path):
    run = write_run(tmp_path, "01-sqlite", tables={"ticks": [("=1", 0, 0, 1, 0, None, 10**8)]})
    assert export_run(run.path, "parquet", tmp_path / "out") == 0
    assert pa.parquet.read_table(tmp_path / "out" / "ticks.parquet")["probe"].to_pylist() == ["=1"]


def test_table_that_cannot_be_read_is_bad_input_and_nothing_is_written(tmp_path, capsys):
    run = write_run(tmp_path, "01-sqlite", operations=[Op("chat.accept")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "operations.csv").write_text("earlier")
    run.table_path("timeline").unlink()
    run.table_path("timeline").symlink_to("/dev/zero")
    assert export_run(run.path, "csv", tmp_path / "out") == 64
    assert "01-sqlite/timeline.arrows is a symbolic link" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [("operations.csv", "earlier")]
