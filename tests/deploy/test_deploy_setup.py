"""deploy/setup: what is missing is installed where that is allowed, starts no service, and is never a failure."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POLICY = Path("/usr/sbin/policy-rc.d")
TOOLS = ("sh", "dirname", "id", "mv", "rm", "chmod", "kill", "cat")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may forbid services")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with neither servers nor apt, and a copy of setup that does not search for servers elsewhere."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    (tmp_path / "deploy").mkdir()
    text = (ROOT / "deploy" / "setup").read_text().replace('"/usr/sbin/$1"', '"/nowhere/$1"')
    (tmp_path / "deploy" / "setup").write_text(text)
    return tmp_path


def setup(bare: Path, what: str = "servers", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(bare / "bin" / "sh"), str(bare / "deploy" / "setup"), what]
    given = {"PATH": str(bare / "bin"), **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=30, check=False)


def _program(bare: Path, name: str, script: str) -> None:
    path = bare / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_setup_without_apt_names_missing_servers(bare: Path) -> None:
    done = setup(bare)
    assert done.returncode == 0
    assert "going on without" in done.stderr
    assert done.stderr.endswith("install mariadb-server-core mariadb-client-core redis-server\n")


def test_what_is_there_or_named_is_not_missing(bare: Path) -> None:
    for name in ("mariadbd", "mariadb-install-db"):
        _program(bare, name, "exit 0")
    done = setup(bare, LOADTESTS_REDIS_BIN="/opt/redis/bin")
    assert (done.returncode, done.stderr) == (0, "")


@root_only
@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 0\n"], ids=["none", "one"])
def test_services_are_forbidden_while_it_installs_and_not_after(bare: Path, before: str | None) -> None:
    if POLICY.exists():
        pytest.skip(f"this machine has a {POLICY} of its own")
    _program(bare, "apt-get", f'echo "$*" >>{bare}/calls; {POLICY} redis-server start; echo $? >>{bare}/calls')
    _program(bare, "systemctl", f'echo "$*" >>{bare}/calls')
    try:
        if before:
            POLICY.write_text(before)
            POLICY.chmod(0o755)
        done = setup(bare)
        assert done.returncode == 0, done.stderr
        calls = (bare / "calls").read_text().splitlines()
        assert calls[:2] == ["update -qq", "101"]
        assert calls[2].endswith("mariadb-server-core mariadb-client-core redis-server")
        assert calls[3:] == ["101", "disable --quiet redis-server"]
        assert (POLICY.read_text() if POLICY.exists() else None) == before
    finally:
        POLICY.unlink(missing_ok=True)


@root_only
def test_tools_of_the_tests_are_installed_together(bare: Path) -> None:
    if POLICY.exists():
        pytest.skip(f"this machine has a {POLICY} of its own")
    for name in ("mariadbd", "mariadb-install-db", "redis-server"):
        _program(bare, name, "exit 0")
    _program(bare, "apt-get", f'echo "$*" >>{bare}/calls; {POLICY} pgbouncer start; echo $? >>{bare}/calls')
    _program(bare, "systemctl", f'echo "$*" >>{bare}/calls')
    done = setup(bare, "test")
    assert done.returncode == 0, done.stderr
    update, _, install, forbidden, disable = (bare / "calls").read_text().splitlines()
    assert (update, forbidden, disable) == ("update -qq", "101", "disable --quiet pgbouncer")
    assert install.endswith(" chromium pgbouncer iproute2")
    assert not POLICY.exists()


@root_only
def test_failed_install_of_the_tests_tools_is_a_failure(bare: Path) -> None:
    if POLICY.exists():
        pytest.skip(f"this machine has a {POLICY} of its own")
    for name in ("mariadbd", "mariadb-install-db", "redis-server"):
        _program(bare, name, "exit 0")
    _program(bare, "apt-get", "exit 100")
    done = setup(bare, "test")
    assert done.returncode == 69
    assert "could not install chromium pgbouncer iproute2" in done.stderr


@root_only
def test_failed_install_is_reported_and_setup_goes_on(bare: Path) -> None:
    if POLICY.exists():
        pytest.skip(f"this machine has a {POLICY} of its own")
    _program(bare, "apt-get", "exit 100")
    done = setup(bare)
    assert done.returncode == 0
    assert "could not install mariadb-server-core" in done.stderr
    assert "going on without" in done.stderr
    assert not POLICY.exists()


def make_environment(bare: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """`deploy/setup` of a project in `directory`."""
    shutil.copytree(bare / "deploy", directory / "deploy")
    command = [str(bare / "bin" / "sh"), str(directory / "deploy" / "setup")]
    environment = {"PATH": str(bare / "bin")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("name", ["a:b", 'a"b', "a$b", "a`b", "a\\b", "a\nb"])
def test_directory_where_no_environment_works_is_refused(bare: Path, name: str) -> None:
    done = make_environment(bare, bare / name)
    assert done.returncode == 69
    assert f"in {bare / name} no virtual environment works" in done.stderr
    assert not (bare / name / ".venv").exists()


@pytest.mark.parametrize("name", ["plain", "a b, #c'd %s [x] ü;&|"])
@pytest.mark.parametrize(("pip", "code"), [("exit 0", 0), ("exit 1", 1)])
def test_failure_of_pip_is_a_failure(bare: Path, name: str, pip: str, code: int) -> None:
    for tool in ("mkdir", "touch"):
        (bare / "bin" / tool).symlink_to(shutil.which(tool) or "")
    script = f"printf '#!/bin/sh\\n{pip}\\n' >.venv/bin/python; chmod 755 .venv/bin/python"
    made = f"mkdir -p .venv/bin; {script}"
    _program(bare, "python3", f'case "$*" in *venv*) {made} ;; esac')
    done = make_environment(bare, bare / name)
    assert done.returncode == code
    assert (bare / name / ".venv" / "ready").exists() == (code == 0)


@root_only
@pytest.mark.parametrize(("pip", "code"), [("exit 0", 0), ("exit 1", 1)])
def test_servers_are_installed_before_setup_ends(bare: Path, pip: str, code: int) -> None:
    """They are installed meanwhile: neither success nor failure of pip leaves apt at work."""
    if POLICY.exists():
        pytest.skip(f"this machine has a {POLICY} of its own")
    for tool in ("mkdir", "touch", "sleep"):
        (bare / "bin" / tool).symlink_to(shutil.which(tool) or "")
    script = f"printf '#!/bin/sh\n{pip}\n' >.venv/bin/python; chmod 755 .venv/bin/python"
    _program(bare, "python3", f'case "$*" in *venv*) mkdir -p .venv/bin; {script} ;; esac')
    _program(bare, "apt-get", f'case "$*" in *install*) sleep 1; echo "$*" >{bare}/installed ;; esac')
    _program(bare, "systemctl", "exit 0")
    assert make_environment(bare, bare / "project").returncode == code
    assert "redis-server" in (bare / "installed").read_text()
    assert not POLICY.exists()
