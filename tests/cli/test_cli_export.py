"""Exporting a run that an older version wrote."""

import os

import pyarrow as pa
import pyarrow.parquet
from studies import write_run

from loadtests.export import export_run
from loadtests.records.streams import TableWriter
from loadtests.records.tables import TICKS_TABLE


def test_a_column_that_came_later_is_left_empty_and_said_to_be(tmp_path, capsys):
    run = write_run(tmp_path, "01-sqlite", tables={"ticks": []})
    run.table_path("ticks").unlink()
    kept = TICKS_TABLE.schema().names.index("period_ns")
    with TableWriter(run.table_path("ticks"), TICKS_TABLE.schema().remove(kept)) as ticks:
        ticks.write([("database", 0, 0, 1, 0, None)])
    assert export_run(run.path, "parquet", tmp_path / "out") == 0
    assert pa.parquet.read_table(tmp_path / "out" / "ticks.parquet")["period_ns"].to_pylist() == [None]
    told = capsys.readouterr().err.splitlines()
    assert told == [
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
