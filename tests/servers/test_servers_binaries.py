"""Where PostgreSQL is searched for, and the message when it is missing."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from loadtests.servers import binaries
from loadtests.servers.binaries import Binaries, Product, find
from loadtests.servers.mariadb.server import MARIADB
from loadtests.servers.postgres import server as postgres_server
from loadtests.servers.postgres.server import CHOICE, POSTGRES, PostgresServer, ServerUnavailable, copy_install
from loadtests.servers.redis.server import REDIS
from loadtests.servers.registry import missing


def find_binaries() -> Binaries:
    return find(POSTGRES)


def _pretend(directory: Path, version: str, names: Sequence[str] = POSTGRES.programs) -> Path:
    """Programs that answer `--version` and no more."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        program = directory / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return directory


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No database anywhere; returns an empty directory that is the PATH."""
    empty = tmp_path / "path"
    empty.mkdir()
    for product in (POSTGRES, MARIADB, REDIS):
        monkeypatch.delenv(product.choice, raising=False)
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(binaries, "_SYSTEM", (tmp_path / "sbin",))
    monkeypatch.setattr(postgres_server, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(postgres_server, "_WHEEL", "a_wheel_that_is_not_there")
    return empty


def test_missing_program_names_places_and_what_to_install(nowhere: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable) as raised:
        PostgresServer.create(tmp_path / "server")
    message = str(raised.value)
    assert [word for word in ("PATH", "/*/bin", "apt install", "pip install") if word not in message] == []
    assert not (tmp_path / "server").exists()


def test_path_comes_before_debian(nowhere: Path, tmp_path: Path) -> None:
    _pretend(tmp_path / "debian" / "17" / "bin", "17.1")
    found = _pretend(tmp_path / "own", "14.2")
    (nowhere / "postgres").symlink_to(found / "postgres")
    assert (find_binaries().version, find_binaries().directory) == ("14.2", found)


def test_debians_newest_is_taken(nowhere: Path, tmp_path: Path) -> None:
    for version in ("9.6", "15.3", "17.1"):
        _pretend(tmp_path / "debian" / version.split(".", maxsplit=1)[0] / "bin", version)
    assert (find_binaries().version, find_binaries().major) == ("17.1", 17)


def test_an_old_version_is_passed_over_and_named(nowhere: Path, tmp_path: Path) -> None:
    _pretend(tmp_path / "debian" / "12" / "bin", "12.22")
    with pytest.raises(ServerUnavailable, match=r"12\.22 is older than 13"):
        find_binaries()


def test_a_choice_is_the_only_place(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(tmp_path / "debian" / "17" / "bin", "17.1")
    monkeypatch.setenv(CHOICE, str(tmp_path / "absent"))
    with pytest.raises(ServerUnavailable, match=rf"absent.*no working postgres.*correct {CHOICE}"):
        find_binaries()
    monkeypatch.setenv(CHOICE, str(_pretend(tmp_path / "chosen", "16.0")))
    assert find_binaries().version == "16.0"


def test_choice_that_does_not_exist_is_refused(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a directory beside it has the programs: /nonexistent is beside /sbin."""
    _pretend(tmp_path / "sbin", "10.11.6", MARIADB.programs)
    monkeypatch.setenv(MARIADB.choice, str(tmp_path / "absent"))
    with pytest.raises(ServerUnavailable, match=rf"absent.*no working mariadbd.*correct {MARIADB.choice}"):
        find(MARIADB)
    monkeypatch.setenv(MARIADB.choice, str(_pretend(tmp_path / "scripts", "", [])))
    assert find(MARIADB).directory == tmp_path / "sbin"


def test_a_server_is_found_outside_an_ordinary_users_path(nowhere: Path, tmp_path: Path) -> None:
    _pretend(tmp_path / "sbin", "10.11.6-MariaDB", ["mariadbd"])
    _pretend(nowhere, "ignored", ["mariadb-install-db"])
    found = find(MARIADB)
    assert (found.version, found.directory) == ("10.11.6", tmp_path / "sbin")
    assert found.program("mariadb-install-db") == str(nowhere / "mariadb-install-db")


@pytest.mark.parametrize(("product", "old"), [(MARIADB, "10.5.29"), (REDIS, "6.0.16")], ids=["mariadb", "redis"])
def test_too_old_a_server_is_named_and_refused(product: Product, old: str, nowhere: Path) -> None:
    _pretend(nowhere, old, product.programs)
    with pytest.raises(ServerUnavailable, match=rf"{old} is older than .*install {product.name}"):
        find(product)


@pytest.mark.parametrize("engine", ["postgres", "mariadb", "redis"])
def test_missing_engine_has_a_reason(engine: str, nowhere: Path) -> None:
    assert "none there. To go on, install" in str(missing(engine))


def test_engines_without_a_server_miss_nothing(nowhere: Path) -> None:
    assert (missing("sqlite"), missing("memory")) == (None, None)


def test_a_mariadb_without_its_installer_is_none(nowhere: Path) -> None:
    _pretend(nowhere, "10.11.6", ["mariadbd"])
    with pytest.raises(ServerUnavailable, match="no working mariadbd and mariadb-install-db"):
        find(MARIADB)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """One that every user can enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_broken_programs_end_in_one_message_and_no_leftovers(
    nowhere: Path, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = _pretend(open_directory / "broken", "16.0")
    (directory / "initdb").write_text('#!/bin/sh\n[ "$1" = --version ] || { echo out of luck; exit 3; }\n')
    monkeypatch.setenv(CHOICE, str(directory))
    home = open_directory / "servers" / "one"
    with pytest.raises(ServerUnavailable, match=r"(?s)initdb 16\.0 failed \(3\).*out of luck"):
        PostgresServer.create(home)
    assert list((open_directory / "servers").iterdir()) == []


def _wheel_or_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "wheel")
    try:
        find_binaries()
    except ServerUnavailable as error:
        pytest.skip(str(error))


def test_the_wheels_server_works_with_the_systems_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel_or_skip(monkeypatch)
    monkeypatch.setenv("PATH", "/nowhere")
    with PostgresServer.create(tmp_path / "postgres") as server:
        assert int(server.version.split(".")[0]) >= 18
        assert "jsonlog" in (server.directory / "data" / "postgresql.conf").read_text()
        assert server.running


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user whom its files are closed to")
def test_programs_in_a_closed_home_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel_or_skip(monkeypatch)
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    copied = copy_install(find_binaries(), closed)
    monkeypatch.setenv(CHOICE, str(copied.directory))
    with PostgresServer.create(tmp_path / "postgres") as server:
        assert any("copy" in note for note in server.notes)
    shutil.rmtree(closed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user whom its files are closed to")
def test_programs_that_cannot_be_moved_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv(CHOICE, str(_pretend(closed / "bin", "16.0")))
    with pytest.raises(ServerUnavailable, match="cannot run"):
        PostgresServer.create(tmp_path / "postgres")
