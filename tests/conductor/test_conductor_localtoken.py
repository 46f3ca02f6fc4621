"""The join token of masters and workers of one user and host: which files are believed."""

import os
import stat
from pathlib import Path

import pytest

from loadtests.conductor.hosts import localtoken

OTHER_USER = 65534


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "tokens"
    monkeypatch.setattr(localtoken, "directory", lambda: place)
    return place


def test_a_token_is_read_by_its_port_and_by_its_user_only(place: Path) -> None:
    path, token = localtoken.create(5557)
    assert localtoken.read(5557) == token
    assert localtoken.read(5558) == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [file.name for file in place.iterdir()] == ["join-5557"]


def test_each_master_makes_a_new_token(place: Path) -> None:
    assert localtoken.create(5557)[1] != localtoken.create(5557)[1] == localtoken.read(5557)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_directory_that_others_may_enter_is_refused(place: Path, mode: int) -> None:
    _, token = localtoken.create(5557)
    place.chmod(mode)
    assert localtoken.read(5557) == ""
    with pytest.raises(localtoken.LocalTokenError, match="not a directory that only its user may enter"):
        localtoken.create(5557)
    place.chmod(0o700)
    assert localtoken.read(5557) == token


def test_a_link_to_a_directory_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(localtoken.LocalTokenError):
        localtoken.create(5557)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_links_and_pipes_in_place_of_a_token_are_not_read(place: Path, tmp_path: Path) -> None:
    place.mkdir(mode=0o700)
    (tmp_path / "file").write_text("a token")
    (place / "join-1").symlink_to(tmp_path / "file")
    os.mkfifo(place / "join-2")
    (place / "join-3").mkdir()
    assert [localtoken.read(port) for port in (1, 2, 3)] == ["", "", ""]


def test_link_in_place_of_a_token_is_replaced(place: Path, tmp_path: Path) -> None:
    place.mkdir(mode=0o700)
    (tmp_path / "file").write_text("precious")
    (place / "join-1").symlink_to(tmp_path / "file")
    _, token = localtoken.create(1)
    assert (tmp_path / "file").read_text() == "precious"
    assert localtoken.read(1) == token


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of other users")
def test_a_token_of_another_user_is_not_read(place: Path) -> None:
    path, _ = localtoken.create(5557)
    os.chown(path, OTHER_USER, OTHER_USER)
    assert localtoken.read(5557) == ""
    os.chown(place, OTHER_USER, OTHER_USER)
    with pytest.raises(localtoken.LocalTokenError):
        localtoken.create(5557)
