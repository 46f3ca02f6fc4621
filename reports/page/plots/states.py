"""Activity of sessions for plots: wait class by hue, operation by shade, small ones summed."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from reports.data.arrays import Floats
from reports.findings.resources import CLASSES, State
from reports.findings.study import Findings, StorageFindings
from reports.page.plots.style import CLASS_STYLES, SeriesStyle, shades, short
from reports.text.wording import reported

OTHERS = "others"
_IN_A_CLASS = {"lock": 4}
_FEW, _LEAST = 2, 0.01
"""Number of shades in every other class; states with a smaller share of all sessions are summed."""


def session_states(storage: StorageFindings) -> Mapping[State, Floats]:
    """Mean number of sessions in each bin. Of a storage inside the pod: waits for its write lock, as timed by the
    pod."""
    if storage.sessions.seen or storage.waits.known is None:
        return {state: np.nan_to_num(mean) for state, mean in storage.sessions.states.items()}
    return {("lock", operation): mean for operation, mean in storage.waits.sessions.items()}


def legend_states(findings: Findings) -> list[State]:
    """States with a shade of their own, the same for all storages, and the rest of each class: in the order stacked,
    the largest of a class first."""
    weights: Counter[State] = Counter()
    for storage in findings.storages:
        weights.update({state: float(mean.mean()) for state, mean in session_states(storage).items()})
    ranked = [state for state, weight in weights.most_common() if weight > 0]
    kept: list[State] = []
    for state in ranked:
        small = weights[state] < _LEAST * weights.total()
        if not small and sum(c == state[0] for c, _ in kept) < _IN_A_CLASS.get(state[0], _FEW):
            kept.append(state)
    left = [(name, OTHERS) for name in CLASSES if any(s[0] == name and s not in kept for s in ranked)]
    return sorted([*kept, *left], key=lambda state: (CLASSES.index(state[0]), state[1] == OTHERS))


def folded(states: Mapping[State, Floats], legend: Sequence[State]) -> dict[State, Floats]:
    """The same with states without a shade of their own summed, in the order of the legend."""
    found: dict[State, Floats] = {}
    for (name, operation), mean in states.items():
        place = (name, operation) if (name, operation) in legend else (name, OTHERS)
        found[place] = found[place] + mean if place in found else mean
    return {state: found[state] for state in legend if state in found}


def state_styles(legend: Sequence[State]) -> dict[State, SeriesStyle]:
    styles: dict[State, SeriesStyle] = {}
    for name in CLASSES:
        ladder = shades(CLASS_STYLES[name])
        selected = [state for state in legend if state[0] == name]
        palest = 1 if len(selected) == 1 else -1
        styles |= {state: ladder[palest if state[1] == OTHERS else rank] for rank, state in enumerate(selected)}
    return styles


def state_label(state: State, legend: Sequence[State]) -> str:
    name, operation = state
    alone = operation == OTHERS and sum(c == name for c, _ in legend) == 1
    return name if alone else f"{name}: {short(reported(operation), 22)}"
