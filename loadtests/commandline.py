"""What every command of this package shares: its exit codes, and how it refuses arguments. A leaf."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from loadtests.credentials import without_credentials

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_SOFTWARE, EX_INTERRUPTED = 0, 64, 69, 70, 130


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for bad input is 2, which means `unknown` here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        complain(self.prog, message)
        raise SystemExit(EX_USAGE)


def complain(command: str, message: object) -> None:
    """One message on standard error, without the passwords that it may quote."""
    print(f"{command}: {without_credentials(str(message))}", file=sys.stderr)


def seed(text: str) -> int:
    """An argument's type: what random numbers begin with."""
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0 to 2**63 - 1")
    return int(text)


def file_path(text: str) -> Path:
    """An argument's type: a path. An empty one, as of a variable that is not set, would be the working directory."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got an empty text: is a variable not set?")
    return Path(text)


def is_host_and_port(text: str) -> bool:
    """Whether a text is HOST:PORT with a port from 1 to 65535: `getaddrinfo` takes 70000 for 4464."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
