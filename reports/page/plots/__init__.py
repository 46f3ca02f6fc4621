"""Findings → plots. Imports matplotlib with its shipped settings only.

It would read `./matplotlibrc`, MATPLOTLIBRC and files below HOME, and fail on those that it cannot read. Its list of
fonts, which takes seconds to make where there are many, is kept in a directory of our own.
"""

import atexit
import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loadtests.environment import user_variables


def _cache() -> str:
    """A directory that can be written: below the user's cache, otherwise a temporary one."""
    user = user_variables()
    base = user.get("XDG_CACHE_HOME") or os.path.join(user.get("HOME") or "/dev/null", ".cache")  # noqa: PTH118
    cache = Path(base) / "loadtests" / "matplotlib"
    with contextlib.suppress(OSError):
        if cache.is_absolute() and Path(base).parent.is_dir():  # root could make a home directory, too
            cache.mkdir(parents=True, exist_ok=True)
            if os.access(cache, os.W_OK | os.X_OK):
                return str(cache)
    temporary = tempfile.mkdtemp(prefix="loadtests-matplotlib-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


@contextlib.contextmanager
def _directory_without_settings(shipped: Path) -> Iterator[None]:
    """Leaves the working directory for a moment when it has a `matplotlibrc`, which comes before every other one."""
    if not os.path.lexists("matplotlibrc"):
        yield
        return
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(shipped)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _import_matplotlib() -> None:
    found = importlib.util.find_spec("matplotlib")
    assert found is not None and found.origin is not None
    shipped = Path(found.origin).with_name("mpl-data")
    os.environ.update(MPLCONFIGDIR=_cache(), MATPLOTLIBRC=str(shipped / "matplotlibrc"))
    os.environ.pop("MPLBACKEND", None)
    with _directory_without_settings(shipped):
        importlib.import_module("matplotlib")


_import_matplotlib()
