"""Short labels of systems: as recorded in the manifest, else the shortest parts of their names that differ."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from reports.data.contract import StudyRun

LONGEST = 32
"""Characters of a label; the full name is in the settings."""
_PART = re.compile(r"[^():,]+")


def labels(runs: Sequence[StudyRun]) -> dict[str, str]:
    """The label of each storage system or target, all different."""
    recorded = {run.storage: str(run.manifest["label"]) for run in runs if run.manifest.get("label")}
    derived = derived_labels([name for name in dict.fromkeys(run.storage for run in runs) if name not in recorded])
    chosen = {run.storage: recorded.get(run.storage) or derived[run.storage] for run in runs}
    return _distinct({storage: _cut(label) for storage, label in chosen.items()})


def derived_labels(names: Sequence[str]) -> dict[str, str]:
    """`postgres:optimistic` → `optimistic` beside `postgres:pessimistic`, `postgres` beside `sqlite`.

    A name alone keeps its choice; of a dual system remains the engine.
    """
    if len(names) == 1:
        return {names[0]: _engine(names[0]) if "(" in names[0] else names[0]}
    families: dict[str, list[str]] = defaultdict(list)
    for name in names:
        families[_engine(name)].append(name)
    found = {name: label for engine, family in families.items() for name, label in _family(engine, family).items()}
    count = Counter(found.values())
    return {name: label if count[label] == 1 else name for name, label in found.items()}


def _engine(name: str) -> str:
    return next(iter(_PART.findall(name)), name)


def _family(engine: str, names: Sequence[str]) -> Mapping[str, str]:
    """Labels of the systems of one engine: the first part of each name that the others lack, else the whole names."""
    if len(names) == 1:
        return {names[0]: engine}
    parts = {name: _PART.findall(name) for name in names}
    shared = Counter(part for one in parts.values() for part in set(one))
    own = {name: next((part for part in one if shared[part] == 1), "") for name, one in parts.items()}
    return own if all(own.values()) else {name: name for name in names}


def _cut(label: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in label).split()) or "unnamed"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _distinct(labels_by_name: Mapping[str, str]) -> dict[str, str]:
    """With a number, where cut or recorded labels are the same."""
    found: dict[str, str] = {}
    for name, label in labels_by_name.items():
        numbered = (f"{label} ({number})" for number in range(2, len(labels_by_name) + 2))
        found[name] = next(text for text in (label, *numbered) if text not in found.values())
    return found
