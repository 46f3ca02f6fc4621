"""Why attempts failed, in words."""

from loadtests.records.vocabulary import LOCAL_ERRORS
from reports.findings.operations import Measure
from reports.text.wording import listed

_ERRORS = {
    "connect_refused": "connection refused",
    "storage_unavailable": "storage unavailable",
    "storage_conflict": "lost to concurrent transactions",
    "timeout": "no answer in time",
    "cut_off": "connection cut",
    "run_ended": "still open at the end of the run",
    "internal": "internal error",
    "dns": "name not resolved",
}

_NAMED = 2
"""Errors that are named with their numbers."""


def errors_of(measure: Measure) -> str:
    """`connection refused 3,106, no answer in time 51`: the most frequent errors of attempts without success."""
    refusals = {"already_accepted", "chat_closed", "not_subscribed", "draining"}
    found = {error: n for error, n in measure.errors.items() if error not in refusals}
    ranked = sorted(found, key=lambda error: -found[error])
    words = [f"{_error_words(error)} {found[error]:,}" for error in ranked[:_NAMED]]
    rest = sum(found[error] for error in ranked[_NAMED:])
    return listed([*words, f"other errors {rest:,}"] if rest else words)


def _error_words(error: str) -> str:
    if error in LOCAL_ERRORS:
        return "a resource of the load generator's host exhausted"
    return _ERRORS.get(error, error.replace("_", " "))
