"""Whether a run can be believed: it ended as it should, kept every operation, its generator kept up, it was watched."""

from collections.abc import Callable, Mapping

from reports.gate.evidence import RunEvidence
from reports.gate.verdicts import Check, Verdict

BLIND_SHARE = 0.05
"""The observer may miss this much of the judged time: single ticks do time out on a busy machine."""


_AGAIN = "RUN/log says more; make the run again"
_LIGHTER = "give it more --processes or a host of its own, or ask for a lower arrival rate"
_UNWATCHED = "watch a pod that the harness starts itself, or let the objectives say loadtests/observer: optional"
_UNSEEING = "ask for less load on this host, or give the database one of its own"


def check_completed(run: RunEvidence) -> Check:
    if run.reason is None:
        return _check(run, "completed", f"aborted: there is no end.json; {_AGAIN}")
    if run.reason != "completed":
        return _check(
            run, "completed", f"ended early: {run.reason}{f' ({run.detail})' if run.detail else ''}; {_AGAIN}"
        )
    return _check(run, "completed")


def check_kept(run: RunEvidence) -> Check:
    kept = run.kept
    if kept is None:
        return _check(run, "operations kept", f"nobody counted the operations: there is no end.json; {_AGAIN}")
    if kept.lost is None:
        at_most = "" if kept.lost_at_most is None else f", {kept.lost_at_most} at most"
        return _check(run, "operations kept", f"it cannot be told how many operations were lost{at_most}; {_AGAIN}")
    if kept.lost != 0:
        return _check(run, "operations kept", f"{kept.lost} operations were lost; {_AGAIN}", kept.lost)
    if kept.found != kept.written:
        missing = kept.written - kept.found
        reason = f"{kept.written} operations were written, {kept.found} are in the files: was the run copied whole?"
        return _check(run, "operations kept", reason, missing)
    return _check(run, "operations kept", observed=0)


def check_generator(run: RunEvidence) -> Check:
    if run.saturated is None:
        return _check(run, "generator", f"it cannot be told whether the generator kept up; {_AGAIN}")
    if not run.saturated:
        return _check(run, "generator")
    told = f" ({run.strain})" if run.strain else ""
    return _check(run, "generator", f"the generator was saturated: it made the latency itself{told}; {_LIGHTER}")


def check_observer(run: RunEvidence) -> Check:
    sight = run.sight
    if sight is None:
        return _check(run, "observer", f"there was no observer; {_UNWATCHED}")
    if sight.blind_s <= BLIND_SHARE * sight.judged_s:
        return _check(run, "observer", observed=sight.blind_s)
    why = f": {sight.reason}" if sight.reason else ""
    reason = f"blind for {sight.blind_s:.1f} s of {sight.judged_s:.1f} s of judged time{why}; {_UNSEEING}"
    return _check(run, "observer", reason, sight.blind_s)


SOUNDNESS: Mapping[str, Callable[[RunEvidence], Check]] = {
    "completed": check_completed,
    "operations kept": check_kept,
    "generator": check_generator,
}
"""Asked of every run; the observer is asked for besides, where it is required."""

_LIMITS = {"operations kept": (0.0, "operations lost"), "observer": (None, "s blind in judged time")}


def _check(run: RunEvidence, name: str, wrong: str = "", observed: float | None = None) -> Check:
    limit, unit = _LIMITS.get(name, (None, ""))
    if name == "observer" and run.sight is not None:
        limit = BLIND_SHARE * run.sight.judged_s
    verdict = Verdict.UNKNOWN if wrong else Verdict.PASS
    return Check(name, verdict, run.storage, run.round, run.run, observed, limit, unit, reason=wrong)
