"""Documents are whole or not there, on whatever file system."""

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
