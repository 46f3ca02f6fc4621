"""Several objectives judged at once: the more of them, the likelier it is that one fails by chance."""

from collections.abc import Sequence
from dataclasses import replace

from reports.gate.judging.statistics import ALPHA
from reports.gate.judging.verdicts import Check, Verdict


def corrected(checks: Sequence[Check]) -> list[Check]:
    """The checks of one storage, so that chance alone makes any of them fail at most once in twenty times (Holm, "A
    simple sequentially rejective multiple test procedure", 1979). A pass is not corrected: all of them have to pass,
    and each needs evidence of its own."""
    members = sum(1 for check in checks if check.n)
    failed = sorted((check.p_fail or 0.0, place) for place, check in enumerate(checks) if check.verdict is Verdict.FAIL)
    for rank, (p_fail, _) in enumerate(failed):
        level = ALPHA / max(members - rank, 1)
        if p_fail > level:
            doubtful = {place for _, place in failed[rank:]}
            return [_doubtful(c, members, level) if place in doubtful else c for place, c in enumerate(checks)]
    return list(checks)


def _doubtful(check: Check, members: int, level: float) -> Check:
    reason = (
        f"{check.reason}, but of {members} objectives one does so by chance too often: its p-value is "
        f"{check.p_fail:.2g}, and a fail needs {level:.2g} (Holm); more rounds with the same share make it fail"
    )
    return replace(check, verdict=Verdict.UNKNOWN, reason=reason)
