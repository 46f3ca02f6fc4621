"""Room for the documents of a run's end."""

import errno
import os

import pytest

from loadtests.conductor.disk import Reserve


def test_a_reserve_is_room_until_it_is_released(tmp_path):
    reserve = Reserve(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size > 100_000
    reserve.release()
    reserve.release()
    assert not list(tmp_path.iterdir())


def test_a_reserve_that_does_not_fit_leaves_the_room_that_there_is(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Reserve(tmp_path)
    assert not list(tmp_path.iterdir())
