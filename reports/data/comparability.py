"""Whether the runs of a study may be compared: rounds alike in every setting, one scenario, one host."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from reports.data.contract import StudyRun

ALIKE_EVERYWHERE = (
    "format",
    "scenario",
    "seed",
    "stages",
    "host",
    "harness.version",
    "packages",
    "generator.processes",
)
ALIKE_IN_ROUNDS = ("engine", "target", "servers")
PLACES = frozenset({"url", "port", "path", "data_directory", "socket", "file", "dsn", "directory"})
"""Where a server was in this run: not a setting."""


class Described(Protocol):
    """A run that can be compared: the report's, or the gate's evidence."""

    @property
    def name(self) -> str: ...
    @property
    def storage(self) -> str: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...


def differences(runs: Sequence[Described], besides: Sequence[str] = ()) -> list[str]:
    """A line for each field that keeps these runs from being compared; empty when they may be. `besides` are dotted
    paths of a manifest that all runs are to share as well.

    Runs without a manifest have nothing to compare and are left to the report's notes.
    """
    described = [run for run in runs if run.manifest]
    found = list(_differing(described, (*ALIKE_EVERYWHERE, *besides), "all runs"))
    for storage in dict.fromkeys(run.storage for run in described):
        rounds = [run for run in described if run.storage == storage]
        found += _differing(rounds, ALIKE_IN_ROUNDS, f"rounds of {storage}")
    return found


def _differing(runs: Sequence[Described], fields: Sequence[str], among: str) -> Iterator[str]:
    flat = {run.name: dict(_flat(run.manifest, fields)) for run in runs}
    for path in dict.fromkeys(path for values in flat.values() for path in values):
        holders: dict[str, list[str]] = defaultdict(list)
        for name, values in flat.items():
            holders[repr(values[path]) if path in values else "nothing"].append(name)
        if len(holders) > 1:
            listing = "; ".join(f"{value} in {', '.join(names)}" for value, names in holders.items())
            yield f"{path} differs among {among}: {listing}"


def _flat(manifest: Mapping[str, Any], fields: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Dotted path → value, of these fields and all below them."""
    for path, value in _leaves(manifest, ""):
        if any(path == f or path.startswith((f"{f}.", f"{f}[")) for f in fields):
            yield path, value


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            if name not in PLACES:
                yield from _leaves(below, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from _leaves(below, f"{path}[{place}]")
    else:
        yield path, value


def durability(runs: Sequence[StudyRun]) -> dict[str, str | None]:
    """What a commit survives, by storage, as its engine promises; None where the manifest does not state it."""
    return {run.storage: _survives(run) for run in runs if run.manifest}


def _survives(run: StudyRun) -> str | None:
    promises = (run.manifest.get("engine") or {}).get("promises") or {}
    survival = promises.get("commit_survives")
    return None if survival is None else str(survival)
