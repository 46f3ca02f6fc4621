"""Addresses that are refused before anything is sent."""

import pytest

from loadtests.conductor.target import problems_of_target


@pytest.mark.parametrize(
    "url",
    ["ws://127.0.0.1:99999", "ws://127.0.0.1:80a", "ws://127.0.0.1:0", "ws://[::1", "http://127.0.0.1", "ws://", "pod"],
)
def test_what_is_no_address_is_told_with_what_was_expected(url):
    (problem,) = problems_of_target(url, ())
    assert repr(url) in problem
    assert "expected ws://HOST:PORT" in problem


@pytest.mark.parametrize("url", ["ws://a:b@127.0.0.1", "wss://127.0.0.1/ws?token=secret", "ws://127.0.0.1/#secret"])
def test_what_may_be_a_secret_is_refused_and_not_repeated(url):
    (problem,) = problems_of_target(url, ())
    assert "do not belong in an address" in problem
    assert "secret" not in problem


@pytest.mark.parametrize("url", ["ws://127.0.0.1:8080", "wss://localhost/path", "ws://[::1]:1"])
def test_this_machine_is_ours(url):
    assert problems_of_target(url, ()) == []


def test_other_hosts_have_to_be_owned():
    (problem,) = problems_of_target("ws://pod.example.com", ())
    assert "--i-own pod.example.com" in problem
    assert problems_of_target("ws://pod.example.com", ("pod.example.com",)) == []
