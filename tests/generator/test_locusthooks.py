"""What our hooks change in Locust itself."""

import time

import gevent
import pytest
from locust import argument_parser, runners

from loadtests.generator import locusthooks
from loadtests.generator.locusthooks import _remember_default_arguments


def test_default_arguments_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argument_parser, "default_args_dict", argument_parser.default_args_dict)
    asked_of_locust = argument_parser.default_args_dict()
    _remember_default_arguments()
    assert argument_parser.default_args_dict() == asked_of_locust
    assert argument_parser.default_args_dict() is argument_parser.default_args_dict()


def test_a_wall_clock_that_is_set_forward_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust's own check, an hour later by the wall clock and a second later in fact."""
    monkeypatch.setattr(runners, "MASTER_HEARTBEAT_TIMEOUT", runners.MASTER_HEARTBEAT_TIMEOUT)
    quits: list[int] = []
    worker = object.__new__(runners.WorkerRunner)
    worker.last_heartbeat_timestamp = time.time() - 3600
    worker.quit = lambda: quits.append(1)
    locusthooks.ignore_wall_clock()
    checking = gevent.spawn(worker.heartbeat_timeout_checker)
    gevent.sleep(1.3)
    checking.kill()
    assert quits == []
