# ruff: noqa: E501  sentences of the page are kept whole
"""Sections about waiting: attribution, accepts over time, blame matrix, durations of lock waits."""

from collections.abc import Mapping

import numpy as np

from reports.analysis.findings import Findings, StorageFindings
from reports.analysis.locks.durations import WaitDurations
from reports.analysis.locks.sampled import Sampled
from reports.data.arrays import Floats
from reports.data.lock_rows import NO_HOLDER
from reports.page import lock_tables as locktables
from reports.page import wait_tables as waittables
from reports.page.section import Section, each
from reports.text.headline import ACCEPT
from reports.text.phrases import behind
from reports.text.sentence import figures_of, sentence
from reports.text.wording import NONE, digits, duration, listed, value


def _causes(findings: Findings) -> list[str]:
    return [f"{sentence(s)}{_meanwhile(s)}" for s in findings.storages]


def _meanwhile(storage: StorageFindings) -> str:
    """Time waiting for a pooled session is attributed to what the pool's sessions were waiting for."""
    busy = storage.sessions.judged
    queued = any(max(f.split.parts, key=lambda c: f.split.parts[c]) == "session" for f in figures_of(storage.causes))
    if not queued or not busy or busy["lock"] < sum(busy.values()) / 2:
        return ""
    return f" Meanwhile {digits(busy['lock'])} of {digits(sum(busy.values()))} busy sessions waited for locks."


def _over_time(findings: Findings) -> list[str]:
    return each(findings, lambda storage: _over_time_of(storage, findings.axis.centres_s))


def _over_time_of(storage: StorageFindings, centres_s: Floats) -> str:
    """The slowest moment of Accept chat, and the sessions at work then."""
    accept = storage.measures.get(ACCEPT)
    bins = [] if accept is None else [(b.p99, place, b) for place, b in enumerate(accept.over_time) if b]
    if accept is None or not bins:
        return "no Accept chat"
    slow, place, found = max(bins, key=lambda one: one[0])
    p50, p99 = (value(accept.response[p]) for p in ("p50", "p99"))
    least = "≥ " if found.at_least[2] else ""
    return f"p50 {p50}, p99 {p99}; slowest about {digits(float(centres_s[place]))} s in ({least}{duration(slow / 1e9)}), {_at_work(storage, place)}"


def _at_work(storage: StorageFindings, place: int) -> str:
    sessions = storage.sessions
    if not sessions.seen or sessions.observed is None or not sessions.observed[place]:
        if storage.waits.known is None:
            return "when its waits were not observed"
        waiting = float(sum(storage.waits.sessions.values(), np.zeros(len(storage.bin_s)))[place])
        return f"when {digits(waiting) if waiting >= 0.005 else 'next to no'} requests waited for a lock"
    ranked = sorted(((float(mean[place]), state) for state, mean in sessions.states.items()), reverse=True)
    busy = sum(mean for mean, _ in ranked)
    most = listed([f"{name}: {operation} {digits(mean)}" for mean, (name, operation) in ranked[:2] if mean >= 0.05])
    if busy < 0.05:
        return "when hardly any session was at work"
    against = f" against {sessions.cores} cores" if sessions.cores else ""
    return f"when {digits(busy)} sessions were at work{against}{f', most of them {most}' if most else ''}"


def _blockers(findings: Findings) -> list[str]:
    return each(findings, _blockers_of)


def _blockers_of(storage: StorageFindings) -> str:
    blame = storage.blame
    if blame.known is None:
        return "blame matrix unknown"
    whole = sum(blame.root.values())
    if whole <= 0:
        return "no lock waits"
    roots = _summed(blame.root, 1)
    holder = max(roots, key=lambda name: roots[name])
    waiter, worst_holder = max(blame.root, key=lambda pair: blame.root[pair])
    deep = sum(seconds for depth, seconds in blame.depth_s.items() if depth > 1)
    queued = f"; {deep / whole:.0%} of it in queues with others ahead" if deep >= 0.01 * whole else ""
    convoys = f"; {len(blame.convoys):,} convoys" if len(blame.convoys) > 1 else "; 1 convoy" if blame.convoys else ""
    return (
        f"{duration(whole)} of lock waits, {roots[holder] / whole:.0%} of it {behind(holder)}{_at_the_root(holder)}; "
        f"most of all {waiter} {behind(worst_holder)}, {duration(blame.root[waiter, worst_holder])}{queued}{convoys}"
    )


def _at_the_root(holder: str) -> str:
    return "" if holder == NO_HOLDER else " at the root"


def _summed(pairs: Mapping[tuple[str, str], float], side: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    for pair, seconds in pairs.items():
        totals[pair[side]] = totals.get(pair[side], 0.0) + seconds
    return totals


def _durations(findings: Findings) -> list[str]:
    return each(findings, _durations_of)


def _durations_of(storage: StorageFindings) -> str:
    d = storage.durations
    if d.known is None:
        return "unknown: lock waits were not observed"
    timed, ended = int(d.counts.sum()), f"; the end of {d.open:,} was not observed" if d.open else ""
    if not timed:
        untimed = d.below + d.sampled
        seen = (
            f"none was timed; by sampling they lasted {_sampled(d, untimed)} in total"
            if untimed.ns
            else "no lock waits"
        )
        return f"{seen}{ended}"
    longest = d.edges_s[int(np.flatnonzero(d.counts)[-1]) + 1]
    return f"{timed:,} waits timed, none longer than {duration(float(longest))}{_untimed(d)}{ended}"


def _untimed(d: WaitDurations) -> str:
    below = f"; those below {duration(d.threshold_s)} lasted {_sampled(d, d.below)} in total" if d.threshold_s else ""
    joined = ", other untimed ones" if below else "; other, untimed ones lasted"
    others = f"{joined} {_sampled(d, d.sampled)}" if d.sampled.ns else ""
    return f"{below}{others}, by sampling" if below or others else ""


def _sampled(d: WaitDurations, part: Sampled) -> str:
    bounds = d.interval_s(part)
    if bounds is None:
        return duration(part.seconds)
    return f"{digits(part.seconds)} s ({digits(bounds[0])} … {digits(bounds[1])} s)"


WAITING: Mapping[str, Section] = {
    "where-the-time-went": Section(
        "Where the time went",
        _causes,
        lambda _: (
            "Each bar is the response in the judged stages at that percentile, split by cause: mean shares of the operations around it. All bars have the same length, "
            "so that 10 ms is as readable as 2.5 s; the thin line beneath shows the figure relative to the slowest storage. Red under another "
            "colour: lock-related time in it, in the user's earlier calls or in the sessions of the pool that it waited for. Red text: all lock-related "
            "time, and the holder of most of these locks. Client backlog: its user was still in an earlier call. Session: the pod waited for one of its pool. Database: "
            "statements and commit. Rest: the network and the pod's queue. Of more than six storages only four operations are drawn."
        ),
        waittables.causes,
    ),
    "accept-over-time": Section(
        "Accept chat over time, and the sessions at work",
        _over_time,
        lambda findings: (
            "Upper: response of Accept chat by planned start, logarithmic; thick line p50, dark band to p95, light band to "
            "p99 (in a bin of fewer than 100 that is the slowest), ▲ where it is at least that. "
            f"{_under_way(findings)}Lowest, same time axis: mean number of database sessions at work; the colour shows their activity, its shade the operation. "
            "Sessions above the dashed line (the processors of the host) wait; those in red for each other. Shaded: the judged stages. Rounds pooled. Scales are shared."
        ),
        waittables.over_time,
        timed=True,
        beside=(waittables.sessions_by_database,),
        folded=(waittables.states,),
    ),
    "who-waited-for-whom": Section(
        "Who waited for whom",
        _blockers,
        lambda _: (
            "Each row waited for a lock that the column held: seconds, rounds pooled. Left: by the holder of the lock at that moment; middle: by the root "
            "blocker, which waited for no lock and is the one to speed up. Right: the number of sessions ahead. Darkness is seconds per judged second, on one scale "
            "for all storages; each of several databases has a row of its own."
        ),
        locktables.blame,
        beside=(locktables.worst, locktables.convoys),
        folded=(locktables.worst_by_storage, locktables.depths, locktables.by_database),
    ),
    "wait-durations": Section(
        "How long waits for locks lasted",
        _durations,
        lambda _: (
            "Both axes logarithmic: how many waits lasted longer than that; thin lines are the other storages. Hatched: too short to be timed by that source (or not timed at "
            "all), known only as a sum, by sampling, with its 95 % interval. ▸ the end of the longest was not observed."
        ),
        locktables.durations,
    ),
}


def _under_way(findings: Findings) -> str:
    if not any(s.causes.over_time.get(ACCEPT) for s in findings.storages):
        return ""
    return "Middle: how many Accept chats were in progress, by cause. "


def calibrated(findings: Findings) -> list[str]:
    """A line for each storage: sources within their tolerances, or those outside, which make its lock waits unknown."""
    return each(findings, _calibrated_of)


def _calibrated_of(storage: StorageFindings) -> str:
    rows = storage.calibration
    if not rows:
        return f"not calibrated; its lock waits (known: {storage.waits.known or NONE}) are used unverified"
    wrong = [row for row in rows if row.verdict != "pass"]
    if not wrong:
        sources = "; ".join(dict.fromkeys(f"{row.database}, {row.source}" for row in rows))
        text = (
            f"{len(rows):,} figures, all within their tolerances" if len(rows) > 1 else "1 figure, within its tolerance"
        )
        return f"{text} ({sources})"
    missed = listed(
        list(dict.fromkeys(f"{row.figure} by {row.source} on {row.database} ({row.verdict})" for row in wrong))
    )
    return f"outside its tolerance: {missed}; the lock waits of this storage are unknown and no evidence"
