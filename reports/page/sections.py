# ruff: noqa: E501  sentences of the page are kept whole
"""The sections of the page: title, finding and description of each plot, which screen readers read as well."""

from collections.abc import Mapping

from loadtests.records.vocabulary import OPERATIONS, PUSHES
from reports.analysis.blast import words
from reports.analysis.findings import Findings, StorageFindings
from reports.analysis.locks.costs import LockCost, lock_costs
from reports.analysis.operations.slo_breaches import BREACH_RULE, SLIS
from reports.page import outage, tables
from reports.page.counted import COUNTED
from reports.page.section import Section, each
from reports.page.table import number
from reports.page.waiting import WAITING
from reports.text.headline import ACCEPT
from reports.text.wording import digits, duration, listed, value


def _slowest(findings: Findings) -> list[str]:
    return each(findings, _slowest_of)


def _slowest_of(storage: StorageFindings) -> str:
    asked = [m for name, m in storage.measures.items() if name in OPERATIONS and name not in PUSHES]
    known = [(e.value, e, m.name) for m in asked if (e := m.response["p99"])]
    if not known:
        return "too few rows for a p99"
    _, estimate, name = max(known, key=lambda found: found[0])
    return f"the slowest request is {name}, p99 {value(estimate)}"


def _distribution(findings: Findings) -> list[str]:
    return each(findings, _distribution_of)


def _distribution_of(storage: StorageFindings) -> str:
    accept = storage.measures.get(ACCEPT)
    if accept is None:
        return "no Accept chat"
    half, rare, worst = (value(accept.response[p]) for p in ("p50", "p99", "max"))
    return f"Accept chat: median {half}, p99 {rare}, maximum {worst}"


def _throughput(findings: Findings) -> list[str]:
    return each(findings, _throughput_of)


def _throughput_of(storage: StorageFindings) -> str:
    rate = storage.requests_done / storage.judged_s if storage.judged_s else 0.0
    wrong = sum(m.outcomes["fail"] + m.outcomes["unknown"] for m in storage.requests)
    return f"{digits(rate)} requests a second answered in the judged stages, {wrong:,} failed or unknown"


def _resources(findings: Findings) -> list[str]:
    return each(findings, _resources_of)


def _resources_of(storage: StorageFindings) -> str:
    spent = storage.usage.judged_cpu_s
    text = [f"{role} {digits(seconds / storage.judged_s)}" for role, seconds in spent.items() if storage.judged_s]
    return f"cores used in the judged stages: {', '.join(text)}" if text else "not observed"


def _story(findings: Findings) -> list[str]:
    return [line for s in findings.storages if s.acted for line in _story_of(s)]


def _story_of(storage: StorageFindings) -> list[str]:
    events = [event for run in storage.pooled for event in run.events]
    failed = dict.fromkeys(f"{e.number}: {e.words} ({e.error or e.result})" for e in events if not e.ok)
    text = f"{storage.storage}: {len(storage.pooled[0].events)} actions and faults in the first round"
    return [f"{text}; failed: {'; '.join(failed)}." if failed else f"{text}; none failed."]


def _blast(findings: Findings) -> list[str]:
    return [f"{b.run.name}: {words(b)}." for s in findings.storages for b in s.blasts]


def _blast_how(findings: Findings) -> str:
    limits = listed([f"{name} {duration(findings.limits_s[name])}" for name in SLIS])
    source = (
        f"the objectives in {findings.limits_from}"
        if findings.limits_from
        else "the defaults, because no objectives were given"
    )
    widths = sorted({one.width_s for s in findings.storages for b in s.blasts for pod in b.pods for one in pod.slis})
    return (
        f"A row for each pod with a bar for each SLI; filled during a breach, grey where it is unknown. The rule: {BREACH_RULE}. "
        f"Bad: failed, unknown, or slower than its limit ({limits}; {source}). Bins here: "
        f"{listed([f'{width} s' for width in widths])}. Numbers mark actions, on the rows that they acted on."
    )


def _pods(findings: Findings) -> list[str]:
    return [_pods_of(s) for s in findings.storages if s.pods]


def _pods_of(storage: StorageFindings) -> str:
    slow = {pod: e for pod, by in storage.pods.items() if ACCEPT in by and (e := by[ACCEPT].response["p99"])}
    if not slow:
        return f"{storage.storage}: too few accepts for a p99 of any pod."
    worst, best = max(slow, key=lambda pod: slow[pod].value), min(slow, key=lambda pod: slow[pod].value)
    text = f"accept p99 from {value(slow[best])} on {best} to {value(slow[worst])} on {worst}"
    return f"{storage.storage}: {text}; {_connections_of(storage)}."


def _connections_of(storage: StorageFindings) -> str:
    connects = {pod: by["connection.create"] for pod, by in storage.pods.items() if "connection.create" in by}
    failed = {pod: m.outcomes["fail"] + m.outcomes["unknown"] for pod, m in connects.items()}
    most = max(failed, key=lambda pod: failed[pod], default="")
    return f"connections failed most on {most}, {failed[most]:,}" if failed.get(most) else "no connection failed"


def _locks(findings: Findings) -> list[str]:
    costs = lock_costs(findings)
    return [
        f"{engine}, for each 1,000 accepts: {'; '.join(_lock_cost(c) for c in costs if c.storage.partition(':')[0] == engine)}."
        for engine in dict.fromkeys(c.storage.partition(":")[0] for c in costs)
    ]


def _lock_cost(cost: LockCost) -> str:
    waited, cpu, orphans = number(cost.waited_s), number(cost.cpu_s), number(cost.orphans)
    return f"{cost.storage} {waited} s of waiting, {cpu} CPU-seconds, {orphans} orphans"


SECTIONS: Mapping[str, Section] = {
    **WAITING,
    **COUNTED,
    "story": Section(
        "Actions and their effects",
        _story,
        lambda _: (
            "The phases are the stages of the load, named along the top, judged ones bold. From the top: p99 of Accept chat, a line "
            "for each pod, with one colour for pods with the same actions (▲: at least that); failed connections a second; "
            "sessions waiting for a lock, by database; processor cores used, by database, and by all pods together. Lines across all panels are actions and "
            "faults, tinted for as long as they lasted."
        ),
        outage.story,
        timed=True,
        beside=(outage.story,),
    ),
    "blast-radius": Section(
        "Blast radius: which pods breached their SLOs, and when",
        _blast,
        _blast_how,
        outage.blast,
        timed=True,
        beside=(outage.blast,),
    ),
    "by-pod": Section(
        "By pod",
        _pods,
        lambda _: (
            "Left: the response of Accept chat, logarithmic, one scale for all pods: thick line p50, dark band to p95, light band to p99 "
            "(▲: at least that). Right: connections that failed or are unknown, a second. Rounds pooled."
        ),
        outage.pod_operations,
        timed=True,
        beside=(outage.by_pod,),
    ),
    "lock-for-cpu": Section(
        "Locks for processors",
        _locks,
        lambda _: (
            "Storages of one engine that differ only in their locking, for each 1,000 accepted chats: time waiting for locks, "
            "processor time, and orphans. Less is better in all three."
        ),
        outage.locks,
        beside=(outage.locks,),
    ),
    "operations-over-time": Section(
        "Every operation over time",
        _slowest,
        lambda _: (
            "A row for each operation, with one scale for all storages; a column for each storage. Logarithmic; thick line "
            "p50, dark band to p95, light band to p99 (in a bin of fewer than 100 that is the slowest; ▲ where it is at least "
            "that), by planned start. "
            "Shaded: the judged stages. Rounds pooled."
        ),
        tables.operations_over_time,
        timed=True,
    ),
    "distribution": Section(
        "How long each operation takes",
        _distribution,
        lambda _: (
            "Response of the judged stages. The axis is stretched to the right: each step from 90 to 99 to 99.9 is ten times "
            "rarer. Lower is better; a line that rises early means that many users wait. Waits whose end was not observed "
            "are drawn with their observed length."
        ),
        tables.curves,
    ),
    "throughput": Section(
        "Throughput and outcomes",
        _throughput,
        lambda _: (
            "Upper: requests that ended each second; the dashed line is what was planned, so a gap is a backlog. Lower, with "
            "a scale of its own: failed, and unknown (timed out or cut off)."
        ),
        tables.throughput,
        timed=True,
    ),
    "resources": Section(
        "Processor and memory",
        _resources,
        lambda _: (
            "Processor cores in use and resident memory of pod, database, load generator and observer; mean of the rounds."
        ),
        tables.resources,
        timed=True,
    ),
}
