"""HTTP statuses of refused handshakes, and other errors of connections, from `end.json`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reports.data.contract import Handshakes, StudyRun


def handshakes(runs: Sequence[StudyRun]) -> Handshakes:
    judged: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    details: Counter[tuple[str, str]] = Counter()
    reported = [_counts(run) for run in runs]
    for run, counts in zip(runs, reported, strict=True):
        marked = {stage.name for stage in run.stages if stage.judge}
        whole.update(_numbers(counts.get("http_statuses")))
        for stage, statuses in _object(counts.get("http_statuses_by_stage")).items():
            if stage in marked or not marked:
                judged.update(_numbers(statuses))
        for known in map(_object, counts.get("details") or ()):
            kind = {(str(known.get("error", "")), str(known.get("detail", ""))): known.get("count")}
            details.update({name: count for name, count in kind.items() if type(count) is int})
    exact = bool(reported) and all(counts.get("exact") is True for counts in reported)
    return Handshakes(dict(sorted(judged.items())), dict(sorted(whole.items())), dict(details.most_common()), exact)


def _counts(run: StudyRun) -> Mapping[str, Any]:
    """Empty for runs of versions that did not count it."""
    return _object((run.end or {}).get("connection_failures"))


def _object(value: Any) -> Mapping[str, Any]:
    """Of a damaged document: empty."""
    return value if isinstance(value, dict) else {}


def _numbers(counts: Any) -> dict[str, int]:
    return {status: count for status, count in _object(counts).items() if type(count) is int and status.isdecimal()}
