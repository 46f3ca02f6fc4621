"""Records of servers that other users wrote, or that came with a study from elsewhere: nothing of ours goes by them."""

import json
import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
from server_clients import alive

from loadtests.servers.contract import DatabaseServer
from loadtests.servers.leftovers import remove_leftovers
from loadtests.servers.record import KIND, Process, Record, facts_of
from loadtests.servers.registry import create_server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "20260101T000000Z-smoke"
    path.mkdir(parents=True, mode=0o700)
    return path


@contextmanager
def running(*command: str, cwd: Path) -> Iterator[psutil.Process]:
    """A process that has nothing to do with the harness; ended in the end."""
    with subprocess.Popen(command, cwd=cwd) as process:
        try:
            found = psutil.Process(process.pid)
            while found.cmdline() != list(command):  # before exec it has ours
                time.sleep(0.01)
            yield found
        finally:
            process.kill()


def described(process: psutil.Process) -> dict[str, Any]:
    """All that a local user can find out about the process, the kernel's count of its start included."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
    return asdict(Process(process.pid, process.create_time(), tuple(process.cmdline()), boot, ticks))


def forge(at: Path, place: Path, process: dict[str, Any] | None = None, **other: Any) -> Path:
    """A record as ours are, by its content, owner and mode."""
    facts = {"kind": KIND, "engine": "redis", "directory": str(place), "reason": "closed", "process": process}
    at.write_text(json.dumps({**facts, "inode": place.stat().st_ino if place.is_dir() else None, **other}))
    at.chmod(0o600)
    return at


@pytest.fixture
def precious() -> Iterator[Path]:
    """A directory outside of `runs` whose name is like that of a server's temporary one."""
    with tempfile.TemporaryDirectory(prefix="loadtests-precious-") as directory:
        (Path(directory) / "thesis.txt").write_text("years of work")
        yield Path(directory)
        assert (Path(directory) / "thesis.txt").read_text() == "years of work"


def test_forged_record_ends_no_process_of_another_kind(study: Path, precious: Path) -> None:
    with running("sleep", "600", cwd=study) as stranger:
        record = forge(study / "server.json", precious, described(stranger))
        (sentence,) = remove_leftovers(study.parent)
        assert sentence.startswith(f"left alone: {record} is not the record of a server of ours: ")
        assert "is no program of redis" in sentence
        assert alive(stranger)
        assert record.exists()


def test_forged_record_ends_no_server_of_another_directory(
    redis_server: DatabaseServer, study: Path, tmp_path: Path
) -> None:
    """The same program under the same account, as of another harness or of the machine."""
    with running("redis-server", "--port", "0", "--save", "", cwd=tmp_path) as stranger:
        (study / "server" / "data").mkdir(parents=True)
        forge(study / "server.json", study / "server", described(stranger))
        (sentence,) = remove_leftovers(study.parent)
        assert f"process {stranger.pid}: it runs in {tmp_path}" in sentence or "not the record" in sentence
        assert alive(stranger)
        assert (study / "server" / "data").is_dir()


def test_forged_record_removes_nothing_outside(study: Path, precious: Path) -> None:
    forge(study / "server.json", precious)
    (sentence,) = remove_leftovers(study.parent)
    assert f"left alone: {precious}" in sentence
    assert "thesis.txt is in it, which no server has" in sentence


@pytest.mark.parametrize("name", ["...json", "..json"])
def test_forged_record_removes_no_directory_above(tmp_path: Path, name: str) -> None:
    """Beside `...json` is `..`: what else is there of names of a server, and hidden, went with it."""
    runs = tmp_path / "runs"
    (runs / "data").mkdir(parents=True, mode=0o700)
    (runs / ".kept").write_text("years of work")
    forge(runs / "data" / name, runs, reason=None, inode=None)
    assert remove_leftovers(runs) == []
    assert (runs / ".kept").exists()
    assert (runs / "data" / name).exists()


@pytest.mark.parametrize(
    "path", ["{study}/../../loadtests-victim", "loadtests-victim", "/proc/self/cwd/loadtests-victim"]
)
def test_forged_record_removes_nothing_by_an_odd_path(
    study: Path, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like a server's directory in all else is kept where the path has `..` or is relative."""
    victim = tmp_path / "loadtests-victim"
    (victim / "data").mkdir(parents=True)
    victim.chmod(0o755 if path.startswith("/proc") else 0o700)
    monkeypatch.chdir(tmp_path)
    forge(study / "server.json", victim, directory=path.format(study=study))
    assert all(sentence.startswith("left alone") for sentence in remove_leftovers(study.parent))
    assert (victim / "data").is_dir()


def test_temporary_directory_needs_its_inode(study: Path, precious: Path) -> None:
    """As of a live server: whose name can be seen, but which is another one than was written down."""
    (precious / "thesis.txt").rename(study / "kept")
    try:
        forge(study / "server.json", precious, inode=precious.stat().st_ino + 1)
        assert "another directory than the record's" in remove_leftovers(study.parent)[0]
        forge(study / "server.json", precious, inode=None)
        assert "does not identify it" in remove_leftovers(study.parent)[0]
        assert precious.is_dir()
    finally:
        (study / "kept").rename(precious / "thesis.txt")


def test_record_beside_a_run_or_a_study_removes_neither(study: Path) -> None:
    run = study / "01-sqlite"
    (run / "log").mkdir(parents=True)
    (run / "operations-1.arrows").touch()
    records = [forge(study / "01-sqlite.json", run), forge(study.with_name(f"{study.name}.json"), study)]
    done = remove_leftovers(study.parent)
    strange, by_hand = "is in it, which no server has; remove it and", "by hand"
    assert done == [
        f"could not remove {study}: 01-sqlite {strange} {study.name}.json {by_hand}",
        f"could not remove {run}: operations-1.arrows {strange} {run.name}.json {by_hand}",
    ]
    assert (run / "operations-1.arrows").exists()
    assert all(record.exists() for record in records)


@as_root
@pytest.mark.parametrize("whose", ["record", "study", "directory"])
def test_record_that_another_user_can_have_written_is_not_believed(study: Path, whose: str) -> None:
    """Otherwise it would be taken: the directory beside it has the content of a server's."""
    (study / "server" / "data").mkdir(parents=True)
    record, other_user = forge(study / "server.json", study / "server"), pwd.getpwnam("nobody").pw_uid
    os.chown({"record": record, "study": study, "directory": study / "server"}[whose], other_user, -1)
    if whose == "directory":
        os.chown(study / "server", pwd.getpwnam("daemon").pw_uid, -1)
    done = remove_leftovers(study.parent)
    assert (study / "server" / "data").is_dir()
    assert record.exists()
    (sentence,) = done
    assert sentence.startswith("could not remove" if whose == "directory" else "left alone")
    assert "belongs to user" in sentence


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o666])
def test_record_that_others_can_write_is_not_believed(study: Path, mode: int) -> None:
    (study / "server" / "data").mkdir(parents=True)
    record = forge(study / "server.json", study / "server")
    (record if mode == 0o666 else study).chmod(mode)
    (sentence,) = remove_leftovers(study.parent)
    assert sentence.startswith(f"left alone: {record}")
    assert "other users can write" in sentence
    assert (study / "server" / "data").is_dir()


def test_record_with_a_second_name_is_not_believed(study: Path) -> None:
    """As of a true record of ours that was linked beside another directory."""
    (study / "server" / "data").mkdir(parents=True)
    record = forge(study / "server.json", study / "server")
    (study / "elsewhere.json").hardlink_to(record)
    assert all("several names" in sentence for sentence in remove_leftovers(study.parent))
    assert (study / "server" / "data").is_dir()


def test_links_lead_to_no_records(study: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "server" / "data").mkdir(parents=True)
    forge(elsewhere / "server.json", elsewhere / "server")
    (study.parent / "linked-study").symlink_to(elsewhere)
    (study / "server.json").symlink_to(elsewhere / "server.json")
    (study / "server" / "data").mkdir(parents=True)
    assert remove_leftovers(study.parent) == []
    assert (elsewhere / "server" / "data").is_dir()
    assert (study / "server" / "data").is_dir()


def test_special_files_and_odd_content_hold_nothing_up(study: Path) -> None:
    os.mkfifo(study / "fifo.json")
    (study / "directory.json").mkdir()
    (study / "zero.json").symlink_to("/dev/zero")
    (study / "deep.json").write_text("[" * 100_000)
    with (study / "sparse.json").open("wb") as file:
        file.truncate(1 << 40)
    odd = [
        {"directory": "a\0b"},
        {"directory": "loadtests-\ud800"},
        {"process": {"pid": -1, "started": 0.0, "argv": []}},
        {"process": {"pid": 2**70, "started": 0.0, "argv": ["redis-server"]}},
        {"engine": "../../x"},
    ]
    for number, other in enumerate(odd):
        assert facts_of(json.dumps({"kind": KIND, "engine": "redis", "directory": "x", "process": None, **other}))
        forge(study / f"odd-{number}.json", study / "none", **{"process": None, **other})
    wrong = [{"directory": 1}, {"inode": "x"}, {"inode": True}, {"process": [1]}, {"process": {"pid": 1}}, {"x": 1}]
    for number, other in enumerate(wrong):
        facts = {"kind": KIND, "engine": "redis", "directory": "x", "reason": None, "process": None, **other}
        (study / f"wrong-{number}.json").write_text(json.dumps(facts))
    done = remove_leftovers(study.parent)
    assert not [sentence for sentence in done if "ended" in sentence or "removed" in sentence]
    assert {"fifo.json", "zero.json", "wrong-0.json"} <= {path.name for path in study.iterdir()}


def test_recycled_number_is_not_ours(study: Path) -> None:
    """A process of ours in every respect but the moment of its start."""
    with running("sleep", "600", cwd=study) as stranger:
        later = described(stranger)
        for other in ({"ticks": later["ticks"] - 1}, {"boot": "another"}, {"argv": ["sleep", "601"]}):
            (study / "server" / "data").mkdir(parents=True)
            forge(study / "server.json", study / "server", {**later, **other})
            assert remove_leftovers(study.parent) == [f"removed {study / 'server'}"]
            assert alive(stranger)


def test_true_record_identifies_the_directory(redis_server: DatabaseServer, open_directory: Path) -> None:
    with create_server("redis", open_directory / "server") as server:
        facts = facts_of((open_directory / "server.json").read_text())
        assert facts is not None
        assert facts.inode == server.directory.stat().st_ino


def test_directory_that_was_exchanged_is_kept(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (study / "server" / "data").mkdir(parents=True)
    os.close(Record(study / "server", "redis").descriptor)
    (study / "server").rename(study / "old")
    (study / "server" / "data").mkdir(parents=True)
    monkeypatch.chdir(study.parents[1])
    for runs in (study.parent, Path("runs")):
        (sentence,) = remove_leftovers(runs)
        assert "another directory than the record's; remove it and server.json by hand" in sentence
    assert (study / "server" / "data").is_dir()
