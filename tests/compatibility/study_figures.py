"""Every figure that the report and the gate state about a study, and how two sets of them differ.

The only place that knows which modules of `reports` make the documents.
"""

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.exports.figures import as_csv, figures
from reports.exports.summary import summary
from reports.gate import command as gate_command
from reports.sections import summary_of
from reports.text.story import story

OBJECTIVES = Path(__file__).parent / "stored" / "objectives.yaml"

RENAMED: dict[str, str] = {}
"""Where a figure is today: beginning of its key path as stored → as it is now. `*` stands for one key each, in order.

`{"summary/storages/*/lock_waits/known": "summary/storages/*/waits/known"}`
"""

CHANGED: dict[str, dict[Any, Any]] = {
    # What a saturated generator may have made late itself is measured; the rest is the storage's (docs/objectives.md).
    "verdict/checks/*/bias": {"either": "hides, explains"},
    "comparison/checks/*/bias": {"either": "hides, explains"},
}
"""Values that mean something else today, on purpose: pattern of the path → stored value → value of today."""

LAST_DIGITS = 1e-12
"""Share by which a figure may differ between processors. NumPy computes `log10` and `power` by other instructions where
there is AVX-512: the same code on the same rows differed by up to 4e-15 between two hosts."""

TEXTS = frozenset(
    {
        "summary/headline/answer",
        "summary/headline/reason",
        "summary/headline/radius",
        "summary/caveats/#",
        "summary/caveats/*",
        "summary/runs/*/ledger/*/reason",
        "summary/runs/*/events/*/words",
        "summary/runs/*/events/*/error",
        "summary/storages/*/causes/reason",
        "summary/storages/*/causes/sentence",
        "summary/storages/*/calibration/*/reason",
        "summary/storages/*/blast_radius/rule",
        "summary/storages/*/blast_radius/runs/*/words",
        "verdict/checks/*/reason",
        "comparison/checks/*/reason",
    }
)
"""Sentences, whose wording may change; of `caveats` their number as well. Numbers are compared wherever they are."""

KeyPath = tuple[str, ...]
Pair = tuple[str, str]

_ROW = ("storage", "pod", "operation", "figure")
_NUMBERS = ("value", "low", "high")
LENGTH = "#"
"""Stands for the number of items of a list, as the last part of a key path."""


class Difference(NamedTuple):
    """A figure that is not what it was."""

    path: str
    expected: Any
    found: Any


MISSING = "missing"


def report_figures(study: Path) -> dict[str, Any]:
    """`summary.json` and the rows of `figures.csv` of a report, made without its page."""
    findings = find(study.name, read_study(study))
    document = json.dumps(summary(findings, story(findings), summary_of), allow_nan=False)
    return {"summary": json.loads(document), "figures": by_row(as_csv(figures(findings)))}


def verdict(study: Path, *options: str) -> dict[str, Any]:
    """`verdict.json` of a gate that judges by the stored objectives."""
    with contextlib.redirect_stdout(io.StringIO()):
        gate_command.main([str(study), "--objectives", str(OBJECTIVES), *options])
    found: dict[str, Any] = json.loads((study / "verdict.json").read_text(encoding="utf-8"))
    found["objectives"]["file"] = OBJECTIVES.name  # whose path is another one in each checkout
    return found


def study_figures(study: Path, pair: Pair | None) -> dict[str, Any]:
    """All documents. `pair`: the storage systems that the second verdict compares, baseline and candidate."""
    found = {**report_figures(study), "verdict": verdict(study)}
    if pair is not None:
        found["comparison"] = verdict(study, "--baseline", pair[0], "--candidate", pair[1])
    return found


def by_row(text: str) -> dict[str, Any]:
    """Rows of `figures.csv`, nested by storage, pod, operation and figure; numbers as numbers."""
    nested: dict[str, Any] = {}
    for row in csv.DictReader(io.StringIO(text)):
        place = nested
        for column in _ROW:
            place = place.setdefault(row.pop(column), {})
        assert not place, "two rows of one figure"
        place.update({name: _number(cell) if name in _NUMBERS else cell for name, cell in row.items()})
    return nested


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def leaves(document: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Values by key path. A list has its length as well."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from leaves(value, (*at, key))
    elif isinstance(document, list):
        yield (*at, LENGTH), len(document)
        for place, value in enumerate(document):
            yield from leaves(value, (*at, str(place)))
    else:
        yield at, document


def key_path(text: str) -> KeyPath:
    return tuple(text.split("/"))


def matched(pattern: str, path: KeyPath) -> list[str] | None:
    """What the `*` of a pattern stand for in the beginning of a key path; None when it begins otherwise."""
    parts = key_path(pattern)
    if len(parts) > len(path) or any(part not in ("*", found) for part, found in zip(parts, path, strict=False)):
        return None
    return [found for part, found in zip(parts, path, strict=False) if part == "*"]


def renamed(path: KeyPath, names: Mapping[str, str]) -> KeyPath:
    """Where a figure is today: by the longest old pattern that its path begins with."""
    for old in sorted(names, key=lambda pattern: -pattern.count("/")):
        stars = matched(old, path)
        if stars is not None:
            return *(stars.pop(0) if p == "*" else p for p in key_path(names[old])), *path[len(key_path(old)) :]
    return path


def differences(expected: Any, found: Any, names: Mapping[str, str], texts: frozenset[str]) -> list[Difference]:
    """Figures that are missing or changed. An additional key of a mapping is no difference; an item of a list is one.

    `names`: old pattern → new pattern. `texts`: patterns of sentences, and of lists of them.
    """
    today = dict(leaves(found))
    listed = []
    for path, value in leaves(expected):
        if is_text(path, value, texts):
            continue
        other = today.get(renamed(path, names), MISSING)
        if not equal(value, other) and not is_changed(path, value, other):
            listed.append(Difference("/".join(path), value, other))
    return listed


def is_text(path: KeyPath, value: Any, texts: frozenset[str]) -> bool:
    """Whether this is one of the sentences, whose wording may change. A number never is."""
    if isinstance(value, bool | int | float) and path[-1] != LENGTH:
        return False
    return any(len(key_path(pattern)) == len(path) and matched(pattern, path) is not None for pattern in texts)


def is_changed(path: KeyPath, value: Any, other: Any) -> bool:
    """Whether the value is one of those that changed on purpose, and is what it should be now."""
    return any(
        value in values and values[value] == other
        for pattern, values in CHANGED.items()
        if isinstance(value, str) and len(key_path(pattern)) == len(path) and matched(pattern, path) is not None
    )


def equal(one: Any, other: Any) -> bool:
    """Whole numbers exactly, others but for what processors make of them; 1 and 1.0 are one number, but not true."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=LAST_DIGITS)
    return isinstance(one, bool) == isinstance(other, bool) and one == other
