import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.records.documents import read_document, write_document
from loadtests.records.rundirectory import RunDirectory, run_directories, safe_name
from loadtests.records.tables import TABLES

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "run-directory.md"


def test_a_missing_document_is_a_state(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path).read("end") is None


def test_a_document_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "end.json"
    write_document(path, {"reason": "completed"})
    with pytest.raises(FileExistsError):
        write_document(path, {"reason": "interrupted"})
    assert read_document(path) == {"reason": "completed"}
    assert [p.name for p in tmp_path.iterdir()] == ["end.json"]


def test_a_document_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_document(tmp_path / "end.json", {"share": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("storage", "directory"),
    [
        ("postgres", "postgres"),
        ("postgres:optimistic", "postgres-optimistic"),
        ("dual(mariadb,postgres)", "dual-mariadb-postgres"),
        ("dual(mariadb:none, redis:everysec)", "dual-mariadb-none-redis-everysec"),
    ],
)
def test_storages_as_directory_names(storage: str, directory: str) -> None:
    assert safe_name(storage) == directory


@given(st.text())
def test_names_are_safe_in_any_shell(name: str) -> None:
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", safe_name(name))


def test_runs_come_in_the_order_they_were_made(tmp_path: Path) -> None:
    for name in ("02-sqlite", "01-postgres", "report", "10-sqlite"):
        (tmp_path / name).mkdir()
    (tmp_path / "03-file").touch()
    assert [run.name for run in run_directories(tmp_path)] == ["01-postgres", "02-sqlite", "10-sqlite"]
    with pytest.raises(FileNotFoundError):
        run_directories(tmp_path / "absent")


def test_per_writer_tables_list_their_writers(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for writer in ("1", "0"):
        directory.create_table("operations", writer, pod=["p"]).close()
    assert [p.name for p in directory.table_files("operations")] == ["operations-0.arrows", "operations-1.arrows"]
    assert directory.table_files("ticks") == []


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_documented_as_it_is(table) -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    section = re.search(rf"^### `{table.name}(?:-<writer>)?\.arrows`$(.*?)(?=^### |\Z)", text, re.M | re.S)
    assert section, f"docs/run-directory.md has no section on {table.name}"
    documented = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", section[1], re.M)
    actual = [
        (
            column.name,
            f"{column.type}{', null' if column.nullable else ''}{', codes' if column.codes is not None else ''}",
            column.meaning,
        )
        for column in table.columns
    ]
    assert documented == actual


def test_documents_are_plain_json(tmp_path: Path) -> None:
    write_document(tmp_path / "a.json", {"name": "Zoë"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Zoë"}


def test_the_hundredth_run_comes_after_the_tenth(tmp_path: Path) -> None:
    for name in ("100-sqlite", "99-sqlite", "10-sqlite", "02-sqlite"):
        (tmp_path / name).mkdir()
    assert [run.number for run in run_directories(tmp_path)] == [2, 10, 99, 100]
