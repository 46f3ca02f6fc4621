"""The checks in the ledger of a run, as far as it can be read."""

from collections.abc import Mapping, Sequence

from reports.frames import StudyRun


def orphans(runs: Sequence[StudyRun]) -> int | None:
    """Orphans found in all rounds together; None when one of them could not be read."""
    found = [check.get("count") for run in runs for check in ledger_checks(run) if check.get("check") == "orphans"]
    counts = [count for count in found if isinstance(count, int)]
    return sum(counts) if counts and len(counts) == len(found) >= len(runs) else None


def ledger_checks(run: StudyRun) -> list[Mapping[str, object]]:
    return [c for c in (run.ledger or {}).get("checks") or () if isinstance(c, dict)]
