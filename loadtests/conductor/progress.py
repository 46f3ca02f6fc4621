"""Progress of runs on standard error: a live table on a terminal, plain lines elsewhere."""

import os
import sys
import time
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loadtests.sanitize import sanitize_lines

PLAIN_EVERY_S = 5.0


def figures(tick: dict[str, Any]) -> dict[str, str]:
    """A tick in words; a figure that is not known yet is a dash."""
    p99 = tick.get("accept_p99_ms")
    return {
        "stage": str(tick.get("stage") or "-"),
        "agents": _agents(tick),
        "users": str(tick.get("users", "-")),
        "rate": f"{tick.get('rate_per_s') or 0:.0f}/s",
        "accept p99": "-" if p99 is None else f"{p99:.1f} ms",
        "failures": _failures(tick),
        "left": f"{max(tick.get('left_s') or 0, 0):.0f} s",
    }


def _failures(tick: dict[str, Any]) -> str:
    """`40`, or `40 (HTTP 503: 38)` where handshakes were refused."""
    statuses = tick.get("http_statuses") or {}
    refused = ", ".join(f"HTTP {status}: {count}" for status, count in sorted(statuses.items()))
    return f"{tick.get('failures', 0)} ({refused})" if refused else str(tick.get("failures", 0))


def _agents(tick: dict[str, Any]) -> str:
    """Agents that are there, of those planned."""
    return f"{tick['agents']} of {tick.get('agents_planned', '-')}" if "agents" in tick else "-"


class PlainProgress:
    """One line a stage, and one every five seconds."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._title = ""
        self._reported_at = 0.0

    def run(self, number: int, of: int, name: str) -> None:
        """Run `number` of `of` begins."""
        self._title = f"[{number}/{of} {name}]"

    def report(self, text: str) -> None:
        """One sentence, shown once."""
        print(sanitize_lines(f"{self._title} {text}".strip()), file=self._stream, flush=True)

    def stage(self, event: dict[str, Any]) -> None:
        self.report(f"stage {event['name']}: {event['agents']} agents, {event['arrivals_per_s']:g} customers/s")
        self._reported_at = time.monotonic()

    def tick(self, event: dict[str, Any]) -> None:
        if event.get("stage") and time.monotonic() - self._reported_at >= PLAIN_EVERY_S:
            self._reported_at = time.monotonic()
            self.report("  ".join(f"{name} {figure}" for name, figure in figures(event).items()))

    def close(self) -> None:
        """Nothing to put back."""


class TerminalProgress:
    """One table that is drawn again with every tick. Refreshed by hand: the conductor has one thread."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._console = Console(file=stream)
        # Without redirection: the study's name belongs on standard output, also while a table is drawn here.
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()
        self._title = ""

    def run(self, number: int, of: int, name: str) -> None:
        self._title = f"run {number} of {of}: {name}"
        self._draw(Text(self._title, style="bold"))

    def report(self, text: str) -> None:
        self._console.print(Text(sanitize_lines(f"{self._title}: {text}" if self._title else text)))

    def stage(self, event: dict[str, Any]) -> None:
        self._draw(self._table(figures({"stage": event["name"]})))

    def tick(self, event: dict[str, Any]) -> None:
        self._draw(self._table(figures(event)))

    def close(self) -> None:
        self._live.stop()

    def _table(self, row: dict[str, str]) -> Table:
        table = Table(title=self._title, title_justify="left", box=None)
        for name in row:
            table.add_column(name, justify="left" if name == "stage" else "right", min_width=8)
        failed = row["failures"] not in ("0", "-")
        table.add_row(*(Text(v, style="red" if failed and k == "failures" else "") for k, v in row.items()))
        return table

    def _draw(self, what: Table | Text) -> None:
        self._live.update(what, refresh=True)


Progress = PlainProgress | TerminalProgress


def progress_for(stream: TextIO) -> Progress:
    # A terminal that cannot move its cursor would show nothing of a live table.
    live = stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    return TerminalProgress(stream) if live else PlainProgress(stream)
