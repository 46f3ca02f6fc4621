"""Verdicts on the ledger's checks, by what the storage promises."""

from collections.abc import Iterator
from dataclasses import replace

from reports.gate.inputs.evidence import LedgerCheck, RunEvidence
from reports.gate.judging.verdicts import Check, Verdict

_OPTIONAL = "test a storage that the harness can read, or set loadtests/ledger: optional in the objectives"
NEED_NOT_BE_KNOWN = frozenset(
    {
        "accepts_nobody_was_told",
        "never_offered",
        "duplicated_messages",
        "reordered",
        "sequence_gaps",
        "lost_pushes",
    }
)
"""Checks that may be unknown without affecting the verdict: not every run has data for them."""

NEEDS_EVERY_ROW = frozenset({"accepts_nobody_was_told", "never_offered", "lost_pushes", "diverged"})
"""Checks that can fail only because a row of the load is missing. In the others a missing row can only hide a
failure."""

_VERDICTS = {v.value: v for v in Verdict}


def check_ledger(run: RunEvidence, required: bool) -> Iterator[Check]:
    """One check for each of the ledger's; unknown where the ledger, or its search for orphans, is missing. An unknown
    check decides nothing where the ledger is not required, or where the check may be unknown."""
    if run.ledger is None:
        if required:
            yield _check(run, "ledger", Verdict.UNKNOWN, None, f"there is no ledger.json; {_OPTIONAL}")
        return
    for found in run.ledger:
        verdict, reason = _orphans(run, found) if found.check == "orphans" else _as_found(found)
        if verdict is Verdict.FAIL and found.check in NEEDS_EVERY_ROW and not _has_every_row(run):
            verdict = Verdict.UNKNOWN
            reason = "; ".join(filter(None, [reason, "operations were lost, and that alone can be the cause"]))
        check = _check(run, f"ledger: {found.check}", verdict, found.count, reason)
        decides = verdict is not Verdict.UNKNOWN or (required and _must_be_known(found))
        yield check if decides else replace(check, decides=False)
    if required and not any(found.check == "orphans" for found in run.ledger):
        yield _check(
            run, "ledger: orphans", Verdict.UNKNOWN, None, f"the ledger did not search for orphans; {_OPTIONAL}"
        )


def _has_every_row(run: RunEvidence) -> bool:
    return run.kept is not None and run.kept.lost == 0 and run.kept.found == run.kept.written


def _must_be_known(found: LedgerCheck) -> bool:
    """Whether an unknown verdict on this check decides. An invalid verdict always does."""
    return found.check not in NEED_NOT_BE_KNOWN or found.verdict != "unknown"


def _as_found(found: LedgerCheck) -> tuple[Verdict, str]:
    verdict = _VERDICTS.get(found.verdict, Verdict.UNKNOWN)
    if verdict is Verdict.PASS and found.count:
        return Verdict.UNKNOWN, f"the ledger calls {found.count} a pass"
    if verdict is Verdict.PASS and found.count is None:
        return Verdict.UNKNOWN, "the ledger calls a pass what it did not count"
    return verdict, found.reason


def _orphans(run: RunEvidence, found: LedgerCheck) -> tuple[Verdict, str]:
    if found.verdict not in ("pass", "fail") or found.count is None:
        return Verdict.UNKNOWN, found.reason or "the orphans could not be counted"
    if found.count == 0:
        return Verdict.PASS, found.reason
    if run.no_orphans is None:
        return Verdict.UNKNOWN, f"{found.count} orphans, and it is unknown whether the storage promises none"
    if run.no_orphans:
        return Verdict.FAIL, f"{found.count} orphans where none were promised"
    return Verdict.PASS, f"{found.count} orphans; {run.storage} does not promise to leave none"


def _check(run: RunEvidence, name: str, verdict: Verdict, count: int | None, reason: str) -> Check:
    return Check(name, verdict, run.storage, run.round, run.run, count, 0.0, "objects", reason=reason)
