"""A fault of ours while a push or the end of a connection is handled is counted: the run is incomplete then."""

from typing import Any
from unittest.mock import Mock

import pytest

from loadtests.users import session as users_session
from loadtests.users.load import Load
from loadtests.users.session import Session
from loadtests.wire.failures import no_reply


class FaultyConnection:
    """Delivers a push and its end while it opens."""

    kernel_times = True

    opened = None

    def __init__(self, on_push: Any, on_lost: Any) -> None:
        on_push(Mock(), 0)
        on_lost("cut_off", "the pod hung up")

    @classmethod
    def open(cls, *_: Any, timeout_s: float, on_push: Any, on_lost: Any) -> "FaultyConnection":
        return cls(on_push, on_lost)

    @staticmethod
    def request(*_: Any) -> Any:
        return no_reply(1, "timeout")


@pytest.mark.parametrize("handler", ["_pushed", "_ended"])
def test_fault_in_a_handler_is_counted(handler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any) -> None:
        raise RuntimeError(f"in {handler}")

    crashes: list[BaseException] = []
    load = Mock(unstamped_connections=0, note_crash=crashes.append)
    load.guarded = lambda work, *arguments: Load.guarded(load, work, *arguments)
    load.clock.origin_ns = 0
    load.clock.now.return_value = 0
    monkeypatch.setattr(users_session, "Connection", FaultyConnection)
    for name in ("_pushed", "_ended"):
        monkeypatch.setattr(Session, name, fault if name == handler else lambda *_: None)
    session = Session(load, Mock(), on_push=Mock(), on_lost=Mock())
    assert session._create(1, 0, 5.0)[:2] == ("unknown", "timeout")
    assert [str(crash) for crash in crashes] == [f"in {handler}"]
