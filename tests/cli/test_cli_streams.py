"""Standard streams that are closed, full or of another encoding: exit codes and files stay those of the result."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from studies import Op, write_run

SHIPPED = Path(__file__).parents[2] / "scenarios" / "objectives.yaml"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
FAILED = {"outcome": "unknown", "error": "timeout", "response_s": 5.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    study = tmp_path_factory.mktemp("runs") / "20260101T000000Z-tiny"
    write_run(study, operations=[Op("chat.accept", **FAILED)] * 400)
    return study


def commands(study: Path, to: Path) -> dict[str, tuple[list[str], int, Path | None]]:
    """Name → the words after `python -m`, the exit code, a file that must be there afterwards."""
    return {
        "gate": (["reports.gate", str(study), "--objectives", str(SHIPPED)], 1, study / "verdict.json"),
        "report": (["reports", str(study)], 0, study / "report" / "index.html"),
        "export": (["loadtests", "export", str(study / "01-sqlite"), "--to", str(to)], 0, to / "operations.parquet"),
        "doctor": (["loadtests", "doctor"], 0, None),
        "schema": (["loadtests", "schema"], 0, None),
        "clean": (["loadtests", "clean", "--runs", str(study.parent)], 0, None),
    }


ENTRY = {"reports.gate": "reports.gate.command", "reports": "reports.report_command", "loadtests": "loadtests.cli"}


WITHOUT_PLOTS = "from reports.page.plots import drawing; drawing.draw = lambda *_: ([], '');"
"""What makes a report quickly where only its path matters."""


def command_line(words: list[str], before: str = "") -> str:
    script = f"import sys; {before} from {ENTRY[words[0]]} import main; sys.exit(main())"
    return shlex.join([sys.executable, "-c", script, *words[1:]])


def bash(script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", script], capture_output=True, timeout=100, env=env, check=False)


PIPE, NONE = "| true", "<&- >&- 2>&-"
LOST = [
    *(("gate", streams) for streams in (PIPE, NONE, ">&-", "2>&-", "<&-", "2>/dev/full", "2>&1 >/dev/null | true")),
    *((name, streams) for name in ("report", "export", "doctor", "schema", "clean") for streams in (PIPE, NONE)),
]


@pytest.mark.parametrize(("name", "streams"), LOST)
def test_exit_code_survives_lost_streams(study, tmp_path, name, streams):
    words, code, file = commands(study, tmp_path / "tables")[name]
    script = f"{command_line(words)} {streams}"
    if streams.endswith("| true"):
        script += "; exit ${PIPESTATUS[0]}"
    assert bash(script).returncode == code
    if file is not None:
        assert file.stat().st_size > 100


@pytest.mark.parametrize(
    ("name", "expected"), [("gate", 1), ("report", 0), ("export", 0), ("clean", 0), ("doctor", 69), ("schema", 69)]
)
def test_full_standard_output_is_reported(study, tmp_path, name, expected):
    """Where standard output is the only result, the exit code says that it is not complete."""
    words, _, file = commands(study, tmp_path / "tables")[name]
    done = bash(f"{command_line(words)} >/dev/full")
    assert b"standard output could not be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.returncode == expected
    assert file is None or file.stat().st_size > 100


@pytest.mark.parametrize("name", ["gate", "report", "doctor", "schema"])
def test_ascii_terminal_gets_ascii(study, tmp_path, name):
    words, code, _ = commands(study, tmp_path)[name]
    done = bash(command_line(words), **ASCII)
    assert done.returncode == code
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout.replace(b"\\\\u", b"") or name == "schema"


def test_symbols_become_ascii_where_they_must():
    words = ascii("≥ 1 µs · ±2 … \udcff ü")
    script = f"from loadtests.standardstreams import secure; secure('x'); print({words})"
    ascii_only = bash(shlex.join([sys.executable, "-c", script]), **ASCII)
    assert ascii_only.stdout == b">= 1 us - +/-2 ... \xff \\xfc\n"
    latin = bash(shlex.join([sys.executable, "-c", script]), PYTHONIOENCODING="latin-1")
    assert latin.stdout == ">= 1 µs · ±2 ... \xff ü\n".encode("latin-1")
    utf8 = bash(shlex.join([sys.executable, "-c", script]), PYTHONIOENCODING="utf-8")
    assert utf8.stdout == "≥ 1 µs · ±2 … ".encode() + b"\xff " + "ü\n".encode()


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("ü", ASCII),
        ("u\u0308", {"PYTHONIOENCODING": "latin-1"}),
        (os.fsdecode(b"\xff"), {}),
        (os.fsdecode(b"\xff"), ASCII),
        ("a\\b $x `y`", {}),
    ],
)
def test_report_prints_its_path_byte_by_byte(tmp_path, name, encoding):
    study = tmp_path / name / "20260101T000000Z-tiny"
    write_run(study, operations=[Op("chat.accept", response_s=0.01)] * 50)
    done = bash(command_line(["reports", str(study)], WITHOUT_PLOTS), **encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout == os.fsencode(study / "report" / "index.html") + b"\n"


def test_closed_descriptors_never_name_a_file_of_the_run(tmp_path):
    """What a library or a child prints must not end in a table that got a standard descriptor's number."""
    script = (
        "from loadtests.standardstreams import secure; secure('x'); import os, sys, subprocess\n"
        f"file = open({str(tmp_path / 'table')!r}, 'w'); assert file.fileno() > 2\n"
        "print('x'); print('x', file=sys.stderr); sys.stdin.read()\n"
        "subprocess.run(['sh', '-c', 'cat; echo x; echo x >&2'])\n"
    )
    assert bash(f"{shlex.join([sys.executable, '-c', script])} <&- >&- 2>&-").returncode == 0
    assert (tmp_path / "table").read_text() == ""
