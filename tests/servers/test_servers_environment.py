"""What of the caller's environment reaches a private server, and what does not."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from server_clients import count, family, setting, write

from loadtests.servers.contract import DatabaseServer
from loadtests.servers.registry import create_server

PASSED = {"TZ": "America/St_Johns", "LD_LIBRARY_PATH": "/opt/lib", "SSL_CERT_FILE": "/opt/ca.pem"}
STEERING = {
    "PGDATA": "/nowhere",
    "PGOPTIONS": "-c statement_timeout=1",
    "PGSSLMODE": "verify-full",
    "MYSQL_HOME": "/nowhere",
    "UMASK": "0666",
    "NOTIFY_SOCKET": "/nowhere",
    "LC_ALL": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "LOADTESTS_TOKEN_SECRET": "secret",
}
ZONES = {"postgres": "UTC", "mariadb": "+00:00"}
MY_CNF = "[mysqld\nno group\n"


@pytest.fixture(params=[0o077, 0o000], ids=["umask-077", "umask-000"])
def server(
    engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, open_directory: Path
) -> Iterator[DatabaseServer]:
    """One that was made in an environment that was meant for other programs."""
    (open_directory / "home").mkdir()
    (open_directory / "home" / ".my.cnf").write_text(MY_CNF)
    before = os.umask(request.param)
    try:
        with monkeypatch.context() as hostile:  # the clients of these tests read PG variables themselves
            for name, value in {**PASSED, **STEERING, "HOME": str(open_directory / "home")}.items():
                hostile.setenv(name, value)
            hostile.setenv("TMPDIR", tempfile.gettempdir())
            made = create_server(engine, open_directory / "servers" / engine)
            made.start()
        yield made
        made.destroy()
    finally:
        os.umask(before)


def test_server_in_a_hostile_environment_is_as_elsewhere(server: DatabaseServer, engine: str) -> None:
    write(server)
    assert count(server) == 1
    if engine in ZONES:
        assert setting(server, {"postgres": "TimeZone", "mariadb": "time_zone"}) == ZONES[engine]
    assert server.directory.stat().st_mode & 0o077 == 0
    unsafe = [p for p in server.directory.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o007]
    assert unsafe == []
    supervisor = psutil.Process(server.pid).parent()
    assert supervisor is not None
    for process in (supervisor, psutil.Process(server.pid)):
        has = process.environ()
        assert {name: has.get(name) for name in PASSED} == PASSED
        assert has["TMPDIR"] == tempfile.gettempdir()
        assert has["PATH"].removesuffix(f"{os.pathsep}{os.defpath}") == os.environ["PATH"]
        assert set(has) & set(STEERING) <= {"LC_ALL"}
    assert psutil.Process(server.pid).environ()["LC_ALL"] == "C"
    assert psutil.Process(server.pid).environ()["PATH"].endswith(os.defpath), "it calls the system's programs"
    assert family(server)
