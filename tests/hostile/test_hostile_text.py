"""Text that others chose: cleaned and cut by one function wherever it may reach an output, secrets taken out."""

import base64
import html
import io
import json
import logging
import os
import urllib.parse
from collections.abc import Callable

import pytest
from hostile_scripts import EVIL
from hypothesis import given
from hypothesis import strategies as st

from loadtests.conductor.failures import BadInput, Reason, RunEnded
from loadtests.conductor.progress import PlainProgress, TerminalProgress
from loadtests.credentials import redact
from loadtests.drivers.addresses.contract import Place
from loadtests.drivers.errors import DatabaseUnreachable, PoolerError
from loadtests.generator.locusthooks import _CleanFormatter
from loadtests.pod.storage.contract import StorageUnavailable
from loadtests.pod.storage.mariadb import errors as mariadb_errors
from loadtests.probes.contract import Source
from loadtests.probes.databases import why_not
from loadtests.protocols.contract import ProtocolError
from loadtests.sanitize import MAX_LINES, printable, sanitize, sanitize_error, sanitize_lines, sanitize_value
from loadtests.servers.contract import ServerUnavailable
from loadtests.timeline.context import ActionFailed
from loadtests.wire.failures import ConnectionFailed

ENDLESS = EVIL * 100_000


@given(st.text() | st.binary())
def test_sanitized_text_is_printable_short_and_stays_as_it_is(text: str | bytes) -> None:
    clean = sanitize(text)
    assert clean.isprintable()
    assert len(clean) <= 120
    assert sanitize(clean) == clean


_DISGUISED = ["\x9b2Jx", "\u202etxt", "\x85x", "ü\x9b31m"]


@pytest.mark.parametrize("clean", [sanitize, sanitize_lines, sanitize_value, printable])
@pytest.mark.parametrize("text", _DISGUISED)
def test_characters_in_the_disguise_of_bytes_do_not_come_out(clean: Callable[[str], str], text: str) -> None:
    """As JSON and YAML may write them: half a pair for each byte, which the standard streams put together again."""
    disguised = "".join(chr(0xDC00 + byte) if byte > 0x7F else chr(byte) for byte in text.encode())
    assert clean(f"a {disguised}").encode(errors="surrogateescape").decode().isprintable()


def test_bytes_of_a_path_come_out_as_they_are() -> None:
    path = os.fsdecode(b"/runs/caf\xe9/\xffx")
    for clean in (sanitize_lines, printable):
        assert os.fsencode(clean(path)) == b"/runs/caf\xe9/\xffx"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("zajęte", "zajęte"),
        ("a\x1b[2J\x00b", "a\\x1b[2J\\x00b"),
        ("a\nb\r", "a\\x0ab\\x0d"),
        ("\u202etxt\u2066", "\\u202etxt\\u2066"),
        ("C:\\x1b", "C:\\x1b"),
        (b"occup\xe9", "occupé"),
        ("ü".encode() * 500, "ü" * 119 + "…"),
        ("x" * 121, "x" * 119 + "…"),
        ("x" * 120, "x" * 120),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_sanitize_shows_what_a_terminal_cannot_as_escapes(text: str | bytes, shown: str) -> None:
    assert sanitize(text) == shown


def test_lines_stay_lines_and_bytes_of_paths_stay_bytes() -> None:
    assert sanitize_lines("one\n\ttwo\x1b\r\nruns/\udcff") == "one\n\\x09two\\x1b\nruns/\udcff"
    endless = sanitize_lines(ENDLESS, limit=50)
    assert len(endless.split("\n")) == MAX_LINES
    assert max(map(len, endless.split("\n"))) <= 50


def test_documents_are_cleaned_in_every_text() -> None:
    nested: object = "\x1b"
    for _ in range(1000):
        nested = [nested]
    document = {"version": "10.6\x1b[31m", "\x00key": [{"a": EVIL}], "n": 1, "f": 0.5, "none": None, "deep": nested}
    clean = sanitize_value(document)
    assert clean["version"] == "10.6\\x1b[31m"
    assert (clean["n"], clean["f"], clean["none"]) == (1, 0.5, None)
    assert "\\x00key" in clean
    text = json.dumps(clean, ensure_ascii=False)
    assert text.isprintable()
    assert len(text) < 2000


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("cut_off", ENDLESS),
        ProtocolError(ENDLESS),
        DatabaseUnreachable(ENDLESS),
        StorageUnavailable(ENDLESS),
        PoolerError(Place("db", 1), ENDLESS, "PostgreSQL"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_about_servers_are_one_clean_line(error: Exception) -> None:
    assert str(error).isprintable()
    assert len(str(error)) < 1200


@pytest.mark.parametrize("kind", [ActionFailed, BadInput, ServerUnavailable, RunEnded], ids=lambda kind: kind.__name__)
def test_messages_for_terminals_are_clean_lines(kind: type[Exception]) -> None:
    error = kind(f"it is\n{EVIL}") if kind is not RunEnded else RunEnded("pod_died", f"it is\n{EVIL}", EVIL)
    text = str(error.reason if isinstance(error, RunEnded) else error)
    assert "it is\n" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_reasons_are_cleaned_before_they_are_recorded() -> None:
    reason = Reason("pod_died", "\x1b[2J", ENDLESS)
    assert reason.detail == "\\x1b[2J"
    assert len(reason.log_tail) <= MAX_LINES * 2001


@pytest.mark.parametrize("reason", [mariadb_errors.reason, sanitize_error, why_not])
def test_reasons_of_databases_are_one_clean_line(reason) -> None:
    for error in (RuntimeError(ENDLESS), RuntimeError(1064, ENDLESS), OSError(5, ENDLESS), RuntimeError("")):
        assert reason(error).isprintable()
        assert 0 < len(reason(error)) < 600


def test_why_lock_waits_are_unknown_is_a_clean_line() -> None:
    assert Source(("sampled",), 1, reason=ENDLESS).reason.isprintable()


def test_progress_shows_no_control_character() -> None:
    for kind in (PlainProgress, TerminalProgress):
        stream = io.StringIO()
        progress = kind(stream)
        progress.run(1, 1, "candidate")
        progress.report(f"ended early: {EVIL}")
        progress.close()
        assert "\\x1b]0;owned\\x07" in stream.getvalue().replace("\n", "")
        assert "\x07" not in stream.getvalue()


def test_logs_of_the_load_are_clean() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f.py", 1, "a server sent %s", (EVIL,), None)
    line = _CleanFormatter(logging.Formatter("%(levelname)s %(message)s")).format(record)
    assert line.startswith("WARNING a server sent \\x1b]0;owned")
    assert all(part.isprintable() for part in line.split("\n"))


HUSH = "p@ss w0rd/+<secret>&key"


@pytest.mark.parametrize(
    "quoted",
    [
        HUSH, urllib.parse.quote(HUSH, safe=""), urllib.parse.quote_plus(HUSH), json.dumps(HUSH), html.escape(HUSH),
        HUSH.upper(), HUSH[:10], HUSH[-9:], f"x{HUSH}y", repr(HUSH),
    ],
)  # fmt: skip
def test_quoted_secrets_are_redacted(quoted: str) -> None:
    shown = redact(f"no such token: {quoted}!", [HUSH])
    assert shown.startswith("no such token: ")
    assert "***" in shown
    assert not any(quoted[i : i + 8] in shown for i in range(len(quoted) - 7))


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "Bearer "])
def test_secrets_within_base64_are_redacted(before: str) -> None:
    encoded = base64.b64encode(f"{before}{HUSH}, and more".encode()).decode()
    shown = redact(f"got {encoded}", [HUSH])
    assert len(shown) < len(encoded) - 20
    assert "***" in shown


def test_a_short_secret_is_redacted_and_other_text_stays() -> None:
    assert redact("PIN 7 is wrong, not 17", ["7"]) == "PIN *** is wrong, not 1***"
    assert redact("all is well", [HUSH, ""]) == "all is well"
