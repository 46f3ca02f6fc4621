"""What killed conductors left under `runs`: servers, databases and scratch files of runs, trial directories."""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtests.calibration.contract import SCRATCH
from loadtests.records.rundirectory import RunDirectory, is_run_name
from loadtests.regularfiles import open_regular
from loadtests.sanitize import printable
from loadtests.servers import leftovers as servers
from loadtests.servers.leftovers import LEFT_ALONE
from loadtests.servers.record import COULD_NOT

CLAIM: Final = ".conductor"
"""A file of a run, locked by its conductor for as long as that lives; a finished run has none."""

DATABASES: Final = "storage*.sqlite*"
"""Files of SQLite in a run, which last as long as the run."""

_DRAFT: Final = re.compile(r"\.[a-z]+\.json\.[a-z0-9_]{8}")
_TRIAL: Final = re.compile(r"\.[0-9a-f]{16}_*")
_TRIAL_LASTS_S: Final = 3600.0
"""A trial directory that is older was left; one of a command that has just begun lives for milliseconds."""


class Claim:
    """Says that the run in a directory has a conductor, until `release` or the conductor's death. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / CLAIM
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # without locks a later run could not know whether this one still lives
            self.release()

    def release(self) -> None:
        """Harmless when released before."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1


def remove_leftovers(runs: Path) -> list[str]:
    """Removes what nothing uses any more. Returns what was done, as sentences of one line each."""
    return [printable(s) for s in (*servers.remove_leftovers(runs), *_of_runs(runs), *_trials(runs))]


def described(sentence: str) -> str:
    """The sentence for a command that removed leftovers on its way to something else."""
    return sentence if sentence.startswith(LEFT_ALONE) else f"left by a harness that was killed: {sentence}"


def _of_runs(runs: Path) -> Iterator[str]:
    for study in _own_directories(runs):
        for run in _own_directories(study):
            if is_run_name(run.name):
                yield from _of_run(RunDirectory(run))


def _own_directories(directory: Path) -> list[Path]:
    """Those of this user, in order of name. Links are not followed."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        own = [e.name for e in entries if e.is_dir(follow_symlinks=False) and _is_own(e.stat(follow_symlinks=False))]
        return [directory / name for name in sorted(own)]
    return []


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid()


def _of_run(run: RunDirectory) -> Iterator[str]:
    try:
        descriptor = open_regular(run.path / CLAIM, owners={os.geteuid()})
    except OSError:  # no such file: the run has ended, or is of an older version
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in _left_in(run.path):
            yield _removed(path)
        (run.path / CLAIM).unlink()
    except OSError:  # its conductor lives, or the file system has no locks
        return
    finally:
        os.close(descriptor)


def _left_in(run: Path) -> list[Path]:
    drafts = [path for path in run.iterdir() if _DRAFT.fullmatch(path.name)]
    scratch = [run / SCRATCH] if os.path.lexists(run / SCRATCH) else []
    return sorted([*run.glob(DATABASES), *drafts, *scratch])


def _removed(path: Path) -> str:
    """Removes a file, a link or a directory; what a link leads to is kept."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return f"{COULD_NOT if os.path.lexists(path) else 'removed'} {path}"


def _trials(runs: Path) -> Iterator[str]:
    for path in _own_directories(runs):
        with contextlib.suppress(OSError):
            if _TRIAL.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _TRIAL_LASTS_S:
                yield _removed(path)
