# ruff: noqa: E501  sentences of the page are kept whole
"""Section: Accept chat over time, and the sessions at work."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from loadtests.engines import ENGINES
from reports.data.arrays import Floats
from reports.findings.causes import cause_label
from reports.findings.resources import CLASSES, State
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import bands, response_axis
from reports.page.plots.states import folded, legend_states, session_states, state_label, state_styles
from reports.page.plots.style import CAUSE_STYLES, INK, PAGE_IN, SeriesStyle, note
from reports.page.plots.time_axis import LEFT_IN, name_lines, on_time_axis, stack, storage_grid
from reports.page.table import PageTable, number
from reports.sections.contract import Section, by_bin, each
from reports.text.plain_names import ACCEPT
from reports.text.wording import NONE, digits, duration, reported, value

_LINE_IN = 0.19

_LATENCY_IN, _CAUSES_IN, _SESSIONS_IN = 2.5, 1.0, 1.75

_CORES: dict[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (3, 1.5))}


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    return draw_measure(findings, ACCEPT, styles)


def draw_measure(findings: Findings, measure: str, styles: dict[str, SeriesStyle]) -> Figure:
    """For each storage: bands of p50, p95, p99 of `measure`; how many of them were in progress, by cause, where that
    is known; sessions at work by wait class and operation, against the number of processors."""
    legend = legend_states(findings)
    causes = any(s.causes.over_time.get(measure) for s in findings.storages)
    heights, entries = [_LATENCY_IN, *([_CAUSES_IN] if causes else []), _SESSIONS_IN], _legend_columns(findings, legend)
    legend_in = (max(map(len, entries), default=0) + 2 * causes) * _LINE_IN
    whole, grid = storage_grid(findings, styles, heights, legend_in=legend_in)
    names = [f"{measure} response", *(["in progress,\nby cause (mean)"] if causes else []), "sessions at work\n(mean)"]
    on_time_axis(findings, grid, names)
    tops = [_most_under_way(findings, measure), _most_sessions(findings)]
    for axes, storage in zip(grid, findings.storages, strict=True):
        response_axis(axes[0], [m for _, m in findings.of(measure)])
        lines = bands(axes[0], findings, storage.measures.get(measure), styles[storage.storage])
        name_lines(axes[0], findings.axis.centres_s, lines, {})
        if causes:
            _under_way(axes[1], findings, storage, measure, tops[0])
        _sessions(axes[-1], findings, storage, legend, tops[1])
    _legends(whole, entries, causes=causes)
    return whole


def _most_under_way(findings: Findings, measure: str) -> float:
    by_storage = [s.causes.over_time.get(measure) or {} for s in findings.storages]
    return max((float(sum(by.values(), np.zeros(1)).max()) for by in by_storage), default=0.0) * 1.15 or 1.0


def _under_way(axis: Any, findings: Findings, storage: StorageFindings, measure: str, top: float) -> None:
    axis.set_ylim(0, top)
    found = storage.causes.over_time.get(measure)
    if found:
        stack(axis, findings, {c: np.nan_to_num(found[c]) for c in CAUSE_STYLES if c in found}, CAUSE_STYLES)
    else:
        note(axis, "causes unknown")


def _most_sessions(findings: Findings) -> float:
    sums = [float(sum(session_states(s).values(), np.zeros(1)).max()) for s in findings.storages]
    return max([*sums, *(s.sessions.cores or 0 for s in findings.storages if s.sessions.seen)], default=0.0) * 1.12 or 1


def _sessions(axis: Any, findings: Findings, storage: StorageFindings, legend: Sequence[State], top: float) -> None:
    axis.set_ylim(0, top)
    stack(axis, findings, folded(session_states(storage), legend), state_styles(legend))
    if storage.sessions.cores and storage.sessions.seen:
        axis.axhline(storage.sessions.cores, **_CORES)
    if not storage.sessions.seen:
        note(axis, _unseen(storage), 0.78)


def _unseen(storage: StorageFindings) -> str:
    engine = str((storage.pooled[0].manifest.get("engine") or {}).get("name"))
    if engine in ENGINES and ENGINES[engine].runs != "server":
        inside = f"{engine} runs inside the pod and has no sessions"
        return inside if storage.waits.known is None else f"{inside}.\nShown: waits for its lock, as timed by the pod"
    return "sessions were not observed"


def _legend_columns(findings: Findings, legend: Sequence[State]) -> list[list[Any]]:
    """A column for each class, those on top of the stack first; then the processors."""
    styles = state_styles(legend)
    columns: list[list[Any]] = [
        [Patch(facecolor=styles[s].light, label=state_label(s, legend)) for s in legend if s[0] == name]
        for name in reversed(CLASSES)
    ]
    cores = next((s.sessions.cores for s in findings.storages if s.sessions.cores and s.sessions.seen), None)
    if cores:
        columns.append([Line2D([], [], **_CORES, label=f"{cores} cores of the host")])
    return [column for column in columns if column]


def _legends(whole: Figure, columns: Sequence[Sequence[Any]], *, causes: bool) -> None:
    """At the foot: the causes on a line, the classes of sessions in columns."""
    height, left = whole.get_size_inches()[1], LEFT_IN / PAGE_IN
    lines = max(map(len, columns), default=0)
    plain = {"columnspacing": 1.6, "borderaxespad": 0.0, "borderpad": 0.0}
    if causes:
        handles = [Patch(facecolor=style.light, label=cause_label(name)) for name, style in CAUSE_STYLES.items()]
        at, head = (left, (lines + 0.9) * _LINE_IN / height), Patch(alpha=0, label="in progress:")
        whole.legend(handles=[head, *handles], loc="lower left", bbox_to_anchor=at, ncols=7, handlelength=0.9, **plain)
    if columns:
        blank = Patch(alpha=0, label=" ")
        handles = [h for column in columns for h in (*column, *[blank] * (lines - len(column)))]
        at = (left, 0.08 / height)
        whole.legend(
            handles=handles, loc="lower left", bbox_to_anchor=at, ncols=len(columns), handlelength=1.3, **plain
        )


def _finding_of(storage: StorageFindings, centres_s: Floats) -> str:
    """The slowest moment of Accept chat, and the sessions at work then."""
    accept = storage.measures.get(ACCEPT)
    bins = [] if accept is None else [(b.p99, place, b) for place, b in enumerate(accept.over_time) if b]
    if accept is None or not bins:
        return "no Accept chat"
    slow, place, found = max(bins, key=lambda one: one[0])
    least = "≥ " if found.at_least[2] else ""
    at = f"about {digits(float(centres_s[place]))} s in"
    return f"Accept chat was slowest {at} (p99 {least}{duration(slow / 1e9)}), {_at_work(storage, place)}"


def _at_work(storage: StorageFindings, place: int) -> str:
    sessions = storage.sessions
    if not sessions.seen or sessions.observed is None or not sessions.observed[place]:
        if storage.waits.known is None:
            return "when waits were not observed"
        waiting = float(sum(storage.waits.sessions.values(), np.zeros(len(storage.bin_s)))[place])
        return f"when {digits(waiting) if waiting >= 0.005 else 'next to no'} requests waited for a lock"
    by_class = {name: float(mean[place]) for name, mean in sessions.by_class.items()}
    busy = sum(by_class.values())
    if busy < 0.05:
        return "when hardly any session was at work"
    against = f" on {sessions.cores} cores" if sessions.cores else ""
    name = max(by_class, key=lambda name: by_class[name])
    return f"when {digits(busy)} sessions were at work{against}, {digits(by_class[name])} of them {_CLASS_WORDS.get(name, name)}"


_CLASS_WORDS = {"lock": "waiting for a lock", "io": "waiting for I/O", "other": "in other waits"}


def _under_way_words(findings: Findings) -> str:
    if not any(s.causes.over_time.get(ACCEPT) for s in findings.storages):
        return ""
    return "Middle: how many Accept chats were in progress, by cause. "


def _table(findings: Findings) -> PageTable:
    """Latency of accepts and sessions waiting, a row for each storage and bin."""
    return PageTable(
        f"Accept chat in bins of {duration(findings.axis.width_s)}, by planned start; waiting: mean number of sessions "
        f"waiting for a lock; then the mean number of active sessions: {', '.join(CLASSES)}.",
        ["system", "from, s", "n", "p50", "p95", "p99", "waiting", *CLASSES],
        by_bin(findings, _bin_cells),
        absent={**dict.fromkeys(("p50", "p95", "p99"), "no accepts"), **dict.fromkeys(CLASSES, "not sampled")},
    )


def _bin_cells(storage: StorageFindings, place: int) -> list[str]:
    accept = storage.measures.get(ACCEPT)
    found = accept.over_time[place] if accept else None
    waiting = sum(float(density[place]) for density in storage.waits.sessions.values())
    classes = storage.sessions.by_class
    return [
        *((f"{found.n:,}", *map(value, found.percentiles)) if found else ("0", NONE, NONE, NONE)),
        "unknown" if storage.waits.known is None else digits(waiting),
        *(number(float(classes[name][place]) if name in classes else None) for name in CLASSES),
    ]


def _databases_table(findings: Findings) -> PageTable:
    """Empty where no run has several databases."""
    rows = [
        [s.label, database, *(number(by.get(name)) for name in CLASSES)]
        for s in findings.storages
        for database, by in s.sessions.databases.items()
    ]
    caption = "Mean number of sessions by database and wait class, judged stages."
    return PageTable(caption, ["system", "database", *CLASSES], rows, 2, packed=True, absent="not observed")


def _states_table(findings: Findings) -> PageTable:
    """Sessions by wait class and operation, the most frequent first."""
    rows = [
        [s.label, wait_class, reported(operation), digits(mean)]
        for s in findings.storages
        for (wait_class, operation), mean in sorted((s.sessions.judged_states or {}).items(), key=lambda pair: -pair[1])
        if mean >= 0.005
    ]
    caption = (
        "Mean number of sessions at work by wait class and operation, judged stages; fewer than 0.005 are left out."
    )
    return PageTable(caption, ["system", "wait class", "operation", "sessions"], rows, 3, title="Sessions at work")


SECTION = Section(
    name="accept-over-time",
    question="time",
    title="Accept chat over time, and the sessions at work",
    finding=lambda findings: each(findings, lambda storage: _finding_of(storage, findings.axis.centres_s)),
    how=lambda findings: (
        "Upper: response of Accept chat by planned start, logarithmic; thick line p50, dark band to p95, light band to "
        "p99 (in a bin of fewer than 100 that is the slowest), ▲ where it is at least that. "
        f"{_under_way_words(findings)}Lowest, same time axis: mean number of database sessions at work; the colour shows their activity, its shade the operation. "
        "Sessions above the dashed line (the processors of the host) wait; those in red for each other. Shaded: the judged stages. Rounds pooled. Scales are shared."
    ),
    plot=draw,
    table=_table,
    timed=True,
    beside=(_databases_table,),
    folded=(_states_table,),
)
