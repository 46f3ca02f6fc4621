"""Rows that are gone are missed."""

from pathlib import Path
from typing import Any

import pytest

from loadtests.records.rundirectory import RunDirectory, Short, count_rows, short_files


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    for table, rows in (("ticks", 3), ("resources", 2)):
        with directory.create_table(table) as writer:
            row: tuple[Any, ...] = ("p", 1, 2, 3, 0, None, 50) if table == "ticks" else (1, "pod", "pod-1", 1, 1)
            writer.write([row] * rows)
    return directory


def test_every_file_is_counted(run: RunDirectory) -> None:
    assert count_rows(run) == {"ticks": 3, "resources": 2}


def test_a_whole_run_is_not_short(run: RunDirectory) -> None:
    assert short_files(run, {"rows": count_rows(run)}) == []


def test_files_that_are_cut_or_gone_are_short(run: RunDirectory) -> None:
    end = {"rows": count_rows(run)}
    run.table_path("resources").unlink()
    run.table_path("ticks").write_bytes(run.table_path("ticks").read_bytes()[:-200])
    assert set(short_files(run, end)) == {Short("resources.arrows", 0, 2), Short("ticks.arrows", 0, 3)}


@pytest.mark.parametrize("end", [{}, {"rows": None}, {"rows": []}])
def test_end_without_row_counts_makes_no_file_short(run: RunDirectory, end: dict[str, Any]) -> None:
    assert short_files(run, end) == []
