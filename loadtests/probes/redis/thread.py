"""What the one thread of a Redis was busy with, by the server's totals and its SLOWLOG. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from loadtests.probes import naming

COMMAND = "cmdstat_"
_LONGEST = 80
_COMMENT = re.compile(r"\s*--\s*([A-Za-z_][\w.-]{0,60})\s*(?:\n|$)")
_LABEL = re.compile(r"(?:\{[^}\s]*\}:)?/\*\s*([A-Za-z_][\w.-]{0,99}@[\w.-]{1,100})\s*\*/")
"""A whole argument or key, with the pod's name: users' texts may contain comments, too."""
_NAMES = 200
_CONTAINERS = frozenset({"client", "config", "function", "script", "xgroup", "object", "memory", "cluster", "acl"})


class Busy:
    """Which commands the server was busy with, by the time that each has taken so far.

    A command counts as one session that runs at a moment when its time has grown by a whole period since it last
    counted: added up over the moments, sessions times period is the time that it took. What a script calls is counted
    by the server on its own as well.
    """

    def __init__(self, period_us: int) -> None:
        self._period_us = period_us
        self._server: Any = None
        self._counted_us: dict[str, int] = {}

    def since(self, info: Mapping[str, Any]) -> Counter[tuple[str, str | None]]:
        """(`running`, command) → periods since the sample before."""
        spent = {name: int(figures["usec"]) for name, figures in _commands(info)}
        if info["run_id"] != self._server:  # started anew: its counters begin at nothing, and so does what we know
            first, self._server = self._server is None, info["run_id"]
            self._counted_us = dict(spent) if first else {}
        totals: Counter[tuple[str, str | None]] = Counter()
        for command, used_us in spent.items():
            before_us = self._counted_us.setdefault(command, 0)
            periods = max(used_us - before_us, 0) // self._period_us
            totals["running", command] = periods
            self._counted_us[command] = min(before_us, used_us) + periods * self._period_us
        return totals


def spread(totals: Mapping[tuple[str, str | None], int], moments: int) -> list[Counter[tuple[str, str | None]]]:
    """The periods of each command over so many moments, the last ones first: a sample that had to wait for the thread
    shows what kept it, and that was just before. What is left over is of the last moment."""
    samples: list[Counter[tuple[str, str | None]]] = [Counter() for _ in range(moments)]
    for who, periods in totals.items():
        for sample in samples[max(moments - periods, 0) :]:
            sample[who] += 1
        samples[-1][who] += max(periods - moments, 0)
    return samples


def counters(info: Mapping[str, Any]) -> dict[str, int]:
    """The server's own totals, by command."""
    found: dict[str, int] = {}
    for command, figures in _commands(info):
        found[f"command_us:{command}"] = int(figures["usec"])
        found[f"command_calls:{command}"] = int(figures["calls"])
        for kind in ("rejected", "failed"):  # most have none: these appear when they happen
            if number := int(figures.get(f"{kind}_calls", 0)):
                found[f"command_{kind}:{command}"] = number
    return found


def _commands(info: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return ((key.removeprefix(COMMAND), figures) for key, figures in info.items() if key.startswith(COMMAND))


class Slow(NamedTuple):
    """A command that took longer than the server's `slowlog-log-slower-than`."""

    number: int
    duration_us: int
    command: tuple[str, ...]
    client: str


class SlowLog:
    """Adds up what is new in SLOWLOG. It numbers its entries, so that none counts twice; those that it dropped before
    they were read are counted under no name."""

    def __init__(self) -> None:
        self._server: str | None = None
        self._next: int | None = None
        self.totals: Counter[str] = Counter()

    def serve(self, server: str) -> None:
        """Another one begins to count at nothing. Of the first one only what happens from now on is counted."""
        if self._server not in (None, server):
            self._next = 0
        self._server = server

    def news(self, newest: int | None) -> int:
        """How many entries have come, when that is the number of the newest; None: there are none."""
        if self._next is None:
            self._next = 0 if newest is None else newest + 1
        return 0 if newest is None else max(newest + 1 - self._next, 0)

    def add(self, entries: Sequence[Slow]) -> None:
        """The newest first, and as many as there was news of or fewer."""
        first = self._next or 0
        new = [entry for entry in entries if entry.number >= first]
        for entry in new:
            name = operation(entry.command, entry.client)
            if f"slow_us:{name}" not in self.totals and len(self.totals) > 2 * _NAMES:
                name = "others"
            self.totals[f"slow_us:{name}"] += entry.duration_us
            self.totals[f"slow_calls:{name}"] += 1
        if new:
            self._next = new[0].number + 1
            if unread := self._next - first - len(new):
                self.totals["slow_calls_unread"] += unread


def operation(command: Sequence[str], client: str) -> str:
    """What a client was doing. Its command names it in a comment, as `/*chat.accept@pod-1*/`, which may stand in an
    argument or a key that is not used; else the client in its name, `chat.accept@pod-1`; else a function is named by
    its name, a script by the comment in its first line, another command by itself. EVALSHA hides the text of its
    script, whose first digits are all there is then."""
    label = next((found[1] for word in command if (found := _LABEL.fullmatch(word))), None)
    name = naming.operation(label, None) if label else naming.operation(client or None, _command_name(*command[:2]))
    return (name or "untold")[:_LONGEST]


def _command_name(word: str = "", first: str = "") -> str:
    word = word.lower()
    if word in ("eval", "eval_ro"):
        comment = _COMMENT.match(first)
        return comment[1] if comment else word
    if word in ("evalsha", "evalsha_ro"):
        return f"{word} {first[:8]}"
    if word in ("fcall", "fcall_ro"):
        return first or word
    return f"{word} {first.lower()}" if word in _CONTAINERS and first else word
