"""The storage system of a run."""

from collections.abc import Mapping
from typing import Any

from loadtests.records.rundirectory import RunDirectory, safe_name


def asked(manifest: Mapping[str, Any]) -> str | None:
    """The storage system as requested, or a foreign target's label; None where the manifest has neither."""
    named = manifest.get("storage") or manifest.get("label")
    return str(named) if named else None


def by_run(named: Mapping[RunDirectory, str | None]) -> dict[RunDirectory, str]:
    """Every run's storage. Without one in the manifest, the directory's name decides, matched to those of other
    runs."""
    siblings = {safe_name(storage): storage for storage in named.values() if storage is not None}
    return {run: storage or _by_name(run, siblings) for run, storage in named.items()}


def _by_name(run: RunDirectory, siblings: Mapping[str, str]) -> str:
    name = run.name.partition("-")[2]
    return siblings.get(name, name)
