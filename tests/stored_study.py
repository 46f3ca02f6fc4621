"""A study that version 0.3.0 wrote: five seconds on SQLite and on PostgreSQL with optimistic locking."""

import csv
import tarfile
from pathlib import Path
from typing import Any

from loadtests.records.rundirectory import RunDirectory, run_directories

STORED = Path(__file__).parent / "compatibility" / "stored"

MAPS = frozenset({"rows", "settings", "promises", "packages", "databases", "database_offsets", "lock_sources"})
"""Keys of documents whose own keys are names of this run, not of the format."""


def extract_study(to: Path) -> Path:
    with tarfile.open(STORED / "study-0.3.0.tar.xz") as archive:
        archive.extractall(to, filter="data")
    (study,) = to.iterdir()
    return study


def stored_runs(to: Path) -> list[RunDirectory]:
    return run_directories(extract_study(to))


def stored_figures() -> list[dict[str, str]]:
    """The rows of the `figures.csv` that the report of version 0.3.0 made of this study."""
    with (STORED / "figures-0.3.0.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keys_left_out(stored: Any, written: Any) -> set[str]:
    """Keys of a stored document that another one, written today, lacks though it has others of the same place."""
    found = keys_of(written)
    places = {key.rpartition(".")[0] for key in found}
    return {key for key in keys_of(stored) - found if key.rpartition(".")[0] in places}


def keys_of(document: Any, before: str = "") -> set[str]:
    """Dotted keys of a document; items of a list share theirs."""
    if isinstance(document, list):
        return {key for item in document for key in keys_of(item, before)}
    if not isinstance(document, dict):
        return set()
    found = set()
    for name, value in document.items():
        found.add(f"{before}{name}")
        if name not in MAPS:
            found |= keys_of(value, f"{before}{name}.")
    return found
