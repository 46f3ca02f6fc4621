"""Which variables our processes have, and which the user's own commands."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_environment import VARIABLES

from loadtests import environment

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for room in ("loadtests", "reports") for path in sorted((ROOT / room).rglob("*.py"))]
STANDARD_LIBRARY_ONLY = {"loadtests/conductor/reaper.py", "loadtests/servers/supervisor.py"}
PASSED = {
    "PATH": "/opt/bin:/usr/bin",
    "LD_LIBRARY_PATH": "/opt/lib",
    "LD_PRELOAD": "/opt/lib/libnss_wrapper.so",
    "TMPDIR": "/scratch",
    "TZ": "Asia/Tokyo",
    "SSL_CERT_FILE": "/opt/ca.pem",
    "SSL_CERT_DIR": "/opt/certificates",
    "PYTHONPATH": "/opt/python",
    "LANG": "C.UTF-8",
    "LOADTESTS_POSTGRES_BIN": "/opt/postgres",
}
SECRETS = {"LOADTESTS_DSN": "postgresql://x", "LOADTESTS_TOKEN_SECRET": "secret", "LOADTESTS_PLAN": "{}"}
SECRETS |= {"LOADTESTS_JOIN_TOKEN": "token"}
RUN_CLEANED = "import json; from loadtests import environment as e; e.clean(); print(json.dumps(e.user_environment()))"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of these tests, restored afterwards."""
    before, given = dict(os.environ), {**VARIABLES, **PASSED, **SECRETS, "HOME": "/home/user", "OWN_TOKEN": "t"}
    monkeypatch.setattr(environment, "_withheld", {})
    monkeypatch.setattr(environment, "_umask", {})
    umask = os.umask(0o002)
    os.environ.clear()
    os.environ.update(given)
    yield given
    os.umask(umask)
    os.environ.clear()
    os.environ.update(before)


def test_clean_keeps_what_passes_and_nothing_else():
    environment.clean()
    assert {name: os.environ.get(name) for name in PASSED} == PASSED
    kept = set(VARIABLES) & set(os.environ)
    assert kept == {"TZ", "LC_ALL", "LANG", "TERM", "FORCE_COLOR"}
    assert "OWN_TOKEN" not in os.environ


def test_home_is_a_directory_that_does_not_exist():
    environment.clean()
    assert os.environ["HOME"] == environment.child_environment({})["HOME"] == environment.NO_HOME
    assert not Path(environment.NO_HOME).exists()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):  # root has made other ones
        Path(environment.NO_HOME).mkdir(parents=True)


def test_child_has_no_secrets_but_those_it_is_given():
    child = environment.child_environment({"LOADTESTS_DSN": "redis://y"})
    assert {name: child.get(name) for name in SECRETS} == {
        "LOADTESTS_DSN": "redis://y",
        "LOADTESTS_TOKEN_SECRET": None,
        "LOADTESTS_PLAN": None,
        "LOADTESTS_JOIN_TOKEN": None,
    }
    assert {name: child[name] for name in PASSED} == PASSED
    assert not {"FORCE_COLOR", "COLUMNS", "TERM"} & set(child)


def test_child_environment_is_the_same_before_and_after_clean():
    before = environment.child_environment({})
    environment.clean()
    environment.clean()
    assert environment.child_environment({}) == before


def test_relative_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.environ.update(SSL_CERT_FILE="ca.pem", PYTHONPATH="src:/opt/python", TMPDIR="scratch")
    child = environment.child_environment({})
    assert child["SSL_CERT_FILE"] == f"{tmp_path}/ca.pem"
    assert child["PYTHONPATH"] == f"{tmp_path}/src:/opt/python"
    assert child["TMPDIR"] == f"{tmp_path}/scratch"


def test_user_commands_have_the_original_variables_without_secrets(variables):
    expected = {name: value for name, value in variables.items() if name not in SECRETS}
    for _ in range(3):
        assert {n: v for n, v in environment.user_environment().items() if n != "PYTEST_CURRENT_TEST"} == expected
        environment.clean()
    assert environment.user_variables()["LOADTESTS_TOKEN_SECRET"] == "secret"


def test_home_that_was_not_set_stays_unset_for_user_commands():
    del os.environ["HOME"]
    environment.clean()
    assert "HOME" not in environment.user_environment()


def test_variables_of_the_user_survive_a_change_of_process(variables):
    environment.clean()
    os.environ["PYTHONPATH"] = str(ROOT)
    carried = environment.carrier_environment()
    assert carried["LOADTESTS_WITHHELD_OWN_TOKEN"] == "t"
    assert "OWN_TOKEN" not in carried
    done = subprocess.run([sys.executable, "-c", RUN_CLEANED], env=carried, capture_output=True, text=True, check=True)
    expected = {name: value for name, value in variables.items() if name not in SECRETS}
    printed = json.loads(done.stdout)
    assert {n: v for n, v in printed.items() if n != "PYTEST_CURRENT_TEST"} == {**expected, "PYTHONPATH": str(ROOT)}


def test_variable_set_later_has_precedence():
    environment.clean()
    os.environ["OWN_TOKEN"] = "new"
    assert environment.user_environment()["OWN_TOKEN"] == "new"


def _runnable(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


def test_modules_that_are_run_clean_before_they_import():
    first = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if _runnable(tree) and str(path.relative_to(ROOT)) not in STANDARD_LIBRARY_ONLY:
            imported = [ast.unparse(node) for node in tree.body if not isinstance(node, ast.Expr)]
            cleans = next(i for i, text in enumerate(imported) if "environment.clean()" in text)
            first[str(path.relative_to(ROOT))] = imported[:cleans]
    allowed = {"from loadtests import environment", "from typing import Any"}
    assert len(first) >= 7
    assert {name: lines for name, lines in first.items() if set(lines) - allowed} == {}


def test_each_process_is_started_with_an_environment_of_its_own():
    started = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "subprocess.Popen",
                "subprocess.run",
                "asyncio.create_subprocess_exec",
            ):
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                started[place] = any(keyword.arg == "env" for keyword in node.keywords)
    assert len(started) >= 8
    assert [place for place, given in started.items() if not given] == []


@pytest.mark.parametrize(
    ("readers", "umask"), [(None, 0o077), ("owner", 0o077), ("group", 0o027), ("all", 0o022), ("everyone", 0o077)]
)
def test_clean_sets_the_umask_that_the_readers_need(readers: str | None, umask: int) -> None:
    if readers is not None:
        os.environ["LOADTESTS_READERS"] = readers
    environment.clean()
    assert os.umask(0o002) == umask


def test_commands_of_the_user_have_the_umask_of_the_user() -> None:
    assert environment.user_umask() == -1, "nothing to put back before clean"
    environment.clean()
    environment.clean()
    assert environment.user_umask() == 0o002
    script = "from loadtests import environment as e; e.clean(); print(e.user_umask(), sorted(e.user_environment()))"
    child = [sys.executable, "-c", script]
    carried = subprocess.run(child, env=environment.carrier_environment(), capture_output=True, text=True, check=True)
    assert carried.stdout.startswith("2 [")
    assert "USER_UMASK" not in carried.stdout
    assert "LOADTESTS_USER_UMASK" not in environment.child_environment({})
