"""Documents are whole or not there, on every file system."""

import errno
import json
import os

import pytest

from loadtests.records.documents import read_document, replace_text, write_document


def failing(code):
    def fail(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    return fail


NO_LINKS = [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK]


@pytest.mark.parametrize("code", NO_LINKS)
def test_document_is_written_without_hard_links(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "link", failing(code))
    write_document(tmp_path / "end.json", {"reason": "completed"})
    assert read_document(tmp_path / "end.json") == {"reason": "completed"}
    assert [path.name for path in tmp_path.iterdir()] == ["end.json"]


@pytest.mark.parametrize("code", [None, *NO_LINKS])
def test_document_is_never_written_twice(tmp_path, monkeypatch, code):
    if code is not None:
        monkeypatch.setattr(os, "link", failing(code))
    write_document(tmp_path / "end.json", 1)
    with pytest.raises(FileExistsError):
        write_document(tmp_path / "end.json", 2)
    assert read_document(tmp_path / "end.json") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["end.json"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["link", "fsync"])
def test_document_that_fails_leaves_nothing(tmp_path, monkeypatch, call, code):
    monkeypatch.setattr(os, call, failing(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        write_document(tmp_path / "end.json", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_file_system_without_flush_is_no_obstacle(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "fsync", failing(code))
    write_document(tmp_path / "end.json", 1)
    assert read_document(tmp_path / "end.json") == 1


def test_replaced_text_is_valid_whatever_a_path_has_in_it(tmp_path):
    replace_text(tmp_path / "verdict.json", json.dumps({"study": "\udcff ü"}, ensure_ascii=False))
    replace_text(tmp_path / "verdict.json", json.dumps({"study": "\udcff ü"}, ensure_ascii=False))
    text = (tmp_path / "verdict.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"study": "\udcff ü"}


def predictable(directory, name):
    """The names that a local attacker would try: with the process number, fixed, and with usual endings."""
    return [directory / f".{name}{end}" for end in (f".{os.getpid()}", ".draft", ".tmp", "")] + [
        directory / f"{name}{end}" for end in (f".{os.getpid()}", ".draft", ".tmp", ".new")
    ]


@pytest.mark.parametrize("write", [write_document, replace_text])
def test_link_at_a_predictable_name_is_not_written_through(tmp_path, write):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place = tmp_path / "study"
    place.mkdir()
    links = predictable(place, "verdict.json")
    for link in links:
        link.symlink_to(victim)
    write(place / "verdict.json", "x")
    assert victim.read_text() == "precious"
    assert (place / "verdict.json").read_text() in ('"x"\n', "x")
    assert not (place / "verdict.json").is_symlink()
    assert all(link.readlink() == victim for link in links)


def test_draft_has_another_name_each_time(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "replace", lambda draft, path: seen.append(draft.name))
    for _ in range(2):
        replace_text(tmp_path / "verdict.json", "x")
    assert len(set(seen)) == 2
    assert not any(str(os.getpid()) in name for name in seen)


@pytest.mark.parametrize(("readers", "mode"), [(None, 0o600), ("group", 0o640), ("all", 0o644), ("nonsense", 0o600)])
def test_document_has_the_readers_that_were_chosen(tmp_path, monkeypatch, readers, mode):
    monkeypatch.delenv("LOADTESTS_READERS", raising=False)
    if readers is not None:
        monkeypatch.setenv("LOADTESTS_READERS", readers)
    write_document(tmp_path / "end.json", 1)
    replace_text(tmp_path / "verdict.json", "x")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}
