"""What this version's gate states otherwise than 0.3.0 about the stored studies, and why. Nothing else may differ.

Attempts are correlated: neighbours are bad together. Version 0.3.0 took each for independent, and asked every round to
reach the verdict by itself. Now an interval is that of the effective number of attempts, and rounds are judged
together (`docs/objectives.md`, "How it judges").
"""

from collections.abc import Mapping

from study_figures import Difference, matched

INTERVALS = (
    "verdict/checks/*/interval/*",
    "verdict/checks/*/rounds/*/interval/*",
    "comparison/checks/*/interval/*",
    "comparison/checks/*/rounds/*/interval/*",
)
"""Bounds of objectives and of `no worse`: each may lie farther out than in 0.3.0, and never closer."""

Verdicts = Mapping[str, tuple[str, str]]
"""Key path → the verdict of 0.3.0, and that of this version."""

TOGETHER = "the rounds pass, or fail, together; one of them is too short to do so by itself"
CORRELATED = "bad attempts come in blocks, so that they are worth fewer independent ones"

VERDICTS: Mapping[str, Mapping[str, Verdicts]] = {
    "compare": {
        TOGETHER: {
            "verdict/storages/sqlite": ("unknown", "pass"),
            "verdict/checks/4/verdict": ("unknown", "pass"),  # chat-accept: 107 of 107 good
            "verdict/checks/69/verdict": ("unknown", "pass"),  # subscription-create: 177 of 179 good
            "comparison/checks/36/verdict": ("unknown", "pass"),  # the same
        },
        CORRELATED: {"comparison/checks/70/rounds/0/verdict": ("fail", "unknown")},  # no worse: chat-accept
    },
    # chat-accept in one round of 2.5 s: 26 of 39 good are worth 6 independent ones
    "damaged": {
        CORRELATED: {
            "verdict/overall": ("fail", "unknown"),
            "verdict/storages/postgres:pessimistic": ("fail", "unknown"),
            "verdict/checks/56/verdict": ("fail", "unknown"),
            "comparison/overall": ("fail", "unknown"),
            "comparison/storages/postgres:pessimistic": ("fail", "unknown"),
            "comparison/checks/37/verdict": ("fail", "unknown"),
            "comparison/checks/56/verdict": ("fail", "unknown"),  # no worse: chat-accept
        }
    },
    "outage": {
        TOGETHER: {"verdict/checks/3/verdict": ("unknown", "fail")},  # chat-accept: 218 of 248 good
        CORRELATED: {
            "verdict/checks/2/rounds/0/verdict": ("fail", "unknown"),
            "verdict/checks/2/rounds/1/verdict": ("fail", "unknown"),
            "verdict/checks/3/rounds/0/verdict": ("fail", "unknown"),
        },
    },
    # chat-accept: 6 of 9 good are worth 4 independent ones
    "engines": {
        CORRELATED: {
            "verdict/checks/4/verdict": ("fail", "unknown"),
            "verdict/checks/4/rounds/0/verdict": ("fail", "unknown"),
            "comparison/checks/4/verdict": ("fail", "unknown"),
            "comparison/checks/4/rounds/0/verdict": ("fail", "unknown"),
        }
    },
}


def is_intended(study: str, difference: Difference) -> bool:
    """Whether a figure differs as listed here."""
    path, expected, found = difference
    parts = tuple(path.split("/"))
    if any(len(pattern.split("/")) == len(parts) and matched(pattern, parts) is not None for pattern in INTERVALS):
        return bool(found <= expected if parts[-1] == "0" else found >= expected)
    verdicts = {p: change for listed in VERDICTS.get(study, {}).values() for p, change in listed.items()}
    return verdicts.get(path) == (expected, found)
