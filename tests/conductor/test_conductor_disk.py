"""Room for the documents of a run's end."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from loadtests.conductor.disk import Reserve


def nameless_files(directory: Path) -> list[int]:
    """Sizes of this process's open files in the directory that have no name there."""
    sizes = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            if str(path.readlink()).startswith(f"{directory}/"):
                sizes.append(path.stat().st_size)
    return sizes


def test_a_reserve_is_room_without_a_name_until_it_is_released(tmp_path):
    reserve = Reserve(tmp_path)
    assert nameless_files(tmp_path) == [256 * 1024]
    assert not list(tmp_path.iterdir()), "a killed harness would leave it"
    reserve.release()
    reserve.release()
    assert nameless_files(tmp_path) == []


def test_a_reserve_that_does_not_fit_leaves_the_room_that_there_is(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Reserve(tmp_path)
    assert not list(tmp_path.iterdir())
