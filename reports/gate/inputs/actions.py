"""Actions of the timeline that were not carried out."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.data.timeline import detail_of


def undone_actions(rows: Sequence[Mapping[str, Any]], planned: int | None) -> tuple[str, ...]:
    """One sentence each for actions that failed or never began, and one for the number without a row. `rows` are those
    of the timeline; `planned` None: the number of planned actions is unknown.

    An action that the end of the run cut off has begun, and counts as done.
    """
    actions = [row for row in rows if row["kind"] == "action"]
    found = [_sentence(row) for row in actions if row["result"] == "failed" or _never_began(row)]
    missing = (planned or 0) - len(actions)
    return (*found, f"{missing} of {planned} actions have no row") if missing > 0 else tuple(found)


def _never_began(row: Mapping[str, Any]) -> bool:
    return bool(row["result"] == "unfinished" and row["started_ns"] == row["ended_ns"])


def _sentence(row: Mapping[str, Any]) -> str:
    detail = detail_of(row["detail"])
    words = detail.get("words") or f"an action on {row['subject']}"
    return f"{words}: {detail.get('error') or row['result']}"
