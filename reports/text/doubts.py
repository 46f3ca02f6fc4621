"""What to doubt: one line for each kind, over all rounds, serious ones first."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from reports.data.contract import StudyRun
from reports.findings.locks import counted_wait_s, disagree
from reports.findings.operations import FROM_STAMP, Measure
from reports.findings.study import Findings, StorageFindings
from reports.text.contract import MINOR, SERIOUS, Doubt
from reports.text.doubt_kinds import RUN_KINDS, RunKind, Seen, items, spread
from reports.text.phrases import clock_fault
from reports.text.plain_names import cut, few, operation_words
from reports.text.wording import digits, listed, span, times

_REASONS = 2
"""Different reasons that a line states; of more it states the first and their number."""
_REASON = 240
"""Characters of a reason."""
_NAMED = 3
"""Operations named with their numbers; the others are summed up."""


def doubts(findings: Findings) -> tuple[Doubt, ...]:
    found = [*_of_runs(findings), *(doubt for kind in STUDY_KINDS for doubt in kind(findings))]
    return tuple(sorted(found, key=lambda doubt: doubt.severity != SERIOUS))


def _of_runs(findings: Findings) -> Iterator[Doubt]:
    counted = {run.name for storage in findings.storages for run in storage.pooled}
    for kind in RUN_KINDS:
        by_run = {run.name: list(kind.find(run, run.name in counted)) for run in findings.runs}
        runs = [run for run in findings.runs if by_run[run.name]]
        if runs:
            line = _line(findings, kind, runs, [by_run[run.name] for run in runs])
            yield Doubt(kind.severity, line, kind.consequence, _names(runs))


def _names(runs: Sequence[StudyRun]) -> tuple[str, ...]:
    return tuple(run.name for run in runs)


def _line(findings: Findings, kind: RunKind, runs: Sequence[StudyRun], by_run: Sequence[list[Seen]]) -> str:
    seen = [one for found in by_run for one in found]
    totals = [sum(one.amount for one in found if one.amount is not None) for found in by_run]
    known = any(one.amount is not None for one in seen)
    text = kind.text.format(
        amount=spread(totals, kind.show) if known else "an unknown number of",
        subjects=few(dict.fromkeys(one.subject for one in seen), most=8),
        items=items(seen, kind.show),
    )
    place = where(findings, runs)
    return f"{text}{f' {place}' if place else ''}{_reasons(seen)}"


def _reasons(seen: Sequence[Seen]) -> str:
    reasons = [cut(reason, _REASON) for reason in dict.fromkeys(one.reason for one in seen) if reason]
    if not reasons:
        return ""
    shown = reasons if len(reasons) <= _REASONS else [reasons[0], f"{len(reasons) - 1} other reasons"]
    return f" ({'; '.join(shown)})"


def where(findings: Findings, runs: Sequence[StudyRun]) -> str:
    """`in 5 of 5 rounds`, `in 1 of 2 rounds of sqlite`, `in all 6 runs`; empty in a study of one run."""
    if len(findings.runs) == 1:
        return ""
    rounds, concerned = (Counter(run.storage for run in some) for some in (findings.runs, runs))
    if len(rounds) == 1:
        return f"in {len(runs)} of {len(findings.runs)} rounds"
    if len(runs) == len(findings.runs):
        return f"in all {len(runs)} runs"
    if len(concerned) > _NAMED:
        return f"in {len(runs)} of {len(findings.runs)} runs"
    labels = {s.storage: s.label for s in findings.storages}
    if all(n == rounds[name] for name, n in concerned.items()):
        return f"on {listed([labels[name] for name in concerned])}"
    return f"in {listed([f'{n} of {rounds[name]} rounds of {labels[name]}' for name, n in concerned.items()])}"


def _changed_harness(findings: Findings) -> Iterator[Doubt]:
    runs = [run for run in findings.runs if run.manifest]
    commits = dict.fromkeys(str((run.manifest.get("harness") or {}).get("commit"))[:10] for run in runs)
    if len(commits) > 1:
        text = f"the harness changed between runs: commits {few(commits)}"
        yield Doubt(SERIOUS, text, "differences between runs may be the harness's")


def _wrong_totals(findings: Findings) -> Iterator[Doubt]:
    for storage in findings.storages:
        for name, entry in storage.counted.items():
            counted_s, seen = counted_wait_s(entry), storage.sampled.get(name)
            if counted_s is None or seen is None or not disagree(entry, seen):
                continue
            low, high = (digits(bound) for bound in seen.interval_s)
            least, most = (digits(bound) for bound in counted_s)
            text = (
                f"sampled row lock waits of {_database(findings, storage, name)} add up to {digits(seen.seconds)} s "
                f"({span(low, high)} s), but the server counted {span(least, most)} s of the same waits"
            )
            yield Doubt(
                SERIOUS, text, "lock times are wrong by that much; latencies are not affected", _pooled(storage)
            )


def _database(findings: Findings, storage: StorageFindings, name: str) -> str:
    alone = len(findings.storages) == 1 or name == storage.label
    return cut(name) if alone else f"{cut(name)} on {storage.label}"


def _pooled(storage: StorageFindings) -> tuple[str, ...]:
    return _names(storage.pooled)


def _reset_totals(findings: Findings) -> Iterator[Doubt]:
    for storage in findings.storages:
        for name, entry in storage.counted.items():
            if entry.resets:
                subject = f"totals of {_database(findings, storage, name)}"
                text = f"{subject} were reset {times(entry.resets)} in the judged time, or the server restarted"
                meaning = f"its totals are known for {entry.seen:.0%} of that time; latencies are not affected"
                yield Doubt(MINOR, text, meaning, _pooled(storage))


def _unusable_stamps(findings: Findings) -> Iterator[Doubt]:
    for storage in findings.storages:
        stamped = storage.measures.get(FROM_STAMP)
        if stamped is not None and stamped.unreliable_clock:
            text = f"the clock of the stamps of {storage.label} {clock_fault(stamped.unreliable_clock)}"
            meaning = "figures from stamps are omitted; all other figures are not affected"
            yield Doubt(MINOR, text, meaning, _pooled(storage))


def _outcomes(outcome: str, text: str, consequence: str) -> Callable[[Findings], Iterator[Doubt]]:
    """Operations of that outcome, in one line over all systems."""

    def kind(findings: Findings) -> Iterator[Doubt]:
        found = {s.storage: {n: m for n, m in s.measures.items() if m.outcomes[outcome]} for s in findings.storages}
        systems = [s for s in findings.storages if found[s.storage]]
        parts = [_counted(s, found[s.storage], outcome, len(findings.storages) > 1) for s in systems]
        if parts:
            runs = tuple(name for s in systems for name in _pooled(s))
            yield Doubt(MINOR, f"{text}: {'; '.join(parts)}", consequence, runs)

    return kind


def _counted(storage: StorageFindings, found: Mapping[str, Measure], outcome: str, several: bool) -> str:
    """`on sqlite Accept chat 9 of 300, connecting 3 of 80`, the operations with most of them first."""
    found = {name: measure for name, measure in found.items() if name != FROM_STAMP or len(found) == 1}
    ranked = sorted(found.items(), key=lambda one: -one[1].outcomes[outcome])
    words = [f"{operation_words(name)} {m.outcomes[outcome]:,} of {m.n:,}" for name, m in ranked[:_NAMED]]
    more = ranked[_NAMED:]
    if more:
        rest = sum(m.outcomes[outcome] for _, m in more)
        words.append(f"{len(more)} other {'kind' if len(more) == 1 else 'kinds'} {rest:,}")
    return f"{f'on {storage.label} ' if several else ''}{', '.join(words)}"


STUDY_KINDS: tuple[Callable[[Findings], Iterator[Doubt]], ...] = (
    _changed_harness,
    _wrong_totals,
    _outcomes(
        "unknown",
        "operations without an answer",
        "each counts with at least its observed wait, so figures marked ≥ are lower bounds",
    ),
    _outcomes("fail", "failed operations", "percentiles exclude them; shares and counts of failures do not"),
    _unusable_stamps,
    _reset_totals,
)
