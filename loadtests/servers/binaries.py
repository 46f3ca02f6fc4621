"""Where a database's programs are."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.environment import child_environment
from loadtests.servers.contract import ServerUnavailable

_SYSTEM = (Path("/usr/sbin"), Path("/usr/local/sbin"))
"""Where servers are that the PATH of ordinary users often lacks."""

Place = tuple[tuple[Path, ...], str]
"""Directories that are searched together, and their name in messages."""


@dataclass(frozen=True)
class Product:
    """A database as it is installed: `programs`, the server first, each found in one of a place's directories.

    `choice` is the environment variable that decides instead of the search. `places` maps its value (empty: not set)
    to the places to search, best first; `searched` describes them in messages, `advice` what to install.
    """

    name: str
    choice: str
    programs: tuple[str, ...]
    oldest: tuple[int, ...]
    places: Callable[[str], Iterable[Place]]
    searched: str
    advice: str
    words: frozenset[str] = frozenset()
    """Values of `choice` that are no directory."""

    ask_version: tuple[str, ...] = ("--version",)
    """Arguments with which a program prints its version and reads no settings file."""


@dataclass(frozen=True)
class Binaries:
    """The programs of an installed database by name, its `version` such as `15.18`, `source` for messages."""

    programs: Mapping[str, Path]
    version: str
    source: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def directory(self) -> Path:
        """The server's."""
        return next(iter(self.programs.values())).parent

    def program(self, name: str) -> str:
        return str(self.programs[name])


def find(product: Product) -> Binaries:
    """The first usable installation. Raises ServerUnavailable with what was searched for and where."""
    choice = os.environ.get(product.choice, "")
    refused = []
    for directories, source in dict.fromkeys(product.places(choice)):
        found = _check_place(product, directories, source)
        if isinstance(found, Binaries):
            return found
        refused.append(found)
    result = "; ".join(filter(None, refused)) or f"{product.searched}: none there"
    cure = f"correct {product.choice}" if choice and choice not in product.words else product.advice
    raise ServerUnavailable(f"no usable {product.name}: {result}. To go on, {cure}")


def _check_place(product: Product, directories: tuple[Path, ...], source: str) -> Binaries | str:
    """What is there, or why not."""
    programs = dict(_programs(product, directories))
    complete = len(programs) == len(product.programs)
    version = _version(programs[product.programs[0]], product.ask_version) if complete else None
    if version is None:
        return f"{directories[0]} ({source}): no working {' and '.join(product.programs)}"
    if tuple(map(int, version.split("."))) < product.oldest:
        oldest = ".".join(map(str, product.oldest))
        return f"{directories[0]} ({source}): {product.name} {version} is older than {oldest}"
    return Binaries(programs, version, source)


def _programs(product: Product, directories: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    for name in product.programs:
        if found := shutil.which(name, path=os.pathsep.join(map(str, directories))):
            yield name, Path(found)


def _version(server: Path, arguments: Sequence[str]) -> str | None:
    """The version that the server reports, such as `15.18`; None when it does not run."""
    try:
        done = subprocess.run(
            [str(server), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
            env=child_environment({"LC_ALL": "C"}),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\b(\d+(?:\.\d+)*)", done.stdout)
    return found.group(1) if found else None


def on_path(server: str) -> Iterator[Place]:
    """The directories of PATH and the system's own, the server's first; nothing where it is in none of them."""
    directories = [*(Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part), *_SYSTEM]
    if found := shutil.which(server, path=os.pathsep.join(map(str, directories))):
        yield (Path(found).parent, *directories), "PATH"


def named(choice: str, variable: str, *beside: str) -> Iterator[Place]:
    """The directory that a variable names, with those `beside` it where it exists."""
    directory = Path(choice).resolve()
    siblings = [directory.parent / name for name in beside] if directory.is_dir() else []
    yield (directory, *siblings), variable
