"""Clocks of remote workers, and who shares a host."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.runmessages import ClockOffset, directory_identity
from loadtests.hostidentity import host_identity
from loadtests.users.clock import Clock

times = st.integers(0, 10**15)


@given(sent=times, there=st.integers(0, 10**9), back=st.integers(0, 10**9), ahead=st.integers(-(10**15), 10**15))
def test_the_true_offset_is_within_the_error_of_a_ping(sent: int, there: int, back: int, ahead: int) -> None:
    master_ns = sent + there - ahead
    found = ClockOffset.of_ping(sent, master_ns, sent + there + back)
    assert abs(found.offset_ns - ahead) <= found.error_ns + 1
    assert found.error_ns <= (there + back) // 2 + 1


def test_a_stamp_of_the_pod_is_put_on_the_clock_of_the_run() -> None:
    assert Clock(origin_ns=0, unix_at_origin_ns=1_764_000_000_000_000_000).of_unix(1_764_000_000_000_000_123) == 123


def test_worker_is_remote_by_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    here = host_identity()
    monkeypatch.setenv("LOADTESTS_REMOTE_WORKER", "1")
    assert host_identity() != here


def test_directories_are_distinguished(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert directory_identity(str(tmp_path)) == directory_identity(str(tmp_path / "other" / ".."))
    assert directory_identity(str(tmp_path)) != directory_identity(str(tmp_path / "other"))
    assert directory_identity(str(tmp_path / "none")) == []
