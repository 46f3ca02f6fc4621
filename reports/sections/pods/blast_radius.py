# ruff: noqa: E501  sentences of the page are kept whole
"""Section: which pods breached an SLO, when, and after which action."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.data.contract import TimelineEvent
from reports.findings.slis import BREACH_RULE, SLIS, Blast, PodBlast, Span
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import ACTED, INK, MUTED, OUTCOME_STYLES, PAGE_IN, WRONG, SeriesStyle, figure, short
from reports.page.plots.time_axis import SECONDS, TITLE_PT, mark_stages, number, whole_time
from reports.page.table import PageTable
from reports.sections.contract import Section
from reports.text.blast_radius import radius_of
from reports.text.plain_names import pod_label
from reports.text.wording import NONE, digits, duration, listed

_ROW_IN, _PANEL_IN = 0.42, 1.05

_BREACHED, _UNSEEN = OUTCOME_STYLES["fail"].light, "#c9cfd7"

_BAR_OFFSETS = {"connection.create": 0.19, "subscription.create": 0.0, "chat.accept": -0.19}
"""Each SLI has a bar of its own in a pod's row, from the top: distance of its middle from that of the row."""

_BAR_HEIGHT = 0.17

_BESIDE = 0.015
"""If the number of an action is nearer than this share of the time, the time of the breach moves left of it."""


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """A panel for each run."""
    found = [(s, b) for s in findings.storages for b in s.blasts]
    rows = [_rows(b) for _, b in found]
    heights = [_PANEL_IN + _ROW_IN * len(names) for names in rows]
    whole = figure(PAGE_IN, sum(heights) + 0.5)
    axes = whole.subplots(len(found), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (storage, blast), names in zip(axes, found, rows, strict=True):
        mark_stages(axis, blast.run, names=True)
        axis.grid(False)
        axis.set_title(short(_round(storage, blast), 60), color=styles[storage.storage].text, pad=TITLE_PT)
        whole_time(axis, findings)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set_yticks(range(len(names)), [short(pod_label(name), 24) for name in names])
        axis.tick_params(axis="y", length=0, labelcolor=INK)
        for row, pod in enumerate(blast.pods):
            _pod(axis, row, blast, pod)
        for event in blast.run.drawn:
            _event(axis, blast, event, names)
    axes[-1].set_xlabel(SECONDS)
    whole.legend(handles=_legend(), loc="outside lower center", ncols=5, fontsize=8)
    return whole


def _rows(blast: Blast) -> list[str]:
    databases = dict.fromkeys(name for event in blast.run.drawn for name in event.databases)
    elsewhere = [e for e in blast.run.drawn if not _acted_on(e, [*_pods(blast), *databases])]
    return [*_pods(blast), *databases, *(["elsewhere"] if elsewhere else [])]


def _pods(blast: Blast) -> list[str]:
    return [pod.pod for pod in blast.pods]


def _acted_on(event: TimelineEvent, rows: list[str]) -> list[int]:
    """The rows of an event: its pods and its databases."""
    named = {*event.pods, *event.databases}
    return [place for place, name in enumerate(rows) if name in named or event.subject == f"pod {name}"]


def _pod(axis: Any, row: int, blast: Blast, pod: PodBlast) -> None:
    axis.axhline(row, color=MUTED, linewidth=0.4, alpha=0.5, zorder=1)
    for one in pod.slis:
        middle = row - _BAR_OFFSETS[one.sli]
        for place in np.flatnonzero(np.isnan(one.share)).tolist():
            _bar(axis, middle, (place * one.width_s, (place + 1) * one.width_s), color=_UNSEEN, alpha=0.55)
        for span in one.spans:
            _bar(axis, middle, (span.begin_s, span.end_s), color=_BREACHED)
    left: dict[str, Any] = {"textcoords": "offset points", "ha": "right"}
    if not pod.spans:
        text = "unknown: too little was observed" if pod.unknown else "no breach"
        where = {"xycoords": ("axes fraction", "data"), "xytext": (-6, 0), "va": "bottom"}
        axis.annotate(text, (1, row), fontsize=8, color=MUTED, **where, **left)
        return
    first, lasted_s = pod.spans[0].begin_s, (blast.run.ended_ns - blast.run.started_ns) / 1e9
    beside = any(abs(blast.moment_s(e) - first) < _BESIDE * lasted_s for e in pod.done_to_it)
    where = {"xytext": (-16 if beside else -3, 0), "va": "center"}
    axis.annotate(f"{first:.0f} s", (first, row), fontsize=7.5, color=WRONG, **where, **left)


def _bar(axis: Any, middle: float, span: tuple[float, float], **style: Any) -> None:
    axis.broken_barh([(span[0], span[1] - span[0])], (middle - _BAR_HEIGHT / 2, _BAR_HEIGHT), linewidth=0, **style)


def _event(axis: Any, blast: Blast, event: TimelineEvent, names: list[str]) -> None:
    at_s = blast.moment_s(event)
    colour = ACTED if event.ok else WRONG
    axis.axvline(at_s, color=colour, linewidth=0.7, alpha=0.35, linestyle=(0, (2, 2)), zorder=1)
    rows = _acted_on(event, names) or [len(names) - 1]
    for row in rows:
        if event.ended_ns is not None:
            lasted = (event.ended_ns - event.started_ns) / 1e9
            axis.broken_barh([(at_s, lasted)], (row - 0.4, 0.8), color=colour, alpha=0.16, linewidth=0)
        axis.plot([at_s, at_s], [row - 0.4, row + 0.4], color=colour, linewidth=1.4, solid_capstyle="butt")
        number(axis, event, at_s, 5.5, y=1 - (row + 0.6) / len(names))


def _legend() -> list[Patch]:
    return [
        Patch(facecolor=_BREACHED, label="breach: connection.create above, subscription.create, chat.accept below"),
        Patch(facecolor=_UNSEEN, alpha=0.55, label="unknown: too few attempts"),
        Patch(facecolor=ACTED, alpha=0.3, label="an action, on the row that it acted on"),
    ]


def _finding(findings: Findings) -> list[str]:
    return [f"{s.label}: {radius_of(s.blasts)}." for s in findings.storages if s.blasts]


def _round(storage: StorageFindings, blast: Blast) -> str:
    if len(storage.blasts) == 1:
        return storage.label
    place = storage.blasts.index(blast) + 1
    return f"{storage.label}, round {blast.run.manifest.get('round') or place}"


_DEFAULTS = "the defaults, because no objectives were given"


def _how(findings: Findings) -> str:
    limits = listed([f"{name} {duration(findings.limits_s[name])}" for name in SLIS])
    source = f"the objectives in {findings.limits_from}" if findings.limits_from else _DEFAULTS
    widths = sorted({one.width_s for s in findings.storages for b in s.blasts for pod in b.pods for one in pod.slis})
    return (
        f"A row for each pod with a bar for each SLI; filled during a breach, grey where it is unknown. The rule: {BREACH_RULE}. "
        f"Bad: failed, unknown, or slower than its limit ({limits}; {source}). Bins here: "
        f"{listed([f'{width} s' for width in widths])}. Numbers mark actions, on the rows that they acted on."
    )


def _table(findings: Findings) -> PageTable:
    rows = [
        [_round(s, b), pod.pod, _done(pod), *_breach_cells(b, pod)]
        for s in findings.storages
        for b in s.blasts
        for pod in b.pods
    ]
    columns = ["system", "pod", "actions on it", "first breach at", "after the first action elsewhere", "in breach for",
               "worst share", "by", "seen"]  # fmt: skip
    caption = (
        "SLO breaches that lasted into the time from the first action on (without one: the first judged stage). In breach for: "
        "all SLIs together. Seen: the share of that time for which the best known SLI is known."
    )
    return PageTable(caption, columns, rows, 3, packed=True, absent="no such action")


def _done(pod: PodBlast) -> str:
    return "; ".join(f"{e.number}: {e.words}" for e in pod.done_to_it) or "none"


def after_another(found: Blast, pod: PodBlast) -> str:
    """How long after the first action on another component its first breach began."""
    others = [e for e in found.run.events if e.kind == "action" and e not in pod.done_to_it]
    if pod.first_s is None or not others:
        return NONE
    return f"{digits(pod.first_s - found.moment_s(others[0]))} s after {others[0].number}"


def _breach_cells(found: Blast, pod: PodBlast) -> list[str]:
    seen = f"{pod.seen:.0%}"
    if not pod.spans:
        return ["unknown" if pod.unknown else "no breach", *["no breach"] * 4, seen]
    worst = max(pod.spans, key=lambda span: span.worst)
    lasted = f"{digits(pod.breached_s)} s" if all(span.ended for span in pod.spans) else f"≥ {digits(pod.breached_s)} s"
    first = pod.spans[0]
    at = f"{digits(first.begin_s)} s ({first.sli})"
    return [at, after_another(found, pod), lasted, f"{worst.worst:.0%}", worst.sli, seen]


def _summary(findings: Findings, storage: StorageFindings) -> dict[str, Any]:
    return {
        "blast_radius": {
            "limits_s": {name: findings.limits_s[name] for name in SLIS},
            "limits_from": findings.limits_from or "defaults",
            "rule": str(BREACH_RULE),
            "runs": [_plain_blast(blast) for blast in storage.blasts],
        }
    }


def _plain_blast(blast: Blast) -> dict[str, Any]:
    pods = {pod.pod: _plain_pod(pod) for pod in blast.pods}
    return {"run": blast.run.name, "words": radius_of([blast]), "since_s": blast.since_s, "pods": pods}


def _plain_pod(pod: PodBlast) -> dict[str, Any]:
    return {
        "burnt": None if pod.unknown else bool(pod.spans),
        "first_s": pod.first_s,
        "burnt_s": pod.breached_s,
        "seen": pod.seen,
        "done_to_it": [event.number for event in pod.done_to_it],
        "burns": [_plain_breach(span) for span in pod.spans],
    }


def _plain_breach(span: Span) -> dict[str, Any]:
    return {"signal": span.sli, **{name: value for name, value in vars(span).items() if name != "sli"}}


SECTION = Section(
    name="blast-radius",
    question="happened",
    title="Blast radius: which pods breached their SLOs, and when",
    applies=lambda findings: any(s.blasts for s in findings.storages),
    finding=_finding,
    how=_how,
    plot=draw,
    table=_table,
    timed=True,
    beside=(_table,),
    summary=_summary,
)
