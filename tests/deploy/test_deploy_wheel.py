"""The wheel, built from the checkout and from the sdist, and run where there is no repository."""

import json
import shutil
import site
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from loadtests.conductor.ports import free_port

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "loadtests", "reports", "scenarios")
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def execute(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=110, check=False)


def build(what: str, source: Path, into: Path) -> Path:
    into.mkdir(exist_ok=True)
    done = execute(sys.executable, "-c", BUILD, what, into, cwd=source)
    assert done.returncode == 0, done.stderr
    return into / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is made from: building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return build("build_wheel", source, source.parent / f"{source.name}-dist")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with the wheel; dependencies come from this one, without its editable checkout."""
    place = tmp_path_factory.mktemp("environment")
    made = execute(sys.executable, "-m", "venv", "--without-pip", place, cwd=place)
    assert made.returncode == 0, made.stderr
    (packages,) = place.glob("lib/python*/site-packages")
    # A directory that is named in a .pth adds its modules, but no .pth of its own.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install")
    done = execute(*pip, "--quiet", "--no-deps", "--no-index", wheel, cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "bin"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A working directory without anything."""
    place = tmp_path / "empty"
    place.mkdir()
    return place


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def test_the_wheel_holds_everything_and_nothing_else(wheel: Path) -> None:
    packed = contents(wheel)
    folders = ("loadtests", "reports")
    tracked = execute("git", "ls-files", *folders, cwd=ROOT).stdout.splitlines()
    if not tracked:
        pytest.skip("no git checkout")
    for name in tracked:
        assert packed[name] == (ROOT / name).read_bytes()
    assert {"loadtests/py.typed", "reports/py.typed"} <= packed.keys()
    scenarios = ROOT / "scenarios"
    for path in filter(Path.is_file, scenarios.rglob("*")):
        assert packed[f"loadtests/shipped/{path.relative_to(scenarios)}"] == path.read_bytes()
    assert {name.split("/")[0] for name in packed if ".dist-info/" not in name} == set(folders)


def test_the_sdist_builds_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = build("build_sdist", source, tmp_path / "sdist")
    shutil.unpack_archive(sdist, tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert contents(build("build_wheel", unpacked, tmp_path / "again")) == contents(wheel)


def test_commands_need_no_repository(installed: Path, empty: Path) -> None:
    where = execute(installed / "python", "-c", "import loadtests; print(loadtests.__file__)", cwd=empty).stdout
    assert where.startswith(str(installed.parent))
    schema = execute(installed / "loadtests", "schema", cwd=empty)
    assert schema.stdout == (ROOT / "scenarios" / "schema.json").read_text()
    doctor = execute(installed / "loadtests", "doctor", cwd=empty)
    assert doctor.returncode == 0, doctor.stderr
    unknown = execute(installed / "loadtests", "run", "smoek", cwd=empty)
    assert unknown.returncode == 64
    assert "reconnect-storm" in unknown.stderr
    assert "did you mean smoke?" in unknown.stderr
    assert list(empty.iterdir()) == []


def add_other_project(directory: Path) -> None:
    """Files of a project of its own, with packages named like ours that fail when they are imported."""
    (directory / "pyproject.toml").write_text('[tool.locust]\nlocustfile = "missing.py"\n[tool.pytest.ini_options]\n')
    (directory / "locust.conf").write_text("users = 7\n")
    for package in ("loadtests", "reports", "locust"):
        (directory / package).mkdir()
        (directory / package / "__init__.py").write_text(f"raise ImportError({package!r})\n")


@pytest.mark.e2e
def test_a_study_is_made_reported_and_judged_without_the_repository(installed: Path, empty: Path) -> None:
    add_other_project(empty)
    run = execute(installed / "loadtests", "run", "smoke", "--storage", "sqlite", cwd=empty)
    assert run.returncode == 0, run.stderr
    study = empty / run.stdout.splitlines()[-1]
    objectives = (ROOT / "scenarios" / "objectives.yaml").read_bytes()
    assert (study / "01-sqlite" / "objectives.yaml").read_bytes() == objectives
    reported = execute(installed / "loadtests-report", study, cwd=empty)
    assert reported.returncode == 0, reported.stderr
    judged = execute(installed / "loadtests-gate", study, cwd=empty)
    verdict = json.loads((study / "verdict.json").read_text())
    assert verdict["objectives"]["file"] == "01-sqlite/objectives.yaml"
    assert {c["check"] for c in verdict["checks"]} >= {"objective: chat-accept", "completed", "operations kept"}, (
        judged.stderr
    )
    assert judged.returncode == {"pass": 0, "fail": 1, "unknown": 2}[verdict["overall"]]


def first_page(port: int) -> str:
    """Empty when there is none within a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return str(answer.read().decode())
        time.sleep(0.2)
    return ""


@pytest.mark.e2e
def test_the_web_ui_starts_without_the_repository(installed: Path, empty: Path) -> None:
    port = free_port()
    with (empty / "log").open("w") as log:
        ui = subprocess.Popen(
            [installed / "loadtests", "ui", "smoke", "--port", str(port)], cwd=empty, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        assert "reconnect-storm" in first_page(port), (empty / "log").read_text()
    finally:
        ui.terminate()
        ui.wait(60)
