# ruff: noqa: E501  sentences of the page are kept whole
"""Section: the response of each operation by cause."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from loadtests.records.vocabulary import OPERATIONS
from reports.exports.plain import Pairs, ranked
from reports.findings.causes import CAUSES, FIGURES, Split, cause_label
from reports.findings.pooling import summed_by
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import CAUSE_STYLES, INK, MUTED, PAGE_IN, PAPER, SeriesStyle, figure, holder_name, short
from reports.page.plots.time_axis import add_axes
from reports.page.table import PageTable
from reports.sections.contract import Section
from reports.text.plain_names import title
from reports.text.ranking import hero_operation
from reports.text.sentence import figures_of, sentence
from reports.text.wording import NONE, digits, duration, reported

FIRST = ("chat.accept", "subscription.create", "connection.create", "message.send")
"""Operations that users notice, which come first."""

_FIGURES = ("p50", "p95", "p99")

_LEFT_IN, _PANEL_IN, _BETWEEN_IN, _BAR_IN = 1.6, 3.5, 0.15, 1.4

_HEAD_IN, _TOP_IN = 0.42, 0.3

_MANY = 6
"""With more systems, only the operations in FIRST are drawn; the table has all."""

_LITTLE = 0.005
"""A smaller share of locks is not labelled."""


class _Size(NamedTuple):
    """Height of a bar with its line in inches, and size of the figure beside it in points."""

    row_in: float
    figure_pt: float


_LARGE, _SMALL = _Size(0.4, 9.0), _Size(0.27, 7.3)


def split_operations(findings: Findings) -> list[str]:
    """Operations with a split on any storage, the hero operation first, then those in FIRST."""
    found = {operation for s in findings.storages for operation, by in s.causes.splits.items() if by}
    known = [*dict.fromkeys((hero_operation(findings), *FIRST, *OPERATIONS))]
    return [*(o for o in known if o in found), *sorted(found.difference(known))]


def draw(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """The hero operation: a panel for each percentile, a bar for each storage. All bars have the same length and show
    shares, so that 10 ms is as readable as 2.5 s; the line beneath shows the figure."""
    return _draw(findings, styles, split_operations(findings)[:1], _LARGE)


def draw_others(findings: Findings, styles: dict[str, SeriesStyle]) -> Figure:
    """The same of the other operations, a row of panels for each."""
    shown = len(FIRST) if len(findings.storages) > _MANY else None
    return _draw(findings, styles, split_operations(findings)[1:shown], _SMALL)


def _draw(findings: Findings, styles: dict[str, SeriesStyle], operations: Sequence[str], size: _Size) -> Figure:
    storages = findings.storages
    panel_in = size.row_in * max(len(storages), 1)
    height = _TOP_IN + (_HEAD_IN + panel_in) * max(len(operations), 1) + 0.1
    whole = figure(PAGE_IN, height)
    whole.set_layout_engine(None)
    if not operations:
        _nothing(whole, storages)
        return whole
    for row, operation in enumerate(operations):
        top = height - _TOP_IN - row * (_HEAD_IN + panel_in) - _HEAD_IN
        for column, name in enumerate(_FIGURES):
            left = _LEFT_IN + column * (_PANEL_IN + _BETWEEN_IN)
            axis = add_axes(whole, left, top, _PANEL_IN, panel_in)
            axis.set_title(f"{short(operation)}, {name}" if column == 0 else name)
            _panel(axis, findings, styles, (operation, name), size.figure_pt)
            _names(axis, storages, styles, named=column == 0)
    handles = [Patch(facecolor=style.light, label=cause_label(cause)) for cause, style in CAUSE_STYLES.items()]
    at = (_LEFT_IN / PAGE_IN, 1 - 0.08 / height)
    whole.legend(handles=handles, loc="upper left", bbox_to_anchor=at, ncols=6, handlelength=1.2, borderaxespad=0)
    note = "red text: all lock-related time, and the holder of most"
    whole.text(1 - 0.1 / PAGE_IN, 1 - 0.1 / height, note, ha="right", va="top", fontsize=8, color=MUTED)
    return whole


def _nothing(whole: Figure, storages: Sequence[StorageFindings]) -> None:
    reasons = dict.fromkeys(s.causes.reason for s in storages if s.causes.reason)
    other = "other " if any(s.causes.splits for s in storages) else ""
    text = "; ".join(short(reason, 140) for reason in reasons)
    text = text or f"no {other}operation could be joined with its transactions"
    whole.text(0.5, 0.5, f"unknown: {text}", ha="center", va="center", color=MUTED)


def _panel(
    axis: Any, findings: Findings, styles: dict[str, SeriesStyle], figure: tuple[str, str], figure_pt: float
) -> None:
    """A figure of an operation, both by name, with a bar for each storage."""
    storages, (operation, name) = findings.storages, figure
    splits = [(s.causes.splits.get(operation) or {}).get(name) for s in storages]
    longest = max((split.value_ns for split in splits if split), default=0.0)
    axis.set_xlim(0, _PANEL_IN / _BAR_IN)
    axis.set_ylim(len(storages) - 0.5, -0.5)
    for place, (storage, split) in enumerate(zip(storages, splits, strict=True)):
        if split is None:
            _word(axis, 0.03, place, _absent(storage, operation), color=MUTED)
            continue
        _bar(axis, place, split)
        length = split.value_ns / longest if longest else 0.0
        _box(axis, 0, place + 0.25, length, 0.11, facecolor=styles[storage.storage].light)
        _word(axis, 1.04, place, _took(split), color=INK, fontweight="bold", fontsize=figure_pt)
        _word(axis, 1.48, place, _locks(split), color=CAUSE_STYLES["lock"].text)


def _bar(axis: Any, place: int, split: Split) -> None:
    """Shares of the whole; red beneath other colours: the lock-related time in them."""
    base, whole_ns = 0.0, split.value_ns or 1.0
    for cause, style in CAUSE_STYLES.items():
        share = max(split.parts.get(cause, 0.0), 0.0) / whole_ns
        _box(axis, base, place - 0.32, share, 0.5, facecolor=style.light, edgecolor=PAPER, linewidth=0.3)
        through = sum(split.through.get(cause, {}).values()) / whole_ns
        _box(axis, base, place - 0.02, through, 0.2, facecolor=CAUSE_STYLES["lock"].light)
        base += share


def _box(axis: Any, x: float, y: float, width: float, height: float, **style: Any) -> None:
    axis.add_patch(Rectangle((x, y), width, height, **{"linewidth": 0, **style}))


def _word(axis: Any, x: float, place: int, text: str, **style: Any) -> None:
    axis.text(x, place - 0.05, text, va="center", **{"fontsize": 7.3, **style})


def _locks(split: Split) -> str:
    """The time of locks with the holder of most of it; empty for hardly any."""
    lock_ns = sum(split.locked.values()) or split.parts.get("lock", 0.0)
    return f"{duration(lock_ns / 1e9)} {holder_of(split)}" if lock_ns > _LITTLE * split.value_ns else ""


def _took(split: Split) -> str:
    return ("≥ " if split.at_least else "") + duration(split.value_ns / 1e9)


def holder_of(split: Split) -> str:
    """The holder of the locks with most of the lock-related time; empty when unknown."""
    held = summed_by(split.locked, 0)
    return holder_name(max(held, key=lambda holder: held[holder])) if held else ""


def _absent(storage: StorageFindings, operation: str) -> str:
    if storage.causes.known is None:
        return f"unknown: {short(storage.causes.reason, 42)}" if storage.causes.reason else "unknown"
    return "too few rows" if operation in storage.measures else "no rows"


def _names(axis: Any, storages: Sequence[StorageFindings], styles: dict[str, SeriesStyle], *, named: bool) -> None:
    axis.grid(False)
    axis.set_xticks([])
    axis.set_yticks(range(len(storages)), [short(s.label, 22) for s in storages] if named else [])
    axis.tick_params(axis="y", length=0)
    axis.spines["bottom"].set_visible(False)
    for label, storage in zip(axis.get_yticklabels(), storages, strict=False):
        label.set_color(styles[storage.storage].text)


def _finding(findings: Findings) -> list[str]:
    return [f"{sentence(s)}{_meanwhile(s)}" for s in findings.storages]


def _meanwhile(storage: StorageFindings) -> str:
    """Time waiting for a pooled session is attributed to what the pool's sessions were waiting for."""
    busy = storage.sessions.judged
    queued = any(max(f.split.parts, key=lambda c: f.split.parts[c]) == "session" for f in figures_of(storage.causes))
    if not queued or not busy or busy["lock"] < sum(busy.values()) / 2:
        return ""
    return f" Meanwhile {digits(busy['lock'])} of {digits(sum(busy.values()))} busy sessions waited for locks."


def _table(findings: Findings) -> PageTable:
    rows = [
        [title(operation), s.label, figure, held_by(split), _took(split), *_parts(split), f"{split.n:,}"]
        for operation in dict.fromkeys(o for s in findings.storages for o in s.causes.splits)
        for s in findings.storages
        for figure, split in _in_order(s.causes.splits.get(operation) or {})
    ]
    caption = (
        "Figures of the response in the judged stages, split by cause: of a percentile, the mean shares of the operations around it. "
        "n: operations around it; behind: holders and objects of the locks, including locks of earlier calls and of the pool."
    )
    return PageTable(
        caption,
        ["operation", "system", "figure", "behind", "took", *map(cause_label, CAUSES), "n"],
        rows,
        4,
        packed=True,
        absent="no locks",
    )


def _in_order(splits: Mapping[str, Split]) -> Iterator[tuple[str, Split]]:
    yield from ((figure, splits[figure]) for figure in FIGURES if figure in splits)


def _parts(split: Split) -> Iterator[str]:
    for part in (split.parts.get(cause, 0.0) for cause in CAUSES):
        yield f"{duration(part / 1e9)} ({part / split.value_ns:.0%})" if part and split.value_ns else "0"


def held_by(split: Split, most: int = 2) -> str:
    """`chat.accept on accounts 300 ms, message.send on chats 38 ms`."""
    ranked = sorted(split.locked.items(), key=lambda pair: -pair[1])[:most]
    return (
        ", ".join(
            f"{reported(holder)} on {reported(on)} {duration(ns / 1e9)}" for (holder, on), ns in ranked if ns >= 1_000
        )
        or NONE
    )


def _summary(_: Findings, storage: StorageFindings) -> dict[str, Any]:
    causes = storage.causes
    splits = {name: {f: _plain(s) for f, s in splits.items()} for name, splits in causes.splits.items()}
    known = causes.known or "unknown"
    return {"causes": {"known": known, "reason": causes.reason, "sentence": sentence(storage), "splits": splits}}


def _plain(split: Split) -> dict[str, Any]:
    return {
        "value_ms": split.value_ns / 1e6,
        "at_least": split.at_least,
        "n": split.n,
        "parts_ms": {cause: ns / 1e6 for cause, ns in split.parts.items()},
        "lock_bounds_ms": split.bounds and [bound / 1e6 for bound in split.bounds],
        "locks": _plain_locks(split.locks),
        "locks_felt_through": {cause: _plain_locks(locks) for cause, locks in split.through.items()},
    }


def _plain_locks(locks: Pairs) -> list[dict[str, Any]]:
    return [{"behind": holder, "on": on, "ms": ns / 1e6} for (holder, on), ns in ranked(locks)]


SECTION = Section(
    name="where-the-time-went",
    question="time",
    title="Where the time went",
    finding=_finding,
    how=lambda _: (
        "Each bar is the response in the judged stages at that percentile, split by cause: mean shares of the operations around it. All bars have the same length, "
        "so that 10 ms is as readable as 2.5 s; the thin line beneath shows the figure relative to the slowest system. Red under another "
        "colour: lock-related time in it, in the user's earlier calls or in the sessions of the pool that it waited for. Red text: all lock-related "
        "time, and the holder of most of these locks. Client backlog: its user was still in an earlier call. Session: the pod waited for one of its pool. Database: "
        "statements and commit. Rest: the network and the pod's queue. Behind the fold the same of other operations, of more than six systems only three."
    ),
    plot=draw,
    others=("Where the time of the other operations went", draw_others),
    table=_table,
    summary=_summary,
)
