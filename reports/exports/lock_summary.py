"""Lock waits and attribution as JSON: times in ms for operations, in s for totals."""

from collections.abc import Mapping
from typing import Any

from reports.findings.causes import Split
from reports.findings.locks import Blame, WaitDurations
from reports.findings.study import StorageFindings
from reports.text.sentence import sentence


def lock_summary(storage: StorageFindings) -> dict[str, Any]:
    causes = storage.causes
    return {
        "causes": {
            "known": causes.known or "unknown",
            "reason": causes.reason,
            "sentence": sentence(storage),
            "splits": {name: {f: _split(s) for f, s in splits.items()} for name, splits in causes.splits.items()},
        },
        "blame": _blame(storage.blame),
        "wait_durations": _durations(storage.durations),
        "calibration": [vars(row) for row in storage.calibration],
    }


def _split(split: Split) -> dict[str, Any]:
    return {
        "value_ms": split.value_ns / 1e6,
        "at_least": split.at_least,
        "n": split.n,
        "parts_ms": {cause: ns / 1e6 for cause, ns in split.parts.items()},
        "lock_bounds_ms": None if split.bounds is None else [bound / 1e6 for bound in split.bounds],
        "locks": _behind(split.locks),
        "locks_felt_through": {cause: _behind(pairs) for cause, pairs in split.through.items()},
    }


def _behind(locks: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    ranked = sorted(locks.items(), key=lambda pair: -pair[1])
    return [{"behind": holder, "on": on, "ms": ns / 1e6} for (holder, on), ns in ranked]


def _blame(blame: Blame) -> dict[str, Any]:
    return {
        "known": blame.known or "unknown",
        "direct": _pairs(blame.direct),
        "root": _pairs(blame.root),
        "depth_s": {str(depth): round(seconds, 6) for depth, seconds in sorted(blame.depth_s.items())},
        "convoys": [vars(convoy) for convoy in blame.convoys],
        "worst": [{**vars(wait), "chain": list(wait.chain)} for wait in blame.worst],
    }


def _pairs(pairs: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    ranked = sorted(pairs.items(), key=lambda pair: -pair[1])
    return [{"waited": w, "behind": h, "seconds": round(s, 6)} for (w, h), s in ranked]


def _durations(found: WaitDurations) -> dict[str, Any]:
    return {
        "known": found.known or "unknown",
        "threshold_s": found.threshold_s,
        "timed": [
            {"from_s": low, "to_s": high, "waits": int(n)}
            for low, high, n in zip(found.edges_s[:-1].tolist(), found.edges_s[1:].tolist(), found.counts, strict=True)
            if n
        ],
        "threshold_in_part": found.in_part,
        "below_threshold_s": found.below.seconds,
        "below_threshold_interval_s": found.interval_s(found.below),
        "sampled_s": found.sampled.seconds,
        "sampled_interval_s": found.interval_s(found.sampled),
        "open": found.open,
    }
