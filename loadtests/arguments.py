"""What every command line of ours shares. A leaf."""

import argparse
import sys
from typing import Final, NoReturn

EX_USAGE: Final = 64


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for bad input is 2, which means `unknown` here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EX_USAGE)
