"""Text that was not written in good faith: a clear problem, soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_scenario_values import WHOLE

from loadtests.configuration.source import MAX_BYTES
from loadtests.scenario import ScenarioError, parse_scenario
from loadtests.scenario.finding import find_scenario, read_scenario

LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True))


def refusal(text):
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "x.yaml")
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (LAUGHS, "x.yaml:2: b[0]: got an alias (*), expected the value itself"),
        ("a: &a [*a]", "got an alias"),
        ("name: x\nagent:\n\tthink: 1", "x.yaml:3: got found character '\\t'"),
        ("name: x\nagent:\n\tthink: 1", "indent with spaces, not tabs"),
        ("[" * 20_000, "got nesting without end"),
        ("- " * 20_000, "got nesting without end"),
        ("", "got an empty file, expected one scenario"),
        ("# nothing", "got an empty file"),
        ("just text", "x.yaml:1: got 'just text', expected a scenario: a mapping of keys to values"),
        ("- a\n- b", "got a list, expected a scenario"),
        ("a: 1\n---\nb: 2", "got 2 documents, expected one scenario"),
        ("name: x\nname: y", "x.yaml:2: name: got the key a second time, expected each key once (first on line 1)"),
        ("name: !!python/object/apply:os.system [id]", "expected plain YAML without tags"),
        ("name: !secret x", "got the tag '!secret'"),
        ("? [a, b]\n: 1", "got a key that is a list or a mapping"),
        ("name: [unclosed", "expected valid YAML"),
        ("name: x\x00y", "x.yaml:1: got character 0x0, expected printable UTF-8 text"),
        ("a: *nowhere", "x.yaml:1: got found undefined alias"),
        ("x" * (MAX_BYTES + 1), "got more than 64 KiB"),
        ("1: 2\nnull: 3\ntrue: 4", "unknown key '1'"),
    ],
)
def test_hostile_text(text, wanted):
    assert wanted in refusal(text)


@pytest.mark.parametrize("number", ["0x" + "f" * 20_000, "0o" + "7" * 20_000, "0b" + "1" * 20_000, "9" * 20_000])
@pytest.mark.parametrize("key", ["seed", "name", "accounts", "token"])
def test_number_that_python_cannot_write_is_a_problem_of_its_line(key, number):
    assert "x.yaml:1: " + key in refusal(f"{key}: {number}\n")


def test_deep_body_of_a_call_is_a_body():
    call = f"{{stage: steady, do: http, url: 'http://127.0.0.1:1/', body: '{'[' * 20_000}'}}"
    assert parse_scenario(f"{WHOLE}timeline:\n  - {call}\n", "x.yaml").timeline


@pytest.mark.parametrize(
    "url",
    ["http://[x", "http://[::1/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://127.0.0.1/\\r\\nX: y"],
)
def test_address_that_cannot_be_called_is_a_finding(url):
    call = f'{{stage: steady, do: http, url: "{url}"}}'
    (action,) = parse_scenario(f"{WHOLE}timeline:\n  - {call}\n", "x.yaml").timeline
    (finding,) = action.check_host(())
    assert finding.place == ("url",)
    assert "a port from 1 to 65535" in finding.expected


def test_a_tag_on_a_list_or_mapping_is_refused():
    assert "expected plain YAML without tags" in refusal("name: x\nstages: !!set {a, b}")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (WHOLE.encode("utf-16"), "x.yaml:1: got UTF-16 text, expected UTF-8 text"),
        (b"name: x\ndescription: caf\xe9\n", "x.yaml:2: got byte 0xe9, expected UTF-8 text"),
        (b"#" * (MAX_BYTES * 4), "got more than 64 KiB"),
    ],
)
def test_hostile_files(tmp_path, raw, wanted):
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    with pytest.raises(ScenarioError) as raised:
        read_scenario(find_scenario(path))[0]
    assert wanted in str(raised.value)


def test_a_byte_order_mark_is_harmless(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert read_scenario(find_scenario(path))[0].name == "agent-workday"


@pytest.mark.parametrize("place", ["nowhere.yaml", "."])
def test_files_that_cannot_be_read(tmp_path, place):
    with pytest.raises(ScenarioError, match="expected a YAML file that can be read"):
        read_scenario(find_scenario(tmp_path / place))[0]


@given(st.text(max_size=200))
def test_any_text_is_refused_in_words(text):
    assert ", expected " in refusal(text)


@given(st.integers(0, len(WHOLE) - 1), st.text(alphabet=" :{}[]&*!|>-\t\n'\"%@`#?,0a\\é", min_size=1, max_size=3))
def test_a_slip_of_the_pen_never_raises_anything_else(at, slip):
    text = WHOLE[:at] + slip + WHOLE[at + 1 :]
    try:
        parse_scenario(text, "x.yaml")
    except ScenarioError as error:
        assert all(str(p).startswith("x.yaml:") for p in error.problems)
