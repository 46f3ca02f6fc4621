"""What the file system under `--runs` must be able to do for a study: tried before anything starts, all at once."""

import errno
import fcntl
import mmap
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.conductor.disk import NEARLY_FULL_BYTES, full_message, means_full
from loadtests.engines import ENGINES
from loadtests.environment import user_variables
from loadtests.readers import directory_mode, make_directories

_MB = 2**20


@dataclass(frozen=True)
class Contents:
    """What is to be written: the longest name of a study, of a directory in it, and the engines of its databases."""

    study: str
    inner: str
    engines: frozenset[str] = frozenset()

    @property
    def on_disk(self) -> bool:
        return bool(self.engines)


def problems_of_name(runs: Path) -> list[str]:
    """Characters of the path that programs which read our output could not take."""
    problems = []
    for character in dict.fromkeys(str(runs)):
        if (character < " " and character != "\t") or character == "\x7f":
            problems.append(f"the control character {character!a}, which would break the line that names the study")
        elif "\ud800" <= character <= "\udfff":
            problems.append(
                f"the byte 0x{os.fsencode(character).hex()}, which is no text in this locale's encoding: "
                "set a UTF-8 locale, or rename the directory"
            )
    return [f"--runs {str(runs)!a}: the path has {problem}" for problem in problems]


def problems_of_directory(runs: Path, contents: Contents) -> list[str]:
    """Everything that cannot be done there, in one line; nothing is left behind."""
    trial = runs / f".{secrets.token_hex(8)}".ljust(len(contents.study), "_")
    try:
        make_directories(runs, traversable=os.geteuid() == 0)  # servers that root starts live below it
        make_directories(trial / contents.inner / "log")
        problems = [*_other_writers(runs, trial), *_shortcomings(trial, contents), *_space(trial, contents)]
    except OSError as error:
        problems = [_words(error, runs)]
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return [*problems, *_long_path(runs, contents)]


def _words(error: OSError, runs: Path) -> str:
    if means_full(error):
        return full_message(runs)
    if error.errno == errno.ENAMETOOLONG:
        return f"--runs {runs}: the path is too long for the names in a run directory: choose a shorter one"
    return f"--runs {runs}: cannot write there: {error.strerror}"


def _other_writers(runs: Path, trial: Path) -> Iterable[str]:
    """Users who could exchange a study for a link to files of ours, while processes write there by its path."""
    made, found, advice = trial.stat(), runs.stat(), "choose another directory with --runs"
    if made.st_mode & 0o077 & ~directory_mode() or made.st_uid != os.geteuid():
        return  # a file system that keeps no modes or owners, such as vfat: they say nothing
    if owners := {runs.lstat().st_uid, found.st_uid} - _trusted_users():
        yield f"--runs {runs}: it belongs to user {min(owners)}, who can exchange what is written there: {advice}"
    elif found.st_mode & stat.S_ISVTX:
        return  # no user can rename another user's directories
    elif found.st_mode & stat.S_IWOTH or (os.geteuid() == 0 and found.st_gid != 0 and found.st_mode & stat.S_IWGRP):
        yield (
            f"--runs {runs}: other users can write there (mode {stat.S_IMODE(found.st_mode):04o}) and exchange what is "
            f"written: take that right from them (chmod go-w), set the sticky bit (chmod +t), or {advice}"
        )


def _trusted_users() -> set[int]:
    """Root, this user, and the user who called us with sudo."""
    caller = user_variables().get("SUDO_UID", "") if os.geteuid() == 0 else ""
    return {0, os.geteuid(), *([int(caller)] if caller.isascii() and caller.isdigit() else [])}


def _shortcomings(trial: Path, contents: Contents) -> Iterable[str]:
    """Raises OSError when the disk is full or nothing can be written."""
    file = trial / "file"
    file.write_bytes(b"\1" * mmap.PAGESIZE)
    wanted: Mapping[str, tuple[bool, Callable[[Path], object]]] = {
        "rename files": (True, _rename),
        "flush files to disk": (contents.on_disk, _flush),
        "lock files": (contents.on_disk, _lock),
        "map files into shared memory": (any(ENGINES[engine].host.shared_memory for engine in contents.engines), _map),
    }
    failed = [f"{what} ({why})" for what, (needed, do) in wanted.items() if needed and (why := _failure(do, file))]
    if failed:
        yield f"--runs {trial.parent}: its file system cannot {', '.join(failed)}: choose a directory on another one"


def _failure(do: Callable[[Path], object], file: Path) -> str:
    try:
        do(file)
    except OSError as error:
        if means_full(error):
            raise
        return str(error.strerror)
    return ""


def _rename(file: Path) -> None:
    draft = file.with_name(".draft")
    draft.write_bytes(b"\1" * mmap.PAGESIZE)
    draft.replace(file)


def _flush(file: Path) -> None:
    with file.open("rb+") as opened:
        opened.write(b"\2")
        opened.flush()
        os.fsync(opened.fileno())


def _lock(file: Path) -> None:
    """Of both kinds: records of servers need the one, SQLite the other."""
    with file.open("rb+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(opened, fcntl.LOCK_UN)
        fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _map(file: Path) -> None:
    with file.open("rb+") as opened, mmap.mmap(opened.fileno(), mmap.PAGESIZE) as mapped:
        mapped[0] = 3


def _space(trial: Path, contents: Contents) -> Iterable[str]:
    disk = os.statvfs(trial)
    free = disk.f_bavail * disk.f_frsize
    wanted = NEARLY_FULL_BYTES + _MB * sum(ENGINES[engine].host.disk_mb for engine in contents.engines)
    if free < wanted:
        runs, needed = trial.parent, f"{free / _MB:,.1f} MB are free there, {wanted / _MB:,.1f} MB needed to begin"
        yield f"{full_message(runs)} ({needed})"


def _long_path(runs: Path, contents: Contents) -> Iterable[str]:
    for name in sorted(contents.engines):
        path = runs.absolute() / contents.study / contents.inner / f"storage-upgraded.{name}"
        length, engine = len(os.fsencode(path)), ENGINES[name]
        most = engine.host.longest_path
        if most is not None and length > most:
            yield (
                f"--runs {runs}: {engine.title} takes paths of {most} bytes, its file's would have {length}: "
                "choose a shorter one"
            )
