"""What all commands of the package share: exit codes, the parser, types of arguments, and the last resort. A leaf."""

import argparse
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any, NoReturn

from loadtests import readers
from loadtests.credentials import without_credentials
from loadtests.parts import IncompleteError
from loadtests.sanitize import sanitize_error, sanitize_lines

EX_OK, EX_FAIL, EX_UNKNOWN, EX_USAGE, EX_UNAVAILABLE, EX_SOFTWARE, EX_INTERRUPTED = 0, 1, 2, 64, 69, 70, 130

ALLOW_COMMANDS = "--allow-commands"
"""Lets a scenario run the commands of its timeline: an option of every command that runs scenarios."""

_TRACEBACK_LINES = 1000


class Parser(argparse.ArgumentParser):
    """A parser that exits with EX_USAGE for wrong arguments: argparse's own code is 2, EX_UNKNOWN."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuses what it does not know, in the command that does not know it, with the nearest option."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=1)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{f'; did you mean {near[0]}?' if near else ''}")
        return parsed, []

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        complain(self.prog, message)
        raise SystemExit(EX_USAGE)


def complain(command: str, message: object) -> None:
    """Prints one message on standard error, without passwords that it may quote."""
    print(sanitize_lines(f"{command}: {without_credentials(str(message))}"), file=sys.stderr)


def complain_of_fault(command: str, error: Exception) -> None:
    """Prints where an error of ours was raised, and what it says."""
    lines = without_credentials("".join(traceback.format_exception(error)))
    print(sanitize_lines(lines, lines=_TRACEBACK_LINES), file=sys.stderr)
    complain(command, f"a fault of the harness: {type(error).__name__}: {sanitize_error(error)}")


def exit_code_of(command: str, run: Callable[[], int]) -> int:
    """The exit code of a command: that of `run`, or the one for an interrupt, an error of ours, wrong settings, or a
    table whose entry lacks a part."""
    if problem := readers.problem():
        complain(command, problem)
        return EX_USAGE
    try:
        return run()
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except IncompleteError as error:
        complain(command, error)
        return EX_USAGE
    except Exception as error:
        complain_of_fault(command, error)
        return EX_SOFTWARE


def whole_number(least: int, most: float, expected: str) -> Callable[[str], int]:
    """An argument's type: a whole number from `least` to `most`, in words `expected`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
        return int(text)

    return parse


seed = whole_number(0, 2**63 - 1, "a whole number from 0 to 2**63 - 1")
positive = whole_number(1, inf, "a whole number, 1 or more")
port = whole_number(1, 65_535, "a port, 1 to 65535")
port_or_any = whole_number(0, 65_535, "a port, or 0 for any free one")


def file_path(text: str) -> Path:
    """An argument's type: a path. An empty one, as of a variable that is not set, would be the working directory."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got an empty text: is a variable not set?")
    return Path(text)


def add_runs(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Adds `--runs DIR`."""
    parser.add_argument(
        "--runs", metavar="DIR", type=file_path, default=Path("runs"), help=f"where {purpose} (default: runs)"
    )


def is_host_and_port(text: str) -> bool:
    """Whether a text is HOST:PORT with a port from 1 to 65535: `getaddrinfo` takes 70000 for 4464."""
    host, _, number = text.rpartition(":")
    return bool(host) and number.isascii() and number.isdigit() and 0 < int(number) < 65536


def host_and_port(text: str) -> tuple[str, int]:
    """The two parts of such a text; the host without the brackets of an IPv6 address."""
    host, _, number = text.rpartition(":")
    return host.strip("[]"), int(number)
