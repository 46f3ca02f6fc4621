"""Passwords and log-ins of the web UI, apart from its pages."""

import argparse
from pathlib import Path

import pytest

from loadtests.webui.login import LASTS_S, MOST_FAILURES, MOST_FAILURES_OF_ALL, WINDOW_S, Logins
from loadtests.webui.passwords import Password, PasswordError, read_password

RIGHT = "correct horse battery"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> Logins:
    return Logins(Password(RIGHT), clock)


@pytest.mark.parametrize("wrong", ["", RIGHT[:-1], f"{RIGHT} ", RIGHT.upper(), "\0", "\udc80", "é" * 20])
def test_only_the_password_matches(wrong: str) -> None:
    assert Password(RIGHT).matches(RIGHT)
    assert not Password(RIGHT).matches(wrong)


def test_password_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared: list[tuple[int, int]] = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b)
    assert not Password(RIGHT).matches("x")
    assert compared == [(32, 32)], "digests of one length, for every input"


def test_password_is_in_no_attribute_and_no_representation() -> None:
    password = Password(RIGHT)
    assert RIGHT not in repr(password)
    assert RIGHT not in repr(vars(password))


def test_failures_of_one_address_are_limited_and_pass(logins: Logins, clock: Clock) -> None:
    for _ in range(MOST_FAILURES):
        assert logins.attempts.wait_s("192.0.2.1") == 0
        assert logins.log_in("192.0.2.1", "wrong") is None
        clock.now += 1
    assert logins.attempts.wait_s("192.0.2.1") == WINDOW_S - MOST_FAILURES
    assert logins.attempts.wait_s("192.0.2.2") == 0, "another address is not locked out"
    clock.now += WINDOW_S - MOST_FAILURES
    assert logins.attempts.wait_s("192.0.2.1") == 0


def test_addresses_of_one_ipv6_network_count_as_one(logins: Logins) -> None:
    for number in range(MOST_FAILURES):
        logins.log_in(f"2001:db8::{number}", "wrong")
    assert logins.attempts.wait_s("2001:db8::ffff") > 0
    assert logins.attempts.wait_s("2001:db8:1::1") == 0


def test_ipv4_addresses_of_a_socket_of_ipv6_count_apart(logins: Logins) -> None:
    for _ in range(MOST_FAILURES):
        logins.log_in("::ffff:192.0.2.1", "wrong")
    assert logins.attempts.wait_s("192.0.2.1") > 0
    assert logins.attempts.wait_s("::ffff:192.0.2.2") == 0


def test_failures_of_many_addresses_are_limited_together(logins: Logins) -> None:
    for number in range(MOST_FAILURES_OF_ALL):
        logins.log_in(f"192.0.2.{number}", "wrong")
    assert logins.attempts.wait_s("198.51.100.1") > 0


def test_log_in_ends_when_its_time_is_over_or_by_a_log_out(logins: Logins, clock: Clock) -> None:
    first, second = logins.log_in("::1", RIGHT), logins.log_in("::1", RIGHT)
    assert first != second
    assert logins.is_valid(first)
    logins.log_out(first)
    assert (logins.is_valid(first), logins.is_valid(second)) == (False, True)
    clock.now += LASTS_S
    assert not logins.is_valid(second)


@pytest.mark.parametrize("made_up", [None, "", "x", 1, ["x"], True])
def test_made_up_identity_is_no_log_in(logins: Logins, made_up: object) -> None:
    logins.log_in("::1", RIGHT)
    assert not logins.is_valid(made_up)


def test_password_is_read_from_environment_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADTESTS_WEB_PASSWORD", RIGHT)
    assert read_password("").matches(RIGHT)
    path = tmp_path / "password"
    path.write_text("another long one\r\nsecond line\n")
    assert read_password(str(path)).matches("another long one")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "is empty: set LOADTESTS_WEB_PASSWORD, or name a file"),
        (b"\nsecond line\n", "is empty"),
        (b"hunter2\n", "has 7 characters: expected 12 or more"),
        (b"\xff\xfe" * 10, "expected UTF-8"),
    ],
)
def test_password_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PasswordError) as refused:
        read_password(str(path))
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_missing_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOADTESTS_WEB_PASSWORD", raising=False)
    with pytest.raises(PasswordError, match="there is no password: set LOADTESTS_WEB_PASSWORD, or name a file"):
        read_password("")


def test_password_is_no_option_of_the_command_line() -> None:
    from locust.argument_parser import LocustArgumentParser

    from loadtests.webui.options import add_options

    parser = LocustArgumentParser(add_help=False)
    add_options(parser)
    options = [option for action in parser._actions for option in action.option_strings]
    assert [option for option in options if "password" in option] == ["--web-password-file"]
    assert isinstance(parser, argparse.ArgumentParser)
