"""Styles shared by all plots: a colour and a dash for each storage, stable by name; inks that follow the theme."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from loadtests.engines import ENGINES, Dash
from loadtests.storagenames import short_names
from reports.data.contract import NO_HOLDER
from reports.findings.causes import CLIENT_BACKLOG
from reports.text.wording import duration, one_line, reported

INK, MUTED, GRID, SHADE, PAPER = "#1b1f24", "#5b6470", "#d9dde3", "#eef2f8", "#ffffff"
_DARK_INK, _DARK_PAPER = "#e8ebef", "#12161b"


ACTED, WRONG = "#5b3fa0", "#b3261e"
"""Successful actions; faults and failed actions."""


@dataclass(frozen=True)
class SeriesStyle:
    """Colour on white, colour on black, and a dash to distinguish it without colour."""

    light: str
    dark: str
    dash: Dash = "-"

    @property
    def text(self) -> str:
        """The colour for text: dark enough to be readable on white."""
        return legible(self.light)


_SPARE = (
    SeriesStyle("#882255", "#d977a8", (0, (8, 2))),
    SeriesStyle("#3f3f46", "#d4d4d8", (0, (3, 1, 1, 1))),
    SeriesStyle("#44339a", "#9d8ff0", (0, (5, 1, 1, 1))),
    SeriesStyle("#1f7a8c", "#5cc6da", (0, (1.5, 1))),
    SeriesStyle("#8c4a2f", "#d39a7c", (0, (10, 2))),
)

OUTCOME_STYLES = {
    "ok": SeriesStyle("#4f9da6", "#5fb6c0"),
    "refused": SeriesStyle("#c3d3d6", "#5b6d72"),
    "fail": SeriesStyle("#c0392b", "#ff7d6b"),
    "unknown": SeriesStyle("#8e44ad", "#cf8ff0"),
}
CLASS_STYLES = {
    "running": SeriesStyle("#3a923a", "#6cc56c"),
    "io": SeriesStyle("#3274a1", "#6aaede"),
    "lock": SeriesStyle("#c03d3e", "#f07a6f"),
    "idle in transaction": SeriesStyle("#e1a23b", "#f0bf6a"),
    "other": SeriesStyle("#8a8f96", "#a0a7b0"),
}
CAUSE_STYLES = {
    "lock": CLASS_STYLES["lock"],
    "session": SeriesStyle("#c8851d", "#f0b45a"),
    "database": SeriesStyle("#3f6fb0", "#7fa9e6"),
    "pod": SeriesStyle("#2f8f83", "#5fc9bb"),
    CLIENT_BACKLOG: SeriesStyle("#8467b3", "#b79be6"),
    "rest": SeriesStyle("#a8a29a", "#857f77"),
}
"""In the order stacked: locks first, so that they compare between storages."""
LOSS_STYLES = {
    "conflict": SeriesStyle("#d08a12", "#f0bf6a"),
    "busy_snapshot": SeriesStyle("#7b5ea7", "#b79be6"),
    "deadlock": SeriesStyle("#7a2e2e", "#d98f86"),
    "lock_timeout": CLASS_STYLES["lock"],
}
"""Losses of transactions by cause, in the order stacked."""
ROLE_STYLES = {
    "pod": SeriesStyle("#0f6e84", "#4fc3dd"),
    "database": SeriesStyle("#a0522d", "#e39b72", (0, (6, 1.6))),
    "generator": SeriesStyle("#7a7f87", "#a4abb5", (0, (2, 1.2))),
    "observer": SeriesStyle("#7b5ea7", "#b79be6", (0, (1, 1.4))),
}

SERIES_STYLES = (
    SeriesStyle("#c03d3e", "#f07a6f"),
    SeriesStyle("#d08a12", "#f0bf6a", (0, (6, 1.6))),
    SeriesStyle("#3274a1", "#6aaede", (0, (2, 1.2))),
    SeriesStyle("#7b5ea7", "#b79be6", (0, (7, 1.5, 1.5, 1.5))),
    SeriesStyle("#2f8f83", "#5fc9bb", (0, (4, 1, 1, 1, 1, 1))),
    SeriesStyle("#8c4a2f", "#d39a7c", (0, (10, 2))),
    SeriesStyle("#5f6b7a", "#9fb0c3", (0, (1, 1.4))),
)
"""For pods and databases, in the order shown; after the last one they repeat."""

_TINTS = (-0.32, 0.0, 0.28, 0.48, 0.64)
"""From a fuller colour to a paler one: below zero towards the ink, above towards the paper."""


@lru_cache(32)
def shades(style: SeriesStyle) -> tuple[SeriesStyle, ...]:
    """Five of one hue, the fullest first, the last next to the paper."""
    mixed = ((_mixed(style.light, INK, PAPER, t), _mixed(style.dark, _DARK_INK, _DARK_PAPER, t)) for t in _TINTS)
    return tuple(SeriesStyle(light, dark) for light, dark in mixed)


def _mixed(colour: str, ink: str, paper: str, share: float) -> str:
    other, part = (ink, -share) if share < 0 else (paper, share)
    pairs = ((int(c[place : place + 2], 16) for c in (colour, other)) for place in (1, 3, 5))
    return "#" + "".join(f"{round(a * (1 - part) + b * part):02x}" for a, b in pairs)


def series_styles(names: Sequence[str]) -> dict[str, SeriesStyle]:
    return {name: SERIES_STYLES[place % len(SERIES_STYLES)] for place, name in enumerate(names)}


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2, from 1 to 21; words need 4.5."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(256)
def legible(colour: str) -> str:
    """The colour, darkened until words in it can be read on paper and on the shade of a judged stage."""
    share = 1.0
    while contrast(dark := _times(colour, share), SHADE) < 4.5:
        share -= 0.02
    return dark


def _times(colour: str, share: float) -> str:
    return "#" + "".join(f"{round(int(colour[place : place + 2], 16) * share):02x}" for place in (1, 3, 5))


def _known_storages() -> dict[str, SeriesStyle]:
    return {
        f"{engine}:{choice.name}".removesuffix(":"): SeriesStyle(choice.light, choice.dark, choice.dash)
        for engine, entry in ENGINES.items()
        for choice in entry.choices
    }


def storage_styles(storages: Sequence[str]) -> dict[str, SeriesStyle]:
    """A style for each storage: the same for a name in all studies, and unique within a study."""
    styles: dict[str, SeriesStyle] = {}
    known, short = _known_storages(), short_names()
    for name in sorted(storages, key=lambda s: (short.get(s, s) not in known, s)):
        style = known.get(short.get(name, name))
        if style is None or style in styles.values():
            first = int(sha256(name.encode()).hexdigest(), 16) % len(_SPARE)
            candidates = _SPARE[first:] + _SPARE[:first] + tuple(known.values())
            style = next((spare for spare in candidates if spare not in styles.values()), candidates[0])
        styles[name] = style
    return styles


def all_styles() -> list[SeriesStyle]:
    tables = (_known_storages(), OUTCOME_STYLES, CAUSE_STYLES, LOSS_STYLES, ROLE_STYLES)
    classes = [shade for style in CLASS_STYLES.values() for shade in shades(style)]
    return [style for table in tables for style in table.values()] + [*classes, *_SPARE, *SERIES_STYLES]


def inks() -> dict[str, tuple[str, str]]:
    """Every colour that follows the theme: as drawn → name of the page's variable, and its value in the dark."""
    pairs = {INK: _DARK_INK, MUTED: "#9aa4b0", GRID: "#323a44", SHADE: "#1d2530", PAPER: _DARK_PAPER}
    pairs |= {ACTED: "#bba8f7", WRONG: "#ff8a7a"}
    for style in all_styles():
        pairs |= {style.light: style.dark, style.text: style.dark}
    return {light: (f"--c{light[1:]}", dark) for light, dark in pairs.items()}


@contextmanager
def styled() -> Iterator[None]:
    with mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "svg.fonttype": "none",
            "text.parse_math": False,  # a dollar sign in a name is literal
            "svg.hashsalt": "report",
            "text.color": INK,
            "axes.labelcolor": MUTED,
            "axes.edgecolor": MUTED,
            "axes.linewidth": 0.7,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titley": 1.0,  # otherwise every drawing measures the ticks, to put the title above them
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "grid.linewidth": 0.6,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "figure.facecolor": PAPER,
            "axes.facecolor": "none",
            "savefig.facecolor": PAPER,
        }
    ):
        yield


def beside(panels: int) -> int:
    """Number of columns for so many panels: three, but four are two by two, and of many there are more."""
    return {4: 2, 7: 4, 8: 4}.get(panels, min(max(panels, 1), 3) if panels < 9 else 5)


PAGE_IN = 12.5
"""A narrower plot would be enlarged to the width of the page, text included."""


def figure(width: float, height: float) -> Figure:
    """A figure without pyplot's global state."""
    return Figure(figsize=(width, height), dpi=144, layout="constrained")


_LEAST_RATIO = 3.0
"""Of the upper to the lower end of an axis of latencies."""


def latency_axis(axis: Any, low_s: float, high_s: float, most: int = 10) -> None:
    """A logarithmic y axis of durations with round, human ticks, about `most` of them."""
    axis.set_yscale("log")
    low_s, high_s = max(low_s, 1e-6) / 1.25, max(high_s, 2e-6) * 1.35
    widen = max(_LEAST_RATIO * low_s / high_s, 1.0) ** 0.5  # of nearly the same latencies, too, two ticks
    low_s, high_s = low_s / widen, high_s * widen
    axis.set_ylim(low_s, high_s)
    steps = (1, 2, 3, 5, 7) if high_s / low_s < 10 else (1, 3) if high_s / low_s < 1e4 else (1,)
    ticks = [m * 10.0**e for e in range(-6, 4) for m in steps if low_s <= m * 10.0**e <= high_s]
    if len(ticks) > most:
        whole = [10.0**e for e in range(-6, 4) if low_s <= 10.0**e <= high_s]
        ticks = whole or ticks[:: len(ticks) // most + 1]
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _tick(y)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_minor_formatter(NullFormatter())


def _tick(seconds: float) -> str:
    return duration(seconds).replace(".0 ", " ")


def holder_name(name: str, most: int = 20) -> str:
    """The holder of a lock, shortened."""
    return "between retries" if name == NO_HOLDER else short(reported(name), most)


def short(name: str, most: int = 30) -> str:
    """A name cut to fit into the plot."""
    name = one_line(name)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def wrapped(axis: Any, text: str) -> str:
    """Text of 8 points on as many lines as the width of the axis needs."""
    width_in = axis.get_position().width * axis.figure.get_size_inches()[0]
    return "\n".join(part for line in text.split("\n") for part in wrap(line, max(int(width_in * 14), 10)))


def note(axis: Any, text: str, y: float = 0.5) -> None:
    """Why a panel has nothing, or less than expected."""
    axis.text(0.5, y, wrapped(axis, text), transform=axis.transAxes, ha="center", va="center", color=MUTED, fontsize=8)
