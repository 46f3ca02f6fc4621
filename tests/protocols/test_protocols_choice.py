"""How a protocol is chosen by name, and that a new one is one file and one line."""

import sys
from pathlib import Path

import pytest
import toy_protocol
from hypothesis import given
from hypothesis import strategies as st

from loadtests.accounts import account_of, token_for
from loadtests.protocols import (
    DEFAULT_PROTOCOL,
    PROTOCOLS,
    ProtocolNameError,
    check_operations,
    check_server_half,
    parse_protocol,
)
from loadtests.protocols.contract import ProtocolError, chat_number, chat_of_topic, chat_topic, key_number, key_text


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, "toy", "toy_protocol:SPEC")


def test_default_is_the_reference_pods_own() -> None:
    chosen = parse_protocol(DEFAULT_PROTOCOL)
    assert chosen.spec.subprotocols == ("messaging-pod.v1",)
    check_operations(DEFAULT_PROTOCOL)
    check_server_half(DEFAULT_PROTOCOL)


def test_options_have_the_type_of_their_defaults(toy: None) -> None:
    assert parse_protocol("jsonrpc").options == {"heartbeat_method": "heartbeat"}
    assert parse_protocol("jsonrpc,heartbeat_method=").options == {"heartbeat_method": ""}
    assert parse_protocol("toy,greeting=true,limit=7").options == {"greeting": True, "limit": 7}


KNOWN = f"one of {', '.join([*PROTOCOLS, 'toy'])}"


@pytest.mark.parametrize(
    ("text", "expected", "nearest"),
    [
        ("jsonrcp", KNOWN, "jsonrpc"),
        ("messaging-pod.v2", KNOWN, "messaging-pod.v1"),
        ("", KNOWN, ""),
        ("messaging-pod.v1,a=1", "messaging-pod.v1 without options", ""),
        ("jsonrpc,heartbeat_methd=x", "an option of jsonrpc (heartbeat_method)", "heartbeat_method"),
        ("jsonrpc,heartbeat_method", "heartbeat_method=VALUE", "heartbeat_method=heartbeat"),
        ("toy,limit=many", "a number for limit", ""),
        ("toy,greeting=yes", "greeting=true or greeting=false", ""),
    ],
)
def test_wrong_names_and_options_are_refused(toy: None, text: str, expected: str, nearest: str) -> None:
    with pytest.raises(ProtocolNameError) as wrong:
        parse_protocol(text)
    assert (wrong.value.expected, wrong.value.nearest) == (expected, nearest)
    assert "\n" not in str(wrong.value)


def test_missing_operations_and_server_half_are_named(toy: None) -> None:
    with pytest.raises(ProtocolNameError, match=r"toy lacks .*chat\.accept.*connection\.close"):
        check_operations("toy")
    check_operations("toy", ("message.send",))
    with pytest.raises(
        ProtocolNameError, match=r"\(such as messaging-pod\.v1\): toy has no server half, use it with --target"
    ):
        check_server_half("toy")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("no_such_module:SPEC", "there is no module no_such_module"),
        ("toy_protocol:SPECC", "toy_protocol has no SPECC"),
    ],
)
def test_line_of_the_table_without_a_spec_is_named(toy: None, monkeypatch, place: str, why: str) -> None:
    monkeypatch.setitem(PROTOCOLS, "gone", place)
    with pytest.raises(ProtocolNameError) as wrong:
        parse_protocol("gone")
    correct = "correct its line in loadtests/protocols/__init__.py"
    assert wrong.value.expected == f"its Spec at {place}, but {why}: {correct}"
    with pytest.raises(ProtocolNameError, match="toy has no server half"):
        check_server_half("toy")


def test_new_protocol_is_one_file_and_one_line(toy: None) -> None:
    """The toy is a module of its own, known by its line in the table alone."""
    assert Path(toy_protocol.__file__).parent == Path(__file__).parent
    package = Path(sys.modules["loadtests"].__file__ or "").parent
    assert not [path for path in package.rglob("*.py") if "toy_protocol" in path.read_text(encoding="utf-8")]
    assert parse_protocol("toy").spec is toy_protocol.SPEC


@given(st.integers(0, 2**64 - 1))
def test_key_text_is_16_digits_and_is_read_back(key: int) -> None:
    assert len(key_text(key)) == 16
    assert key_number(key_text(key)) == key
    assert chat_number(key_text(key)) == key
    assert chat_of_topic(chat_topic(key_text(key))) == key_text(key)


@pytest.mark.parametrize(
    "text", ["", "1", "0" * 17, "0x00000000000001", "0000_0000_000000", "00000000000000A7", " " * 16]
)
def test_other_texts_are_no_keys(text: str) -> None:
    with pytest.raises(ProtocolError, match="16 hexadecimal digits"):
        key_number(text)
    assert 0 <= chat_number(text) < 1 << 63


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(texts, texts)
def test_token_speaks_for_its_account_only(account: str, secret: str) -> None:
    token = token_for(account, secret)
    assert account_of(token, secret) == account
    assert account_of(token, secret + "x") is None
    assert account_of("x" + token, secret) is None
    assert account_of(token[:-1], secret) is None
