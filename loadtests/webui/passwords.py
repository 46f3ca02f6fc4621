"""The password of the web UI: from the environment or a file.

Never from the command line, which all users of the host can read.
"""

import hashlib
import hmac
import os
import secrets
from functools import cache
from typing import Final

VARIABLE: Final = "LOADTESTS_WEB_PASSWORD"
FILE_OPTION: Final = "--web-password-file"

SHORTEST: Final = 12
"""Characters. At `MOST_FAILURES` a minute (webui/login.py), guessing twelve random ones has no prospect."""

_LONGEST_FILE = 4096

HOW_TO: Final = f"set {VARIABLE}, or name a file that has it with {FILE_OPTION} FILE"


class PasswordError(Exception):
    """No usable password; the text has the reason and what to do."""


class Password:
    """A password to compare with, in constant time.

    Keeps a digest under a random key, not the text.
    """

    def __init__(self, text: str) -> None:
        self._key = secrets.token_bytes(32)
        self._digest = self._digest_of(text)

    def matches(self, text: str) -> bool:
        return hmac.compare_digest(self._digest_of(text), self._digest)

    def _digest_of(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)


def read_password(path: str) -> Password:
    """The password of the file, or of the environment where `path` is empty.

    Raises PasswordError.
    """
    source, text = (f"{FILE_OPTION} {path}", _content(path)) if path else (VARIABLE, os.environ.get(VARIABLE, ""))
    if not text:
        raise PasswordError(f"{source} is empty: {HOW_TO}" if path else f"there is no password: {HOW_TO}")
    if len(text) < SHORTEST:
        raise PasswordError(f"the password of {source} has {len(text)} characters: expected {SHORTEST} or more")
    return Password(text)


@cache
def _content(path: str) -> str:
    """The file's first line.

    Read once: options are parsed several times, and a pipe has no second reading.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a path as it was typed, such as /dev/fd/63
            raw = file.read(_LONGEST_FILE)
        return raw.decode().partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise PasswordError(f"{FILE_OPTION} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PasswordError(f"{FILE_OPTION} {path}: expected UTF-8 text") from None
