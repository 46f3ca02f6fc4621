"""The headline: which storage makes Accept chat wait, by how much, behind which locks; and the doubts."""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.records.rundirectory import short_files
from reports.data.contract import MOST_DRAWN, StudyRun, ledger_checks
from reports.data.generator import exhausted, listed_errors, local_errors, slowed, strain, untimed
from reports.findings.operations import FROM_STAMP, Estimate, Measure
from reports.findings.study import Findings, StorageFindings
from reports.text.blast_radius import words
from reports.text.lock_doubts import counter_doubts, lock_doubts
from reports.text.phrases import behind, clock_fault
from reports.text.sentence import locked_at, most_locked, sentence_of
from reports.text.wording import digits, duration, interval, listed, value, with_interval

ACCEPT = "chat.accept"
_LITTLE, _MOST = 0.05, 0.5
"""Shares of the waiting: below the first, lock waits are not its cause; above the second, they are."""
_FAILS = 0.01
"""A larger share of failures is reported before any latency."""
_FIGURES = ("p99", "p95", "p50", "max")
"""From the most informative to the one that always exists."""
_MATTERS = 1.2
"""Ratio of latencies below which a difference is too small to notice, even if significant."""
_NAMED = 3
"""Storages between the slowest and the fastest that are named; more are summarised."""
_SURVIVES = {
    "power_loss": "a power loss",
    "os_crash": "a crash of the operating system, but no power loss",
    "process_crash": "a crash of the process only",
    "nothing": "nothing",
}

Pair = tuple[StorageFindings, Measure]


@dataclass(frozen=True)
class Headline:
    """`answered` is False when there are no accepts. `durability` is empty when the promises are equal. `radius`, empty
    when no run had several pods, reports which pods breached their SLOs, when, and after which action."""

    answered: bool
    answer: str
    reason: str
    durability: str
    caveats: tuple[str, ...]
    radius: str = ""


def headline(findings: Findings) -> Headline:
    found: list[Pair] = [pair for pair in findings.of(ACCEPT) if pair[1].n]
    answered = [pair for pair in found if pair[1].response["max"]]
    dead = listed([storage.storage for storage, accept in found if not accept.response["max"]])
    shares = {s.storage: f"{m.outcomes['fail'] / m.n:.0%}" for s, m in answered if _fails(m)}
    failing = listed([f"{share} on {name}" if len(found) > 1 else share for name, share in shares.items()])
    contenders, beaten = _contenders(answered)
    figure = _figure([m for _, m in contenders])
    doubts = _durability(findings), tuple(_caveats(findings)), _radius(findings)
    if figure is None:
        why = f"every Accept chat on {dead} failed" if dead else "no Accept chat was recorded in the judged stages"
        return Headline(False, f"Unknown: {why}.", "", *doubts)
    ranked = sorted(contenders, key=lambda pair: -_of(pair[1], figure).value)
    answer, reason = _answer(ranked, figure)
    first = f"Every Accept chat on {dead} failed. " if dead else ""
    # Percentiles exclude failures: a storage must not appear fast because it rejects the work.
    first += f"Accept chat failed: {failing}. " if failing else ""
    first += f"So {listed(beaten)} {'is' if len(beaten) == 1 else 'are'} not called fast. " if beaten else ""
    return Headline(True, f"{first}{answer}", reason, *doubts)


def _contenders(found: list[Pair]) -> tuple[list[Pair], list[str]]:
    """Storages to compare, and those left out: a storage that fails its accepts can be the slowest, not the fastest."""
    sound = [m for _, m in found if not _fails(m)]
    if not sound:
        return found, []
    figure = next((f for f in _FIGURES if all(m.response[f] for _, m in found)), "max")
    quickest = min(_of(m, figure).value for m in sound)
    beaten = [s.storage for s, m in found if _fails(m) and _of(m, figure).value <= quickest]
    return [pair for pair in found if pair[0].storage not in beaten], beaten


def _fails(accept: Measure) -> bool:
    return accept.outcomes["fail"] > _FAILS * accept.n


def _figure(accepts: list[Measure]) -> str | None:
    """The highest percentile at which one storage is clearly slower than another; else the highest with enough rows to
    distinguish them, else the highest available."""
    names = [f for f in _FIGURES if accepts and all(m.response[f] for m in accepts)]
    if len(accepts) == 1:
        return next(iter(names), None)
    bounded = [f for f in names if _distinguishable([_of(m, f) for m in accepts])]
    clear = [f for f in bounded if _clear(*_slowest_and_fastest(accepts, f), f)]
    return next(iter((*clear, *bounded, *names)), None)


def _slowest_and_fastest(accepts: list[Measure], figure: str) -> tuple[Measure, Measure]:
    ranked = sorted(accepts, key=lambda m: _of(m, figure).value)
    return ranked[-1], ranked[0]


def _distinguishable(estimates: list[Estimate]) -> bool:
    fastest = min(estimates, key=lambda e: e.value)
    return fastest.high is not None and all(e.low is not None for e in estimates)


def _answer(ranked: list[tuple[StorageFindings, Measure]], figure: str) -> tuple[str, str]:
    """The sentence and its reason. `ranked` from the slowest to the fastest."""
    (worst, slow), (best, fast) = ranked[0], ranked[-1]
    slowest, fastest = _of(slow, figure), _of(fast, figure)
    reason = _causes(worst, figure) or _reason(worst, slow)
    if len(ranked) == 1:
        return f"On {worst.storage}, Accept chat has a {figure} of {with_interval(slowest)}.", reason
    if _fails(fast):
        text = listed([f"{s.storage} {with_interval(_of(m, figure))}" for s, m in ranked])
        return f"None of them accepts chats reliably enough to be called fast: {figure} {text}.", reason
    if not _clear(slow, fast, figure):
        text = listed([f"{s.storage} {with_interval(_of(m, figure))}" for s, m in ranked])
        return f"No storage clearly makes Accept chat wait longer than another: {figure} {text}.", reason
    times = digits(slowest.value / max(fastest.value, 1))
    between = _between(ranked[1:-1], figure)
    return (
        f"{worst.storage} makes Accept chat wait: {figure} {value(slowest)}, "
        f"{times} times that of {best.storage} ({value(fastest)}){between}."
    ), f"95 % intervals: {interval(slowest)} against {interval(fastest)}. {reason}"


def _between(others: list[Pair], figure: str) -> str:
    if len(others) > _NAMED:
        low, high = (value(_of(others[place][1], figure)) for place in (-1, 0))
        return f"; {len(others)} others: {low} to {high}"
    return "".join(f"; {s.storage}: {value(_of(m, figure))}" for s, m in others)


def _clear(slow: Measure, fast: Measure, figure: str) -> bool:
    """Whether one is slower than the other by enough to matter, beyond chance, in every round."""
    slowest, fastest = _of(slow, figure), _of(fast, figure)
    if slowest.low is None or fastest.high is None or slowest.low <= fastest.high:
        return False
    rounds = [[e.value for round_ in m.rounds.values() if (e := round_[figure])] for m in (slow, fast)]
    agree = not all(rounds) or min(rounds[0]) > max(rounds[1])
    return agree and slowest.value >= _MATTERS * fastest.value


def _of(measure: Measure, figure: str) -> Estimate:
    estimate = measure.response[figure]
    if estimate is None:
        raise KeyError(figure)
    return estimate


def _causes(storage: StorageFindings, figure: str) -> str:
    """Attribution of that figure and, where locks are not its cause, of the figure with most lock time."""
    accept = sentence_of(storage, ACCEPT, figure)
    if not accept or locked_at(storage, ACCEPT, figure):
        return accept
    return f"{accept} {most_locked(storage)}".strip()


def _reason(storage: StorageFindings, accept: Measure) -> str:
    waits = storage.waits
    if waits.known is None:
        return f"What {storage.storage} waited for was not observed."
    seconds = waits.of(ACCEPT)
    share = seconds / accept.waited_s if accept.waited_s else 0.0
    if share < _LITTLE:
        text = f"Locks are {share:.1%} of its accepts' waiting (known: {waits.known})."
    else:
        holder, holder_s = waits.behind(ACCEPT)[0]
        text = (
            f"Locks are {min(share, 1):.0%} of its accepts' waiting ({duration(seconds)}, known: {waits.known}), "
            f"{holder_s / seconds:.0%} of it {behind(holder)}."
        )
    return f"{text} {_client_backlog(accept)}{_meanwhile(storage)}" if share < _MOST else text


def _client_backlog(accept: Measure) -> str:
    share = accept.client_backlog_s / accept.waited_s if accept.waited_s else 0.0
    return f"{share:.0%} was client backlog (their agents were still in an earlier call). " if share >= _LITTLE else ""


def _meanwhile(storage: StorageFindings) -> str:
    """Where accepts mostly wait for something else, such as a queue: how many sessions waited for locks."""
    pairs = storage.waits.seconds
    mean = sum(pairs.values()) / storage.judged_s if storage.judged_s else 0.0
    if mean < _LITTLE:
        return "The rest was queues and work; hardly any session waited for a lock."
    waiter, holder = max(pairs, key=lambda pair: pairs[pair])
    busy = storage.sessions.judged
    at_work = digits(sum(busy.values()))
    waiting_sessions = f"{digits(busy['lock'])} of {at_work} busy sessions" if busy else f"{digits(mean)} sessions"
    return (
        f"The rest was queues and work, while on average {waiting_sessions} waited for locks, "
        f"most of all {waiter} {behind(holder)}."
    )


def _durability(findings: Findings) -> str:
    survives = findings.survives
    if len(set(survives.values())) < 2:
        return ""
    alike = {
        level: [name for name, promise in survives.items() if promise == level]
        for level in dict.fromkeys(survives.values())
    }
    promises = [
        f"a commit on {listed(names)} survives {_SURVIVES.get(level or '', level or 'an unknown failure')}"
        for level, names in alike.items()
    ]
    return f"Their durability differs: {'; '.join(promises)}."


def _caveats(findings: Findings) -> Iterator[str]:
    counted = {run.name for storage in findings.storages for run in storage.pooled}
    for run in findings.runs:
        yield from _run_caveats(run, run.name in counted)
    commits = dict.fromkeys(
        str((run.manifest.get("harness") or {}).get("commit")) for run in findings.runs if run.manifest
    )
    if len(commits) > 1:
        yield f"The harness changed between runs: commits {listed([c[:10] for c in commits])}."
    for storage in findings.storages:
        yield from counter_doubts(storage.storage, storage.counted, storage.sampled)
        if (stamped := storage.measures.get(FROM_STAMP)) is not None and stamped.unreliable_clock:
            fault = clock_fault(stamped.unreliable_clock)
            yield f"{storage.storage}: the clock of its stamps {fault}. Figures from stamps are omitted."
        unknown = {n: m.outcomes["unknown"] for n, m in storage.measures.items() if m.outcomes["unknown"]}
        if unknown:
            text = listed([f"{count:,} {name}" for name, count in unknown.items()])
            yield f"{storage.storage}: {text} ended as unknown; each counts with at least the observed wait (≥)."
        failed = {n: (m.outcomes["fail"], m.n) for n, m in storage.measures.items() if m.outcomes["fail"]}
        if failed:
            text = listed([f"{count:,} of {of:,} {name}" for name, (count, of) in failed.items()])
            yield f"{storage.storage}: {text} failed; percentiles exclude them."


def _run_caveats(run: StudyRun, counted: bool) -> Iterator[str]:
    if not run.completed:
        detail = (run.end or {}).get("detail") or "it left no end.json"
        fate = "its rows are the only ones of this storage" if counted else "left out of the figures"
        yield f"{run.name} did not complete ({run.ending}: {detail}); {fate}."
    yield from (f"{run.name}: {problem}." for problem in run.unreadable)
    if len(run.events) > MOST_DRAWN:
        yield f"{run.name} has {len(run.events):,} actions and faults; plots show the first {MOST_DRAWN}."
    if not run.manifest:
        yield f"{run.name} has no manifest: its settings are unknown and were not compared."
    if run.stages and not any(stage.judge for stage in run.stages):
        yield f"{run.name} marks no stage as judged: the whole run counts, warm-up included."
    if run.end is not None:
        yield from _end_caveats(run, run.end)
        yield from (f"{run.name}: {short}" for short in short_files(run.directory, run.end))
    yield from lock_doubts(run)
    yield from _ledger_caveats(run)
    for check in ledger_checks(run):
        if check.get("verdict") == "fail":
            reason = f" ({check['reason']})" if check.get("reason") else ""
            yield f"{run.name}: the ledger found {check.get('count')} {check.get('check')}{reason}."


def _ledger_caveats(run: StudyRun) -> Iterator[str]:
    checks = ledger_checks(run)
    if not checks:
        yield f"{run.name} has no ledger: whether orphans were left or anything was lost is unknown."
    unknown = [check for check in checks if check.get("verdict") not in ("pass", "fail")]
    if unknown:
        names, why = listed([str(check.get("check")) for check in unknown]), unknown[0].get("reason")
        yield f"{run.name}: the ledger could not determine {names}{f' ({why})' if why else ''}."


def _radius(findings: Findings) -> str:
    """Round by round, where the rounds do not agree."""
    sentences: list[str] = []
    for storage in findings.storages:
        rounds = {blast.run.name: words(blast) for blast in storage.blasts}
        if len(set(rounds.values())) == 1:
            rounds = {f"On {storage.storage}" if len(findings.storages) > 1 else "": next(iter(rounds.values()))}
        sentences += [f"{name}: {words}." if name else f"{words}." for name, words in rounds.items()]
    return " ".join(sentences)


def _end_caveats(run: StudyRun, end) -> Iterator[str]:  # type: ignore[no-untyped-def]
    operations, generator, observer = (end.get(k) or {} for k in ("operations", "generator", "observer"))
    lost = operations.get("lost", 0)
    if lost is None:
        yield f"{run.name} lost at most {operations.get('lost_at_most')} operations with a killed worker."
    elif lost:
        yield f"{run.name} lost {lost} operations."
    if not slowed(end) and local_errors(end):
        yield (
            f"{run.name}: the load generator's host had no {listed_errors(local_errors(end))}: less load was made, "
            "and these failures are not the pod's."
        )
    elif generator.get("saturated"):
        why = strain(end) or "no signal is recorded"
        yield f"{run.name}: the load generator was saturated ({why}); its own slowness is in these figures."
    elif generator.get("saturated", None) is None:
        yield f"{run.name}: it is unknown whether the load generator was saturated."
    if lacking := exhausted(end):
        yield f"{run.name}: this host ran out of resources: {lacking}; failures and waits may be the host's."
    if reason := (end.get("host") or {}).get("reason"):
        yield f"{run.name}: {reason}; latencies are worse for that."
    if connections := untimed(end):
        yield (
            f"{run.name}: arrivals were timed on reading on {connections:,} connections, because the kernel has no "
            "SO_TIMESTAMPNS: latencies include the load generator's own delay."
        )
    if not observer:
        yield f"{run.name} had no observer: lock waits and resources are unknown."
    elif (observer.get("blind_s") or 0) > 0.01 * max(run.ended_ns - run.started_ns, 1) / 1e9:
        yield f"{run.name}: the observer was blind for {duration(observer['blind_s'])}: {observer.get('reason')}."
