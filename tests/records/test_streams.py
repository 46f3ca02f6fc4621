from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.records.files import UnreadableError
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import TableWriter, read_batches, read_schema, row_count
from loadtests.records.tables import OPERATIONS_TABLE, TABLES, TICKS_TABLE, codes_of
from loadtests.records.vocabulary import OPERATIONS


def tick(n: int) -> tuple[Any, ...]:
    return ("postgres", n, n + 1, n + 2, n % 3, None, 50)


def rows_in(path: Path) -> int:
    return sum(batch.num_rows for batch in read_batches(path))


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    rows = [tick(n) for n in range(10)]
    with directory.create_table("ticks") as writer:
        writer.write(rows[:4])
        writer.write([])
        writer.write(rows[4:])
    assert [tuple(row.values()) for batch in directory.batches("ticks") for row in batch.to_pylist()] == rows
    assert writer.rows == 10


def test_a_table_that_is_still_being_written_can_be_read(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with directory.create_table("ticks") as writer:
        writer.write([tick(0)])
        assert rows_in(directory.table_path("ticks")) == 1


def test_an_existing_table_is_never_overwritten(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.create_table("ticks").close()
    with pytest.raises(FileExistsError):
        directory.create_table("ticks")


@settings(max_examples=60)
@given(batches=st.integers(0, 12), cut=st.floats(0, 1))
def test_a_cut_stream_yields_every_full_batch_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, batches: int, cut: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "ticks.arrows"
    ends = []
    with TableWriter(path, TICKS_TABLE.schema()) as writer:
        for n in range(batches):
            writer.write([tick(n)] * 7)
            ends.append(path.stat().st_size)
    whole = path.read_bytes()
    size = int(len(whole) * cut)
    path.write_bytes(whole[:size])
    assert rows_in(path) == row_count(path) == 7 * sum(end <= size for end in ends)


def test_rows_are_counted_without_their_columns(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with directory.create_table("ticks") as writer:
        writer.write([tick(0)] * 3)
        begin = directory.table_path("ticks").stat().st_size
        writer.write([tick(0)] * 4)
    raw = bytearray(directory.table_path("ticks").read_bytes())
    raw[begin - 200 : begin] = b"\xff" * 200
    directory.table_path("ticks").write_bytes(raw)
    with pytest.raises(UnreadableError):
        rows_in(directory.table_path("ticks"))
    assert row_count(directory.table_path("ticks")) == 7


def test_only_columns_that_are_asked_for_are_read_and_checked(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with directory.create_table("ticks") as writer:
        writer.write([(*tick(1)[:-1], 0)])  # no period
    with pytest.raises(UnreadableError, match="period_ns"):
        rows_in(directory.table_path("ticks"))
    (batch,) = read_batches(directory.table_path("ticks"), ("rows", "probe"))
    assert batch.to_pydict() == {"probe": ["postgres"], "rows": [1]}


def test_a_file_cut_before_its_schema_has_no_schema(tmp_path: Path) -> None:
    (tmp_path / "empty.arrows").touch()
    (tmp_path / "stub.arrows").write_bytes(b"\xff\xff\xff\xff\x10")
    assert read_schema(tmp_path / "empty.arrows") is None
    assert read_schema(tmp_path / "stub.arrows") is None
    assert rows_in(tmp_path / "stub.arrows") == 0


def test_names_of_codes_travel_with_the_table(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.create_table("operations", "0", pod=["17", "18"]).close()
    schema = read_schema(directory.table_path("operations", "0"))
    assert schema is not None
    codes = codes_of(schema)
    assert codes["operation"] == list(OPERATIONS)
    assert codes["pod"] == ["17", "18"]


def test_a_writer_must_name_the_codes_that_are_its_own() -> None:
    with pytest.raises(KeyError, match="pod"):
        OPERATIONS_TABLE.schema()


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_code_column_is_a_small_integer(table: Any) -> None:
    assert all(str(column.type) == "uint8" for column in table.columns if column.codes is not None)
