# ruff: noqa: E501, RUF001  sentences of the page are kept whole, and a ratio is written as people write it
"""Section: actions and faults of the timeline, and their effects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.data.contract import StudyRun
from reports.exports.plain import estimates_ms
from reports.findings.estimates import Estimate
from reports.findings.operations import Measure, StageMeasures
from reports.findings.phases import StudyPhase, phases
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.bands import p99_line, response_axis
from reports.page.plots.style import (
    ACTED,
    PAGE_IN,
    SERIES_STYLES,
    SHADE,
    WRONG,
    SeriesStyle,
    figure,
    note,
    series_styles,
    short,
)
from reports.page.plots.time_axis import (
    SECONDS,
    edges_s,
    label,
    mark_events,
    name_stage,
    span_s,
    stack,
    whole_time,
)
from reports.page.table import PageTable, number
from reports.sections.contract import Section
from reports.text.plain_names import pods
from reports.text.wording import FAILED, digits, listed, value

_COLUMNS, _HEIGHTS_IN, _LINE_IN = 2, (2.5, 1.45, 1.45, 1.45), 0.2

_A_FEW_PER_S = 0.1
"""Below it the axis of failed connections is linear, down to zero."""

_ON_ONE_LINE = 6
"""Number of stages whose names fit on one line."""


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """Four panels with one time axis for each storage with actions."""
    storages = [s for s in findings.storages if s.acted]
    columns = min(len(storages), _COLUMNS)
    blocks = -(-len(storages) // columns)
    lines = max(len(s.pooled[0].drawn) for s in storages)
    heights = (*_HEIGHTS_IN, _LINE_IN * lines + 0.1)
    whole = figure(PAGE_IN if columns == 1 else 8.2 * columns, (sum(heights) + 0.9) * blocks)
    grid = whole.subplots(5 * blocks, columns, squeeze=False, height_ratios=heights * blocks)
    for axis in grid.flat:
        axis.set_visible(False)
    for place, storage in enumerate(storages):
        row, column = divmod(place, columns)
        panels, words = grid[5 * row : 5 * row + 4, column], grid[5 * row + 4, column]
        for axis in (*panels, words):
            axis.set_visible(True)
            whole_time(axis, findings)
            axis.tick_params(labelbottom=axis is panels[3])
        _words(words, storage.pooled[0], lines)
        _panels(panels, findings, storage)
        panels[0].set_title(short(storage.label, 60), color=styles[storage.storage].text, pad=34)
        panels[3].set_xlabel(SECONDS)
    return whole


def _words(axis: Any, run: StudyRun, lines: int) -> None:
    """List the actions and faults by number."""
    axis.axis("off")
    axis.set_ylim(lines, 0)
    for line, event in enumerate(run.drawn):
        failed = "" if event.ok else f": {short(event.error or event.result)}"
        sentence = f"{short(event.words, 80 if failed else 110)}{failed}"
        style = {"va": "center", "fontsize": 8.5, "color": ACTED if event.ok else WRONG}
        for share, text, align, weight in (
            (0.012, label(event), "center", "bold"),
            (0.07, f"{digits((event.started_ns - run.started_ns) / 1e9)} s", "right", "normal"),
            (0.085, sentence, "left", "normal"),
        ):
            place = {"transform": axis.get_yaxis_transform(), "ha": align}
            axis.text(share, line + 0.5, text, fontweight=weight, **place, **style)


@dataclass(frozen=True)
class _Group:
    """Pods with the same actions; without a name, the only pod."""

    name: str
    style: SeriesStyle
    pods: tuple[Mapping[str, Measure], ...]

    def measures(self, operation: str) -> list[Measure]:
        return [by[operation] for by in self.pods if operation in by]


def _groups(storage: StorageFindings) -> list[_Group]:
    groups = pod_groups(storage)
    if not groups:
        return [_Group("", SERIES_STYLES[0], (storage.measures,))]
    styles = series_styles(list(groups))
    return [_Group(n, styles[n], tuple(storage.pods[pod] for pod in names)) for n, names in groups.items()]


def pod_groups(storage: StorageFindings) -> Mapping[str, tuple[str, ...]]:
    """Group → pods that exactly the same actions acted on in the first round, in the order of the pods."""
    first = storage.blasts[0].pods if storage.blasts else ()
    done = {pod.pod: tuple(event.number for event in pod.done_to_it) for pod in first}
    by_history: dict[tuple[int, ...], list[str]] = {}
    for pod in storage.pods:
        by_history.setdefault(done.get(pod, ()), []).append(pod)
    return {f"{pods(names)}{'' if done else ' (untouched)'}": tuple(names) for done, names in by_history.items()}


def _panels(panels: Any, findings: Findings, storage: StorageFindings) -> None:
    _phases(panels, storage.pooled[0])
    groups = _groups(storage)
    _accepts(panels[0], findings, groups)
    _connections(panels[1], findings, storage, groups)
    databases = series_styles(list(storage.databases))
    _locks(panels[2], findings, storage, databases)
    _cpu(panels[3], findings, storage, databases)
    names = ("chat.accept\np99", "connections\nfailed a second", "waiting for\na lock, sessions", "processor\ncores")
    for axis, name in zip(panels, names, strict=True):
        axis.set_ylabel(name)
        if any(axis.get_legend_handles_labels()[1]):
            axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, handlelength=1.6)


def _phases(panels: Any, run: StudyRun) -> None:
    """Every other phase shaded through all panels, its name along the top; actions and faults through all of them."""
    for place, stage in enumerate(run.stages):
        # Many names in one line would overlap: every other one is higher.
        up_pt = 13 if place % 2 and len(run.stages) > _ON_ONE_LINE else 2
        name_stage(panels[0], run, stage, up_pt, fontsize=9, fontweight="bold" if stage.judge else "normal")
        for axis in panels if place % 2 == 0 else ():
            axis.axvspan(*span_s(run, stage), color=SHADE, zorder=0, linewidth=0)
    for place, axis in enumerate(panels):
        mark_events(axis, run, numbers=place == 0)


def _accepts(axis: Any, findings: Findings, groups: Sequence[_Group]) -> None:
    """A line for each pod, in the colour of its group."""
    pairs = [(group, m, place) for group in groups for place, m in enumerate(group.measures("chat.accept"))]
    response_axis(axis, [m for _, m, _ in pairs], most=7)
    for group, measure, place in pairs:
        p99_line(axis, findings, measure, group.style, label=None if place else short(group.name, 34) or None)


def _connections(axis: Any, findings: Findings, storage: StorageFindings, groups: Sequence[_Group]) -> None:
    """Steps for each pod on a symmetric logarithmic axis, on which few failures show beside many."""
    most = 1.0
    for group in groups:
        line = {"baseline": None, "color": group.style.light, "linestyle": group.style.dash}
        for place, measure in enumerate(group.measures("connection.create")):
            rate = storage.per_s(measure.failed)
            axis.stairs(rate, edges_s(findings), label=None if place else short(group.name, 34), **line)
            most = max(most, float(rate.max(initial=0.0)))
    axis.set_yscale("symlog", linthresh=_A_FEW_PER_S, linscale=0.4)
    axis.set_ylim(0, most * 2)
    axis.yaxis.set_major_formatter(lambda rate, _: f"{rate:g}")


def _locks(axis: Any, findings: Findings, storage: StorageFindings, styles: Mapping[str, SeriesStyle]) -> None:
    waits = {name: w for name, w in storage.waits.databases.items() if w.known is not None}
    none = np.zeros(findings.axis.count)
    top = stack(axis, findings, {name: sum(w.sessions.values(), none) for name, w in waits.items()}, styles)
    axis.set_ylim(0, float(top.max(initial=0.0)) * 1.15 or 1)
    if not waits:
        note(axis, "lock waits were not observed")


def _cpu(axis: Any, findings: Findings, storage: StorageFindings, styles: Mapping[str, SeriesStyle]) -> None:
    lines = {name: (cores, styles[name]) for name, cores in storage.database_cores.items()}
    if "pod" in storage.usage.cores:
        lines["pods, together"] = storage.usage.cores["pod"], SERIES_STYLES[-1]
    for name, (cores, style) in lines.items():
        line = {"color": style.light, "linestyle": style.dash, "linewidth": 1.6}
        axis.plot(findings.axis.centres_s, cores, label=short(name, 20), **line)
    most = max((float(np.nanmax(np.append(cores, 0.0))) for cores, _ in lines.values()), default=0.0)
    axis.set_ylim(0, most * 1.15 or 1)
    if not lines:
        note(axis, "not observed")


def _finding(storage: StorageFindings) -> str:
    failed = dict.fromkeys(f"{e.number} {FAILED} {e.words}" for run in storage.pooled for e in run.events if not e.ok)
    several = " in the first round" if len(storage.pooled) > 1 else ""
    text = f"{storage.label}: {len(storage.pooled[0].events)} actions and faults{several}"
    return f"{text}; failed: {'; '.join(failed)}." if failed else f"{text}; none failed."


def _table(findings: Findings) -> PageTable:
    acted = [s for s in findings.storages if s.acted]
    databases = list(dict.fromkeys(name for s in acted for name in s.databases))
    columns = ["system", "phase", "actions", "accepts a second", "p50", "p99", "accepts failed a second",
               "connections failed a second", *(f"waiting for locks in {name}, s per s" for name in databases),
               "pod cores", *(f"{name} cores" for name in databases), "orphans swept"]  # fmt: skip
    rows = [row for storage in acted for row in _phase_rows(storage, databases)]
    several = len(acted) > 1  # the page names a single storage elsewhere
    left = [f"{s.label}: {'unknown' if s.orphans is None else f'{s.orphans:,}'}" for s in acted]
    caption = (
        "Phase by phase, rounds pooled; × is the ratio to the first judged phase. Failed includes unknown. Orphans at the "
        f"end, by the ledger: {listed(left)}."
    )
    shown = [row[not several :] for row in rows]
    return PageTable(caption, columns[not several :], shown, 2 + several, absent="not observed")


def _phase_rows(storage: StorageFindings, databases: Sequence[str]) -> Iterator[list[str]]:
    found = phases(storage)
    first = next((phase for phase in found if phase.judge), None)
    for phase in found:
        done = "; ".join(f"{e.number}{'' if e.ok else f' {FAILED}'}: {e.words}" for e in phase.events)
        figures = [*_FIGURES, *_by_database(databases)]
        cells = [_cell(figure, phase, first) for figure in figures]
        yield [storage.label, phase.name, done or "none", *cells, f"{phase.swept:,}" if phase.swept else "none"]


PhaseFigure = Callable[[StudyPhase], Estimate | float | None]

_FIGURES: tuple[PhaseFigure, ...] = (
    lambda p: p.accepts_per_s,
    lambda p: p.accept.p50,
    lambda p: p.accept.p99,
    lambda p: p.accept_failures_per_s,
    lambda p: p.connections_failed_per_s,
)


def _by_database(databases: Sequence[str]) -> list[PhaseFigure]:
    waits: list[PhaseFigure] = [lambda p, name=name: p.waiting.get(name) for name in databases]  # type: ignore[misc]
    cores: list[PhaseFigure] = [lambda p, name=name: p.cores.get(name) for name in databases]  # type: ignore[misc]
    return [*waits, lambda p: p.pod_cores, *cores]


def _cell(figure: PhaseFigure, phase: StudyPhase, first: StudyPhase | None) -> str:
    found = figure(phase)
    text = value(found) if isinstance(found, Estimate) else number(found)
    now, then = _plain_number(found), _plain_number(figure(first)) if first is not None else None
    return text if phase is first or now is None or not then else f"{text} ×{digits(now / then)}"


def _plain_number(found: Estimate | float | None) -> float | None:
    return found.value if isinstance(found, Estimate) else found


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {"phases": [_plain_phase(phase) for phase in phases(storage)]}


def _plain_phase(phase: StudyPhase) -> dict[str, Any]:
    return {
        **{"phase": phase.name, "judge": phase.judge, "starts_s": phase.starts_s, "lasted_s": phase.lasted_s},
        "events": [event.number for event in phase.events],
        "accept": _plain_stage(phase.accept),
        "connect": _plain_stage(phase.connect),
        "lock_wait_s_per_s": dict(phase.waiting),
        "cores": {"pods": phase.pod_cores, "databases": dict(phase.cores)},
        "orphans_swept": phase.swept,
    }


def _plain_stage(stage: StageMeasures) -> dict[str, Any]:
    return {"outcomes": dict(stage.outcomes), "response_ms": estimates_ms({"p50": stage.p50, "p99": stage.p99})}


SECTION = Section(
    name="story",
    question="happened",
    title="Actions and their effects",
    applies=lambda findings: any(s.acted for s in findings.storages),
    finding=lambda findings: [_finding(s) for s in findings.storages if s.acted],
    how=lambda _: (
        "The phases are the stages of the load, named along the top, judged ones bold. From the top: p99 of Accept chat, a line "
        "for each pod, with one colour for pods with the same actions (▲: at least that); failed connections a second; "
        "sessions waiting for a lock, by database; processor cores used, by database, and by all pods together. Lines across all panels are actions and "
        "faults, tinted for as long as they lasted."
    ),
    plot=draw,
    table=_table,
    timed=True,
    beside=(_table,),
    summary=_summary,
)
