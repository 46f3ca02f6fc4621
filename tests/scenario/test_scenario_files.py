"""Files that are no UTF-8 text, or no files: one message with the place, soon."""

import os
import threading
from pathlib import Path

import pytest

from loadtests.configuration import source
from loadtests.configuration.problems import SourceError
from loadtests.scenario.finding import read_scenario

SHORT = Path(__file__).parents[2] / "scenarios" / "smoke.yaml"


def smoke() -> str:
    lines = SHORT.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("objectives:"))


def problem_of(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        read_scenario(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("encode", "line", "words"),
    [
        (lambda text: text.encode("utf-16"), 1, "got UTF-16 text, expected UTF-8 text"),
        (lambda text: text.encode("utf-16-le"), 1, "got character 0x0"),
        (lambda text: text.encode() + b"a\0b\n", smoke().count("\n") + 1, "got character 0x0"),
        (lambda text: text.encode() + "# für\n".encode("latin-1"), smoke().count("\n") + 1, "got byte 0xfc"),
        (lambda _: b"", 1, "got an empty file"),
        (lambda _: b"\n \n", 1, "got an empty file"),
        (lambda _: b"\xef\xbb\xbf", 1, "got an empty file"),
    ],
)
def test_file_of_another_encoding_is_one_message_with_its_line(tmp_path, encode, line, words):
    path = tmp_path / "odd.yaml"
    path.write_bytes(encode(smoke()))
    assert problem_of(path).startswith(f"{path}:{line}: ")
    assert words in problem_of(path)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
    ],
)
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path, encode):
    path = tmp_path / "odd.yaml"
    path.write_bytes(encode(smoke()))
    plain = tmp_path / "plain.yaml"
    plain.write_text(smoke(), encoding="utf-8")
    assert read_scenario(path)[0] == read_scenario(plain)[0]


def test_what_is_no_file_is_refused_at_once(tmp_path):
    (tmp_path / "directory.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert "got a directory" in problem_of(tmp_path / "directory.yaml")
    assert "symbolic links" in problem_of(tmp_path / "loop.yaml")
    assert "no such file" in problem_of(tmp_path / "gone.yaml")
    assert "file name too long" in problem_of(tmp_path / ("x" * 300 + ".yaml"))
    assert "more than 64 KiB" in problem_of(Path("/dev/zero"))
    assert "an empty file" in problem_of(Path("/dev/null"))


def test_pipe_without_a_writer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_PIPE_S", 0.1)
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "a pipe that gives nothing" in problem_of(tmp_path / "pipe.yaml")


def test_pipe_is_read_once_and_whole(tmp_path):
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)

    def write() -> None:
        with path.open("w", encoding="utf-8") as pipe:
            for line in smoke().splitlines(keepends=True):
                pipe.write(line)
                pipe.flush()

    writer = threading.Thread(target=write)
    writer.start()
    scenario, text = read_scenario(path)
    writer.join()
    assert scenario.name == "smoke"
    assert text == smoke()


def test_path_with_control_characters_stays_on_one_line(tmp_path):
    path = tmp_path / "new\nline\x1b[31m\u202e.yaml"
    path.write_text("", encoding="utf-8")
    assert (
        problem_of(path) == f"{tmp_path}/new\\x0aline\\x1b[31m\\u202e.yaml:1: got an empty file, expected one scenario"
    )


def test_objectives_with_a_name_too_long_are_not_there(tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text(f"{smoke()}objectives: {'x' * 300}.yaml\n", encoding="utf-8")
    assert "expected a file, relative to the scenario's" in problem_of(path)
