# ruff: noqa: E501  sentences of the page are kept whole
"""Section: Accept chat over time, and the sessions at work."""

from collections.abc import Mapping, Sequence
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
from reports.page.plots.bands import bands
from reports.page.plots.states import folded, legend_states, session_states, state_label, state_styles
from reports.page.plots.style import CAUSE_STYLES, INK, MUTED, PAPER, SeriesStyle, beside, figure, latency_axis, short
from reports.page.plots.time_axis import mark
from reports.page.table import PageTable, number
from reports.sections.contract import Section, each
from reports.text.headline import ACCEPT
from reports.text.wording import NONE, digits, duration, listed, value

_WIDTH_IN, _LEFT_IN, _RIGHT_IN, _BETWEEN_IN = 13.0, 0.85, 0.35, 0.4

_HEAD_IN, _FOOT_IN, _LINE_IN = 0.5, 0.5, 0.19

_LATENCY_IN, _CAUSES_IN, _SESSIONS_IN = 2.5, 1.0, 1.75

_CORES = (0, (3, 1.5))


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    return draw_measure(findings, ACCEPT, styles)


def draw_measure(findings: Findings, measure: str, styles: dict[str, SeriesStyle]) -> Figure:
    """For each storage: bands of p50, p95, p99 of `measure`; how many of them were in progress, by cause, where that
    is known; sessions at work by wait class and operation, against the number of processors."""
    legend = legend_states(findings)
    causes = any(s.causes.over_time.get(measure) for s in findings.storages)
    heights, entries = [_LATENCY_IN, *([_CAUSES_IN] if causes else []), _SESSIONS_IN], _legend_columns(findings, legend)
    whole, panels = _grid(len(findings.storages), heights, (max(map(len, entries), default=0) + causes) * _LINE_IN)
    tops = [_most_under_way(findings, measure), _most_sessions(findings)]
    for place, (axes, storage) in enumerate(zip(panels, findings.storages, strict=True)):
        _latency(axes[0], findings, storage, measure, styles[storage.storage])
        if len(axes) > 2:
            _under_way(axes[1], findings, storage, measure, tops[0])
        _sessions(axes[-1], findings, storage, legend, tops[1])
        _edges(axes, measure, first=place % beside(len(panels)) == 0)
    _legends(whole, entries, causes=causes)
    return whole


def _grid(count: int, heights: Sequence[float], legend_in: float) -> tuple[Figure, list[list[Any]]]:
    """A column of panels for each storage, block beneath block. A plain grid: fitting takes seconds."""
    columns = beside(count)
    blocks = -(-max(count, 1) // columns)
    block_in = _HEAD_IN + sum(heights) + 0.1 * len(heights) + _FOOT_IN
    height = block_in * blocks + legend_in
    whole = figure(_WIDTH_IN, height)
    whole.set_layout_engine(None)
    column_in = (_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _BETWEEN_IN * (columns - 1)) / columns
    panels: list[list[Any]] = []
    for place in range(count):
        block, column = divmod(place, columns)
        left, top = _LEFT_IN + column * (column_in + _BETWEEN_IN), height - block * block_in - _HEAD_IN
        axes: list[Any] = []
        for panel_in in heights:
            box = (left / _WIDTH_IN, (top - panel_in) / height, column_in / _WIDTH_IN, panel_in / height)
            axes.append(whole.add_axes(box, sharex=axes[0] if axes else None))
            top -= panel_in + 0.1
        panels.append(axes)
    return whole, panels


def _edges(axes: Sequence[Any], measure: str, *, first: bool) -> None:
    """Axis labels; figures on the left of the first column only, because scales are shared."""
    names = (f"{measure} response", "in progress,\nby cause (mean)", "sessions at work\n(mean)")
    for axis, name in zip(axes, (names[0], *names[3 - len(axes) + 1 :]), strict=True):
        axis.tick_params(labelbottom=axis is axes[-1], labelleft=first)
        if first:
            _label(axis, name)
    axes[-1].set_xlabel("seconds since the load began")


def _label(axis: Any, text: str) -> None:
    """Label along the left edge of the figure, aligned for all panels."""
    box = axis.get_position()
    middle = (box.y0 + box.y1) / 2
    axis.figure.text(0.15 / _WIDTH_IN, middle, text, rotation=90, va="center", ha="left", ma="center", color=MUTED)


def _latency(axis: Any, findings: Findings, storage: StorageFindings, measure: str, style: SeriesStyle) -> None:
    axis.set_title(short(storage.storage), color=style.text, pad=14)
    mark(axis, storage, names=True)
    seen = [b for _, m in findings.of(measure) for b in m.over_time if b]
    latency_axis(axis, min((b.p50 for b in seen), default=1e6) / 1e9, max((b.p99 for b in seen), default=1e9) / 1e9)
    axis.set_xlim(0, findings.axis.count * findings.axis.width_s)
    found = storage.measures.get(measure)
    if found is None or not any(found.over_time):
        axis.text(0.5, 0.5, "no rows", transform=axis.transAxes, ha="center", color=MUTED)
        return
    x = findings.axis.centres_s
    _label_ends(axis, x, bands(axis, x, found, style))


def _label_ends(axis: Any, x: Floats, lines: dict[str, Floats]) -> None:
    """Label the bands at their right end, moved apart where they meet."""
    lowest, highest = np.log10(axis.get_ylim())
    gap = (highest - lowest) * 0.055
    previous = np.inf
    for name, line in lines.items():
        last = int(np.flatnonzero(~np.isnan(line))[-1])
        y = min(np.log10(max(line[last], 1e-9)), previous - gap)
        y = max(y, lowest + 2 * gap) if previous == np.inf else y
        axis.annotate(
            name,
            (x[last], 10**y),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            annotation_clip=False,
        )
        previous = y


def _most_under_way(findings: Findings, measure: str) -> float:
    by_storage = [s.causes.over_time.get(measure) or {} for s in findings.storages]
    return max((float(sum(by.values(), np.zeros(1)).max()) for by in by_storage), default=0.0) * 1.15 or 1.0


def _under_way(axis: Any, findings: Findings, storage: StorageFindings, measure: str, top: float) -> None:
    mark(axis, storage, names=False)
    axis.set_ylim(0, top)
    found = storage.causes.over_time.get(measure)
    if not found:
        _note(axis, "causes unknown")
        return
    _stack(axis, findings, {c: np.nan_to_num(found[c]) for c in CAUSE_STYLES if c in found}, CAUSE_STYLES)


def _most_sessions(findings: Findings) -> float:
    sums = [float(sum(session_states(s).values(), np.zeros(1)).max()) for s in findings.storages]
    return max([*sums, *(s.sessions.cores or 0 for s in findings.storages if s.sessions.seen)], default=0.0) * 1.12 or 1


def _sessions(axis: Any, findings: Findings, storage: StorageFindings, legend: Sequence[State], top: float) -> None:
    mark(axis, storage, names=False)
    axis.set_ylim(0, top)
    found = folded(session_states(storage), legend)
    _stack(axis, findings, found, state_styles(legend))
    if storage.sessions.cores and storage.sessions.seen:
        axis.axhline(storage.sessions.cores, color=INK, linewidth=0.9, linestyle=_CORES)
    if not storage.sessions.seen:
        _note(axis, _unseen(storage))


def _note(axis: Any, text: str) -> None:
    axis.text(0.5, 0.78, text, transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=8)


def _unseen(storage: StorageFindings) -> str:
    engine = str((storage.pooled[0].manifest.get("engine") or {}).get("name"))
    if engine in ENGINES and ENGINES[engine].runs != "server":
        inside = f"{engine} runs inside the pod and has no sessions"
        return inside if storage.waits.known is None else f"{inside}.\nShown: waits for its lock, as timed by the pod"
    return "sessions were not observed"


def _stack(axis: Any, findings: Findings, shown: Mapping[Any, Floats], styles: Mapping[Any, SeriesStyle]) -> None:
    """Stacked steps with a thin gap between them."""
    edges = np.arange(findings.axis.count + 1) * findings.axis.width_s
    base = np.zeros(findings.axis.count)
    for name, density in shown.items():
        fill = styles[name].light
        axis.stairs(base + density, edges, baseline=base, fill=True, facecolor=fill, edgecolor=PAPER, linewidth=0.3)
        base = base + density


def _legend_columns(findings: Findings, legend: Sequence[State]) -> list[list[Any]]:
    """A column for each class, those on top of the stack first; then the processors."""
    styles = state_styles(legend)
    columns: list[list[Any]] = [
        [Patch(facecolor=styles[s].light, label=state_label(s, legend)) for s in legend if s[0] == name]
        for name in reversed(CLASSES)
    ]
    cores = next((s.sessions.cores for s in findings.storages if s.sessions.cores and s.sessions.seen), None)
    if cores:
        columns.append([Line2D([], [], color=INK, linewidth=0.9, linestyle=_CORES, label=f"{cores} cores of the host")])
    return [column for column in columns if column]


def _legends(whole: Figure, columns: Sequence[Sequence[Any]], *, causes: bool) -> None:
    """At the foot: the causes on a line, the classes of sessions in columns."""
    height, left = whole.get_size_inches()[1], _LEFT_IN / _WIDTH_IN
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


def _finding(findings: Findings) -> list[str]:
    return each(findings, lambda storage: _finding_of(storage, findings.axis.centres_s))


def _finding_of(storage: StorageFindings, centres_s: Floats) -> str:
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


def _under_way_words(findings: Findings) -> str:
    if not any(s.causes.over_time.get(ACCEPT) for s in findings.storages):
        return ""
    return "Middle: how many Accept chats were in progress, by cause. "


def _table(findings: Findings) -> PageTable:
    """Latency of accepts and sessions waiting, a row for each storage and bin."""
    return PageTable(
        f"Accept chat in bins of {duration(findings.axis.width_s)}, by planned start; waiting: mean number of sessions "
        f"waiting for a lock; then the mean number of active sessions: {', '.join(CLASSES)}.",
        ["storage", "from, s", "n", "p50", "p95", "p99", "waiting", *CLASSES],
        [_bin_row(findings, storage, i) for storage in findings.storages for i in range(findings.axis.count)],
    )


def _bin_row(findings: Findings, storage: StorageFindings, place: int) -> list[str]:
    accept = storage.measures.get(ACCEPT)
    found = accept.over_time[place] if accept else None
    waiting = sum(float(density[place]) for density in storage.waits.sessions.values())
    classes = storage.sessions.by_class
    return [
        storage.storage,
        f"{place * findings.axis.width_s:g}",
        *((f"{found.n:,}", *map(value, found.percentiles)) if found else ("0", NONE, NONE, NONE)),
        "unknown" if storage.waits.known is None else digits(waiting),
        *(number(float(classes[name][place]) if name in classes else None) for name in CLASSES),
    ]


def _databases_table(findings: Findings) -> PageTable:
    """Empty where no run has several databases."""
    rows = [
        [s.storage, database, *(number(by.get(name)) for name in CLASSES)]
        for s in findings.storages
        for database, by in s.sessions.databases.items()
    ]
    caption = "Mean number of sessions by database and wait class, judged stages; a dash where not observed."
    return PageTable(caption, ["storage", "database", *CLASSES], rows, 2, packed=True)


def _states_table(findings: Findings) -> PageTable:
    """Sessions by wait class and operation, the most frequent first."""
    rows = [
        [s.storage, wait_class, operation, digits(mean)]
        for s in findings.storages
        for (wait_class, operation), mean in sorted((s.sessions.judged_states or {}).items(), key=lambda pair: -pair[1])
        if mean >= 0.005
    ]
    caption = (
        "Mean number of sessions at work by wait class and operation, judged stages; fewer than 0.005 are left out."
    )
    return PageTable(caption, ["storage", "wait class", "operation", "sessions"], rows, 3, title="Sessions at work")


SECTION = Section(
    name="accept-over-time",
    question="time",
    title="Accept chat over time, and the sessions at work",
    applies=lambda _: True,
    finding=_finding,
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
