"""Which storage system a run was made against."""

from collections.abc import Mapping
from typing import Any

from loadtests.records.rundirectory import RunDirectory, safe_name


def asked(manifest: Mapping[str, Any]) -> str | None:
    """The storage system as asked for, or a foreign target's label; None where neither was said."""
    named = manifest.get("storage") or manifest.get("label")
    return str(named) if named else None


def by_run(told: Mapping[RunDirectory, str | None]) -> dict[RunDirectory, str]:
    """Every run's storage: one that cannot say its own goes by its directory's name, to its siblings where they are."""
    siblings = {safe_name(storage): storage for storage in told.values() if storage is not None}
    return {run: storage or _by_name(run, siblings) for run, storage in told.items()}


def _by_name(run: RunDirectory, siblings: Mapping[str, str]) -> str:
    name = run.name.partition("-")[2]
    return siblings.get(name, name)
