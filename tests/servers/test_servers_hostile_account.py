"""Attacks of the account that a server runs as, which owns the server's directory, on root, who writes there."""

import ctypes
import os
import pwd
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server_clients import count, write

from loadtests.servers import supervisor
from loadtests.servers.accounts import ServerAccount, server_account
from loadtests.servers.contract import DatabaseServer, ServerUnavailable
from loadtests.servers.home import Home
from loadtests.servers.redis.server import RedisServer
from loadtests.servers.registry import create_server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as another account")

SECRET = "only-root-may-read-this"


@pytest.fixture
def server_user() -> ServerAccount:
    entry = pwd.getpwnam("nobody")
    return ServerAccount("nobody", entry.pw_uid, entry.pw_gid)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file that root alone may read and write; unchanged in the end."""
    path = tmp_path / "victim"
    path.write_text(SECRET)
    path.chmod(0o600)
    yield path
    found = path.stat()
    assert (path.read_text(), found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (SECRET, 0, 0, 0o600)


@pytest.fixture
def home(open_directory: Path, server_user: ServerAccount) -> Home:
    """One that has been handed over."""
    directory = open_directory / "server"
    directory.mkdir(mode=0o700)
    made = Home(directory, server_user)
    made.make("log")
    made.make("data")
    made.hand_over()
    return made


def as_account(account: ServerAccount, *command: str | Path) -> None:
    subprocess.run(command, check=True, user=account.uid, group=account.gid, extra_groups=[])


@pytest.mark.parametrize("name", ["redis.conf", "my.cnf", "data/pg_hba.conf", "data/postgresql.conf"])
@pytest.mark.parametrize("how", ["link", "hard link", "fifo"])
def test_write_replaces_what_the_account_put_there(
    home: Home, server_user: ServerAccount, victim: Path, name: str, how: str
) -> None:
    place = home.directory / name
    if how == "link":
        as_account(server_user, "ln", "-s", victim, place)
    elif how == "hard link":
        place.hardlink_to(victim)  # as the account where fs.protected_hardlinks is 0
    else:
        as_account(server_user, "mkfifo", place)
    home.write(name, "bind 127.0.0.1\n")
    found = place.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (server_user.uid, server_user.gid, 0o600)
    assert home.read(name) == b"bind 127.0.0.1\n"
    assert not [path for path in place.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("kind", ["dangling link", "link", "directory of root"])
def test_make_takes_no_directory_that_is_there(
    home: Home, server_user: ServerAccount, open_directory: Path, kind: str
) -> None:
    precious = open_directory / "precious"
    precious.mkdir(mode=0o700)
    if kind == "directory of root":
        (home.directory / "tmp").mkdir(mode=0o700)
    else:
        as_account(server_user, "ln", "-s", precious if kind == "link" else "/no/such/place", home.directory / "tmp")
    with pytest.raises(ServerUnavailable, match="were replaced"):
        home.make("tmp")
    assert (precious.stat().st_uid, stat.S_IMODE(precious.stat().st_mode)) == (0, 0o700)
    assert kind != "directory of root" or (home.directory / "tmp").stat().st_uid == 0


@pytest.mark.parametrize("below", ["data", "log"])
def test_directory_that_became_a_link_is_refused(
    home: Home, server_user: ServerAccount, open_directory: Path, below: str
) -> None:
    elsewhere = open_directory / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    (elsewhere / "secret.log").write_text(SECRET)
    as_account(server_user, "rmdir", home.directory / below)
    as_account(server_user, "ln", "-s", elsewhere, home.directory / below)
    with pytest.raises(ServerUnavailable, match="were replaced"):
        home.write(f"{below}/file", "x")
    with pytest.raises(ServerUnavailable, match="were replaced"):
        home.read(f"{below}/secret.log")
    assert home.log_ends() == {}
    assert [path.name for path in elsewhere.iterdir()] == ["secret.log"]


@pytest.mark.parametrize("command", [["ln", "-s"], ["mkfifo"]], ids=["link", "fifo"])
def test_log_tail_shows_no_file_of_root(
    home: Home, server_user: ServerAccount, victim: Path, command: list[str]
) -> None:
    as_account(server_user, *command, *([victim] if command[0] == "ln" else []), home.log / "postgres.log")
    (home.log / "another.log").hardlink_to(victim)
    home.write("log/start.log", "line\n" * 100_000)
    ends = home.log_ends()
    assert list(ends) == ["start.log"], "no link, no FIFO (which has no end), no second name of another file"
    assert SECRET not in str(ends)
    assert len(ends["start.log"]) <= 1 << 16


def test_log_is_opened_with_the_rights_of_the_account(home: Home, server_user: ServerAccount, victim: Path) -> None:
    account = (server_user.uid, server_user.gid)
    log = home.log / "start.log"
    log.hardlink_to(victim)
    with supervisor.effective_user(account), pytest.raises(PermissionError):
        supervisor.open_log(log)
    log.unlink()
    for command in (["ln", "-s", victim, log], ["mkfifo", log]):
        as_account(server_user, *command)
        with supervisor.effective_user(account), pytest.raises(OSError, match=r"start\.log"):
            supervisor.open_log(log)
        log.unlink()
    with supervisor.effective_user(account):
        os.close(supervisor.open_log(log))
    assert (log.stat().st_uid, stat.S_IMODE(log.stat().st_mode)) == (server_user.uid, 0o600 & ~_umask())
    assert (os.geteuid(), os.getegid()) == (0, 0)


def _umask() -> int:
    present = os.umask(0o077)
    os.umask(present)
    return present


def test_shared_memory_of_another_user_is_kept(home: Home, server_user: ServerAccount) -> None:
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 4096, 0o600 | 0o1000)
    assert segment >= 0
    try:
        lock = home.write("data/postmaster.pid", f"1\n/\n0\n5432\n\n127.0.0.1\n 1 {segment}\nready\n")
        supervisor.free_shared_memory(lock, server_user.uid)
        assert segment in _segments()
        supervisor.free_shared_memory(lock, 0)
        assert segment not in _segments(), "the number was understood"
    finally:
        libc.shmctl(segment, 0, None)


def _segments() -> set[int]:
    return {int(line.split()[1]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_home_is_roots_alone_until_its_tools_run(
    redis_server: DatabaseServer, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that root copies there, and the first directories, cannot be replaced by links meanwhile."""
    seen = {}

    def stat_of(server: Any, at: str) -> None:
        found = (open_directory / "study" / "server").stat()
        seen[at] = (found.st_uid, stat.S_IMODE(found.st_mode))

    def runnable(supervisor: Any, made: Home, binaries: Any) -> Any:
        stat_of(None, "while programs are copied")
        return binaries

    real = RedisServer._initialise

    def initialise(server: RedisServer) -> None:
        stat_of(server, "when tools run")
        real(server)

    monkeypatch.setattr(RedisServer, "_runnable", staticmethod(runnable))
    monkeypatch.setattr(RedisServer, "_initialise", initialise)
    with create_server("redis", open_directory / "study" / "server") as server:
        account = server_account("redis")
        assert account is not None
        assert seen == {"while programs are copied": (0, 0o700), "when tools run": (account.uid, 0o700)}
        assert server.notes == []


Plant = Callable[[ServerAccount, Path, Path], None]


def _configuration(account: ServerAccount, home: Path, victim: Path) -> None:
    as_account(account, "ln", "-s", victim, home / "redis.conf")


def _log(account: ServerAccount, home: Path, victim: Path) -> None:
    as_account(account, "ln", "-s", victim, home / "log" / "start.log")


def _data(account: ServerAccount, home: Path, victim: Path) -> None:
    as_account(account, "ln", "-s", victim.parent, home / "data")


def _log_directory(account: ServerAccount, home: Path, victim: Path) -> None:
    as_account(account, "rmdir", home / "log")
    as_account(account, "ln", "-s", victim.parent, home / "log")


@pytest.mark.usefixtures("redis_server")
@pytest.mark.parametrize(
    ("plant", "outcome"),
    [
        (_configuration, None),
        (_log, "could not start"),
        (_data, "were replaced"),
        (_log_directory, "could not start"),
    ],
)
def test_links_planted_during_set_up_change_no_file_of_root(
    open_directory: Path, victim: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant, outcome: str | None
) -> None:
    account, real = server_account("redis"), RedisServer._initialise
    assert account is not None

    def initialise(server: RedisServer) -> None:
        plant(account, server.directory, victim)
        real(server)

    monkeypatch.setattr(RedisServer, "_initialise", initialise)
    before = sorted(victim.parent.iterdir())
    if outcome is None:
        with create_server("redis", open_directory / "server") as server:
            write(server)
            assert count(server) == 1
    else:
        with pytest.raises(ServerUnavailable, match=outcome), create_server("redis", open_directory / "server"):
            pass
    assert sorted(victim.parent.iterdir()) == before, "nothing was written or removed through a link"
    assert list(open_directory.iterdir()) == []


def test_configuration_written_while_a_server_runs_follows_no_link(
    redis_server: DatabaseServer, open_directory: Path, victim: Path
) -> None:
    account = server_account("redis")
    assert account is not None
    with create_server("redis", open_directory / "server", connections=20) as server:
        configuration = server.directory / "redis.conf"
        as_account(account, "rm", configuration)
        as_account(account, "ln", "-s", victim, configuration)
        server.resize(connections=30)
        assert configuration.lstat().st_uid == account.uid
        assert "maxclients 35" in configuration.read_text()
        as_account(account, "ln", "-s", victim, server.directory / "log" / "leak.log")
        assert SECRET not in server.log_tail()


def test_directory_of_another_user_is_no_place_for_a_server(
    redis_server: DatabaseServer, open_directory: Path, server_user: ServerAccount
) -> None:
    directory = open_directory / "server"
    directory.mkdir(mode=0o777)
    os.chown(directory, server_user.uid, server_user.gid)
    with pytest.raises(ServerUnavailable, match=f"belongs to user {server_user.uid}"):
        create_server("redis", directory)
    link = open_directory / "link"
    link.symlink_to(directory)
    with pytest.raises(ServerUnavailable, match="is no directory"):
        create_server("redis", link)
    assert directory.stat().st_uid == server_user.uid
    assert not [path for path in open_directory.iterdir() if path.suffix == ".json"]
