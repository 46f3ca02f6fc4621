"""Why WebSockets did not open, of all workers together: for `end.json` and the live line. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_DETAILS: Final = 20


def connection_failures(summaries: Iterable[Mapping[str, Any] | None], *, exact: bool) -> dict[str, Any]:
    """`connection_failures` of `end.json`; without `exact` the counts are what was known of workers that were lost."""
    by_stage: dict[str, Counter[str]] = {}
    details: Counter[tuple[str, str]] = Counter()
    for summary in summaries:
        for stage, counts in ((summary or {}).get("by_stage") or {}).items():
            by_stage.setdefault(stage, Counter()).update(counts)
        for error, detail, count in (summary or {}).get("details") or ():
            details[error, detail] += count
    return {
        "exact": exact,
        "http_statuses": _ordered(sum(by_stage.values(), Counter())),
        "http_statuses_by_stage": {stage: _ordered(counts) for stage, counts in by_stage.items()},
        "details": [
            {"error": error, "detail": detail, "count": count}
            for (error, detail), count in details.most_common(MAX_DETAILS)
        ],
    }


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: counts[status] for status in sorted(counts)}
