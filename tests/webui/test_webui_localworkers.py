"""What the web UI does when one of its local workers has died, without processes."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from loadtests.webui.localworkers import LocalWorkers


@pytest.fixture
def control() -> Mock:
    return Mock(leaving=False, loading=False, note="")


@pytest.fixture
def workers(control: Mock, monkeypatch: pytest.MonkeyPatch) -> LocalWorkers:
    monkeypatch.setattr(LocalWorkers, "_forget_connection", lambda _: None)
    return LocalWorkers(Mock(), control, SimpleNamespace(master_bind_port=1, processes=0))


def test_worker_that_cannot_be_replaced_is_shown(
    workers: LocalWorkers, control: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADTESTS_JOIN_TOKEN", "made by the master before it forked")
    popen = Mock(side_effect=OSError(12, "Cannot allocate memory"))
    monkeypatch.setattr("loadtests.webui.localworkers.subprocess.Popen", popen)
    workers._replace(7)
    assert control.note == "The local worker 7 died and cannot be replaced: Cannot allocate memory."


def test_worker_in_place_of_another_has_the_secrets_of_workers_only(
    workers: LocalWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADTESTS_JOIN_TOKEN", "join")
    monkeypatch.setenv("LOADTESTS_TOKEN_SECRET", "signing")
    for name in ("LOADTESTS_DSNS", "LOADTESTS_WEB_PASSWORD", "CLOUD_TOKEN"):
        monkeypatch.setenv(name, "canary")
    popen = Mock(return_value=Mock(pid=8))
    monkeypatch.setattr("loadtests.webui.localworkers.subprocess.Popen", popen)
    monkeypatch.setattr("loadtests.webui.localworkers.gevent.spawn", Mock())
    workers._replace(7)
    given = popen.call_args.kwargs["env"]
    assert (given["LOADTESTS_JOIN_TOKEN"], given["LOADTESTS_TOKEN_SECRET"]) == ("join", "signing")
    assert "canary" not in given.values()


def test_worker_of_an_ending_web_ui_is_not_replaced(
    workers: LocalWorkers, control: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end began while the run that lost the worker was still ending."""
    popen = Mock()
    monkeypatch.setattr("loadtests.webui.localworkers.subprocess.Popen", popen)
    control.leaving = True
    workers._replace(7)
    assert not popen.called
