"""What can be wrong with a run, and which verdicts each fault still leaves standing.

To add a check: write a function from a run to a `Finding`, and give it one line in `SOUNDNESS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from reports.data.objective import Objectives
from reports.gate.inputs.evidence import RunEvidence
from reports.gate.judging.verdicts import Bias, Check, Verdict

BLIND_SHARE = 0.05
"""Share of the judged time that the observer may miss: single samples time out on a busy machine."""

CUT_SHORT = frozenset({"interrupted", "objective_failed", "observer_died"})
"""Reasons of an end that stop the load and leave pod, database and generator as they were."""

_NAMED = 3
"""Differences that are named when there are more."""

_AGAIN = "see RUN/log for details; make the run again"
_MORE = "see docs/limits.md for how to raise it"
_LIGHTER = "give it more --processes or a host of its own, or ask for a lower arrival rate"
_UNWATCHED = "watch a pod that the harness starts itself, or set loadtests/observer: optional in the objectives"
_UNSEEING = "reduce the load on this host, or move the database to a host of its own"


class SoundnessFinding(NamedTuple):
    """What a check found: `reason` is empty when nothing is wrong. `limit` and `unit` are those of `observed`."""

    reason: str = ""
    observed: float | None = None
    limit: float | None = None
    unit: str = ""


def unreadable(run: RunEvidence) -> SoundnessFinding:
    return SoundnessFinding(run.broken)


def aborted(run: RunEvidence) -> SoundnessFinding:
    return SoundnessFinding(f"aborted: there is no end.json; {_AGAIN}" if run.reason is None else "")


def cut_short_with_other_agents(run: RunEvidence) -> SoundnessFinding:
    if run.reason not in CUT_SHORT or not run.other_agents:
        return SoundnessFinding()
    return SoundnessFinding(f"{_ended_early(run).reason}; before that, {_named(run.other_agents)}")


def cut_short(run: RunEvidence) -> SoundnessFinding:
    return _ended_early(run) if run.reason in CUT_SHORT else SoundnessFinding()


def broke_down(run: RunEvidence) -> SoundnessFinding:
    return SoundnessFinding() if run.reason in (None, "completed", *CUT_SHORT) else _ended_early(run)


def other_load(run: RunEvidence) -> SoundnessFinding:
    if run.reason != "completed" or not run.missing_load:
        return SoundnessFinding()
    named = _named(run.missing_load)
    return SoundnessFinding(
        f"the run is marked as completed, but its rows show another load than planned: {named}; {_AGAIN}"
    )


def actions_undone(run: RunEvidence) -> SoundnessFinding:
    if run.reason != "completed" or not run.undone_actions:
        return SoundnessFinding()
    return SoundnessFinding(f"actions of the timeline were not carried out: {_named(run.undone_actions)}; {_AGAIN}")


def without_plan(run: RunEvidence) -> SoundnessFinding:
    if not run.without_plan:
        return SoundnessFinding()
    return SoundnessFinding(f"the load cannot be compared with its plan: {run.without_plan}; was the run copied whole?")


def _named(differences: Sequence[str]) -> str:
    more = len(differences) - _NAMED
    return "; ".join(differences[:_NAMED]) + (f" (and {more} more)" if more > 0 else "")


def _ended_early(run: RunEvidence) -> SoundnessFinding:
    detail = f" ({run.detail})" if run.detail else ""
    return SoundnessFinding(f"ended early: {run.reason}{detail}; {_AGAIN}")


def not_counted(run: RunEvidence) -> SoundnessFinding:
    kept = run.kept
    if kept is None:
        return SoundnessFinding(f"the number of lost operations is unknown: there is no end.json; {_AGAIN}")
    if kept.lost is None and kept.lost_at_most is None:
        return SoundnessFinding(f"it is unknown how many operations were lost; {_AGAIN}")
    if kept.found > kept.written:
        return SoundnessFinding(
            f"{kept.written} operations were written, {kept.found} are in the files: some are not of this run"
        )
    return SoundnessFinding()


def operations_lost(run: RunEvidence) -> SoundnessFinding:
    kept = run.kept
    if kept is None:
        return SoundnessFinding()
    found = partial(SoundnessFinding, limit=0.0, unit="operations lost")
    if kept.lost is None and kept.lost_at_most is not None:
        return found(f"it is unknown how many operations were lost, {kept.lost_at_most} at most; {_AGAIN}")
    if kept.lost:
        return found(f"{kept.lost} operations were lost; {_AGAIN}", kept.lost)
    missing = kept.written - kept.found
    if missing > 0:
        files = f"{kept.written} operations were written, {kept.found} are in the files: was the run copied whole?"
        return found(files, missing)
    return found(observed=0)


def saturated(run: RunEvidence) -> SoundnessFinding:
    if run.saturated is None:
        return SoundnessFinding(f"it is unknown whether the generator kept up; {_AGAIN}")
    if not run.saturated or not run.slowed:
        return SoundnessFinding()
    strain = f" ({run.strain})" if run.strain else ""
    busy = f"; {run.host_load}" if run.host_load else ""
    return SoundnessFinding(
        f"the generator was saturated: it may have made the latency itself{strain}{busy}; {_LIGHTER}"
    )


def short_of_resources(run: RunEvidence) -> SoundnessFinding:
    if not run.saturated or run.slowed:
        return SoundnessFinding()
    return SoundnessFinding(f"the generator was saturated: {run.strain}; {_MORE}")


def exhausted(run: RunEvidence) -> SoundnessFinding:
    return SoundnessFinding(f"this host ran out of resources: {run.exhausted}; {_MORE}" if run.exhausted else "")


def under_other_load(run: RunEvidence) -> SoundnessFinding:
    return SoundnessFinding(run.host_load)


def unobserved(run: RunEvidence) -> SoundnessFinding:
    coverage = run.coverage
    if coverage is None:
        return SoundnessFinding(f"there was no observer; {_UNWATCHED}")
    found = partial(
        SoundnessFinding,
        observed=coverage.blind_s,
        limit=BLIND_SHARE * coverage.judged_s,
        unit="s blind in judged time",
    )
    if coverage.blind_s <= BLIND_SHARE * coverage.judged_s:
        return found("")
    why = f": {coverage.reason}" if coverage.reason else ""
    why += f"; {run.host_load}" if run.host_load else ""
    return found(f"blind for {coverage.blind_s:.1f} s of {coverage.judged_s:.1f} s of judged time{why}; {_UNSEEING}")


class Soundness(NamedTuple):
    """One way in which a run can be at fault. Several may share the name of a check: the first that finds a fault is
    reported. `why` explains the `bias` of the fault; the documentation quotes it."""

    check: str
    find: Callable[[RunEvidence], SoundnessFinding]
    bias: Bias
    why: str


SOUNDNESS: tuple[Soundness, ...] = (
    Soundness("completed", aborted, Bias.EITHER, "how many operations were cut off unwritten is unknown"),
    Soundness("completed", cut_short_with_other_agents, Bias.EITHER, "fewer agents have more to do"),
    Soundness("completed", cut_short, Bias.HIDES, "the stages that were not run have no failures"),
    Soundness(
        "completed",
        broke_down,
        Bias.EITHER,
        "the component that broke may have failed operations, and reduced the load",
    ),
    Soundness("completed", other_load, Bias.EITHER, "fewer agents have more to do, and fewer arrivals hide failures"),
    Soundness("completed", actions_undone, Bias.HIDES, "failures that the action would have caused are missing"),
    Soundness("completed", without_plan, Bias.MISSING, "what was planned is unknown, not what happened"),
    Soundness("operations kept", not_counted, Bias.EITHER, "any number of good or bad operations may be missing"),
    Soundness("operations kept", operations_lost, Bias.MISSING, "they are counted as good for `fail`"),
    Soundness(
        "generator",
        saturated,
        Bias.HIDES | Bias.EXPLAINS,
        "a slow generator makes fewer operations, and those that it may have made late itself count as good for `fail`",
    ),
    Soundness(
        "generator",
        short_of_resources,
        Bias.HIDES,
        "operations that its host could not begin are missing, and those that wait for them count as good for `fail`",
    ),
    Soundness("host", exhausted, Bias.EITHER, "pods and servers rejected operations, or delayed them"),
    Soundness(
        "host",
        under_other_load,
        Bias.EXPLAINS,
        "it only slows down: attempts that were under way then count as good for `fail`",
    ),
    Soundness("observer", unobserved, Bias.MISSING, "it only reads: no operation fails or succeeds by it"),
)
"""Every check of a run that can be read. `Bias` determines which verdicts a fault leaves standing."""


@dataclass(frozen=True)
class CheckedRun:
    """A run with its soundness checks."""

    run: RunEvidence
    checks: tuple[Check, ...]

    @property
    def faults(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.verdict is not Verdict.PASS)

    @property
    def bias(self) -> Bias:
        """That of all faults together."""
        together = Bias.NONE
        for fault in self.faults:
            together |= fault.bias
        return together

    def with_unseen(self, objective: str) -> "CheckedRun":
        """For an objective: with a fault where an unknown number of its bad attempts is in no count."""
        why = self.run.unseen.get(objective)
        if not why:
            return self
        of = self.run.storage, self.run.round, self.run.run
        fault = Check("lost events", Verdict.UNKNOWN, *of, reason=why, bias=Bias.MISSING)
        return replace(self, checks=(*self.checks, fault))


def check_run(run: RunEvidence, objectives: Objectives) -> CheckedRun:
    """The run with the verdict of each soundness check: `pass` or `unknown`."""
    if run.broken:
        unread = Soundness("readable", unreadable, Bias.MISSING, "the run has no figures at all")
        return CheckedRun(run, (_check(run, [unread]),))
    optional = {"observer"} if run.coverage is None and not objectives.observer_required else set()
    names = [name for name in dict.fromkeys(line.check for line in SOUNDNESS) if name not in optional]
    return CheckedRun(run, tuple(_check(run, [line for line in SOUNDNESS if line.check == name]) for name in names))


def _check(run: RunEvidence, lines: Sequence[Soundness]) -> Check:
    """One check of a run: the first fault of its lines, else a pass with the figure of the last line."""
    found = SoundnessFinding()
    for line in lines:
        try:
            found = line.find(run)
        except Exception as error:  # any error: a check that crashed must not become a pass
            return _fault(
                run, line, SoundnessFinding(f"the check crashed: {type(error).__name__}: {error}"), Bias.EITHER
            )
        if found.reason:
            return _fault(run, line, found, line.bias)
    return _as_check(run, lines[0].check, found)


def _fault(run: RunEvidence, line: Soundness, found: SoundnessFinding, bias: Bias) -> Check:
    """A fault that can only have caused failures leaves a pass as it is, so its check does not decide: it turns the
    objectives that fail into `unknown`."""
    check = replace(_as_check(run, line.check, found), verdict=Verdict.UNKNOWN, bias=bias)
    if bias not in (Bias.CAUSES, Bias.EXPLAINS):
        return check
    return replace(check, decides=False, reason=f"{found.reason}; this can only cause failures, so a pass stands")


def _as_check(run: RunEvidence, name: str, found: SoundnessFinding) -> Check:
    figure = found.observed, found.limit, found.unit
    return Check(name, Verdict.PASS, run.storage, run.round, run.run, *figure, reason=found.reason)
