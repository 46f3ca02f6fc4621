"""A log that grows, is cut, is rotated: whole lines, each once."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.probes.jsonlog import tail
from loadtests.probes.jsonlog.tail import Tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "postgres.json"
    path.write_bytes(b"before\n")
    return path


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_whole_lines_from_the_end_on(log: Path) -> None:
    following = Tail(log)
    append(log, b"a\nb")
    assert following.lines() == [b"a"]
    append(log, b"c\n")
    assert following.lines() == [b"bc"]
    assert following.lines() == []
    following.close()


def test_a_file_that_is_cut_begins_anew(log: Path) -> None:
    following = Tail(log)
    append(log, b"half a li")
    following.lines()
    os.truncate(log, 0)
    append(log, b"new\n")
    assert (following.lines(), following.lost) == ([b"new"], 1)
    following.close()


def test_a_file_that_is_removed_is_read_on(log: Path) -> None:
    following = Tail(log)
    with log.open("ab", buffering=0) as writer:
        log.unlink()
        writer.write(b"still\n")
        assert (following.lines(), following.moved()) == ([b"still"], False)
        log.write_bytes(b"of another\n")
        assert following.moved()
    following.close()


def test_a_line_past_all_bounds_is_passed_over(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LONGEST_LINE", 100)
    monkeypatch.setattr(tail, "_READ", 64)
    following = Tail(log)
    append(log, b"x" * 1000 + b"\nnext\n" + b"y" * 90 + b"\n")
    found = []
    while lines := following.lines():
        found += lines
    assert (found, following.lost) == ([b"next", b"y" * 90], 1)
    following.close()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tail(tmp_path / "no.json")


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b""))), st.lists(st.integers(1, 40)))
def test_every_line_comes_once_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.json"
    path.touch()
    following, found = Tail(path), []
    data = b"".join(line + b"\n" for line in lines)
    for cut in [*cuts, len(data)]:
        append(path, data[:cut])
        data = data[cut:]
        found += following.lines()
    assert found == lines
    following.close()
