"""Labels: what a target or a storage system is called in reports."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

from loadtests import storagenames
from loadtests.conductor.choices import Subject
from loadtests.configuration.values import LONGEST_LABEL
from loadtests.records.rundirectory import safe_name
from loadtests.sanitize import printable

_LONGEST_OF_TARGET = 100


def problems_of_target_label(label: str | None) -> list[str]:
    """It names a directory, and is shown on terminals and pages."""
    if not label:
        return ["--target needs --label NAME: what this pod is called in the report"]
    problems = []
    if not safe_name(label):
        problems.append(f"--label {printable(label)}: expected at least one letter a to z or digit, for a directory")
    return problems + _problems_of_text(label, label, _LONGEST_OF_TARGET)


def _problems_of_text(given: str, label: str, longest: int) -> list[str]:
    problems = []
    if len(label) > longest:
        problems.append(f"--label {printable(given[:20])}…: {len(label)} characters, at most {longest} expected")
    hidden = dict.fromkeys(ascii(c) for c in label if not c.isprintable())
    if hidden:
        problems.append(f"--label {printable(given)}: got {', '.join(hidden)}, expected characters that can be seen")
    return problems


def labelled(
    subjects: Sequence[Subject], given: Sequence[str], of_scenario: Mapping[str, str], problems: list[str]
) -> list[Subject]:
    """Storage systems with their labels: those of the command line (`STORAGE=TEXT`), else those of the scenario."""
    known = {_full(subject.name): subject for subject in subjects}
    chosen = {_full(name): label for name, label in of_scenario.items() if _full(name) in known}
    named: set[str] = set()
    for text in given:
        name, _, label = (part.strip() for part in text.partition("="))
        if not label:
            problems.append(f"--label {printable(text)}: expected STORAGE=TEXT or, for a pod of your own, --target too")
        elif _full(name) not in known:
            systems = ", ".join(subject.name for subject in subjects)
            problems.append(f"--label {printable(text)}: the storage systems of this study are {systems}")
        elif _full(name) in named:
            problems.append(f"--label {printable(text)}: this storage system already has a label")
        else:
            problems += _problems_of_text(text, label, LONGEST_LABEL)
            named.add(_full(name))
            chosen[_full(name)] = unicodedata.normalize("NFC", label)
    problems += [f"label {printable(label)}: two storage systems have it" for label in _repeated(chosen)]
    return [replace(subject, label=chosen.get(name, "")) for name, subject in known.items()]


def _repeated(chosen: Mapping[str, str]) -> list[str]:
    labels = list(chosen.values())
    return [label for label in dict.fromkeys(labels) if labels.count(label) > 1]


def _full(name: str) -> str:
    """The full name of a storage system; a name that is not known stays as it is."""
    try:
        return str(storagenames.parse(name))
    except storagenames.StorageNameError:
        return name
