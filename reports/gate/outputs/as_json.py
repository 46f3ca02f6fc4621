"""A judgement as `verdict.json`; `docs/run-directory.md` documents its keys."""

from typing import Any

from reports.data.objective import Objectives
from reports.gate.judging.verdicts import Check, CheckFigure, Judgement

FORMAT = 1


def as_document(judgement: Judgement, objectives: Objectives, study: str) -> dict[str, Any]:
    comparison = judgement.comparison
    return {
        "format": FORMAT,
        "study": study,
        "objectives": {"file": objectives.source, "sha256": objectives.sha256},
        "overall": judgement.overall.value,
        "storages": {storage: verdict.value for storage, verdict in judgement.storages.items()},
        "comparison": vars(comparison) if comparison is not None else None,
        "checks": [_check(check) for check in judgement.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        **{"check": check.check, "storage": check.storage, "round": check.round, "run": check.run},
        **{"verdict": check.verdict.value, "decides": check.decides, "bias": str(check.bias) or None},
        **{"observed": check.observed, "limit": check.limit, "unit": check.unit, "n": check.n},
        **{"interval": list(check.interval) if check.interval else None, "reason": check.reason},
        **{"effective_n": check.effective_n, "p_fail": check.p_fail},
        "rounds": [_round(share) for share in check.rounds],
    }


def _round(figure: CheckFigure) -> dict[str, Any]:
    return {
        **{"round": figure.round, "run": figure.run, "verdict": figure.verdict.value},
        **{"observed": figure.observed, "n": figure.n, "interval": list(figure.bounds) if figure.n else None},
    }
