"""A judgement as JUnit XML, by the rules of Jenkins' xUnit plugin: a suite a storage, `fail` as failure, `unknown` as
error, which no CI shows as green."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from reports.gate.judging.verdicts import Check, Judgement, Verdict

_ELEMENTS = {Verdict.FAIL: "failure", Verdict.UNKNOWN: "error"}
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|.)?")
"""The escape sequences of terminals."""


def as_junit(judgement: Judgement, study: str) -> str:
    """The XML text, to be written as UTF-8. What did not pass but does not decide is skipped, so that CI does not stop
    on a baseline. The time of a run is that of its first test case; all other cases took no time of their own."""
    root = ET.Element("testsuites", name=_clean(study))
    names = _Names()
    for storage in dict.fromkeys(check.storage for check in judgement.checks):
        checks = [check for check in judgement.checks if check.storage == storage]
        started = _started(judgement, storage)
        suite = ET.SubElement(root, "testsuite", _counts(checks), name=_clean(storage or "study"), timestamp=started)
        suite.set("skipped", str(sum(not c.decides and c.verdict is not Verdict.PASS for c in checks)))
        for check in checks:
            _case(suite, check, names)
    root.attrib.update(_counts(judgement.checks))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


class _Names:
    """Names of test cases, each one once in its class."""

    def __init__(self) -> None:
        self._given: Counter[tuple[str, str]] = Counter()

    def unique(self, class_name: str, check: Check) -> str:
        round_ = None if check.round is None else f"round {check.round}"
        for name in self._candidates(check.check, round_, check.run):
            if not self._given[class_name, name]:
                self._given[class_name, name] += 1
                return name
        raise AssertionError

    @staticmethod
    def _candidates(check: str, round_: str | None, run: str | None) -> Iterator[str]:
        """`completed (round 2)` keeps its name from study to study; the rest is for studies that repeat themselves."""
        places = [place for place in (round_, run) if place is not None]
        yield _clean(f"{check} ({places[0]})" if places else check)
        yield _clean(f"{check} ({', '.join(places)})" if places else check)
        number = 2
        while True:
            yield _clean(f"{check} ({', '.join([*places, str(number)])})")
            number += 1


def _case(suite: ET.Element, check: Check, names: _Names) -> None:
    class_name = _clean(check.storage or "study")
    case = ET.SubElement(
        suite, "testcase", classname=class_name, name=names.unique(class_name, check), time=_seconds([check])
    )
    if check.verdict is Verdict.PASS:
        return
    if not check.decides:
        ET.SubElement(case, "skipped", message=_clean(f"{check.verdict.value}, shown only: {check.reason}"))
    else:
        element = ET.SubElement(case, _ELEMENTS[check.verdict], type=check.verdict.value, message=_clean(check.reason))
        element.text = _clean(_figures(check))


def _figures(check: Check) -> str:
    if check.observed is None:
        return check.reason
    interval = f" [{check.interval[0]:.6g}, {check.interval[1]:.6g}]" if check.interval else ""
    limit = f", limit {check.limit:.6g}" if check.limit is not None else ""
    return f"observed {check.observed:.6g}{interval}{limit} ({check.unit}), n = {check.n}: {check.reason}"


def _counts(checks: Sequence[Check]) -> dict[str, str]:
    deciding = [check for check in checks if check.decides]
    return {
        "tests": str(len(checks)),
        "failures": str(sum(c.verdict is Verdict.FAIL for c in deciding)),
        "errors": str(sum(c.verdict is Verdict.UNKNOWN for c in deciding)),
        "time": _seconds(checks),
    }


def _seconds(checks: Iterable[Check]) -> str:
    return f"{sum(check.lasted_s for check in checks):.3f}"


def _started(judgement: Judgement, storage: str | None) -> str:
    """When the first run of the storage, or of the study, started; without a known one, now. In UTC and without a
    zone, as the schemas of JUnit want it."""
    starts = judgement.started_at
    known = starts.get(storage) if storage is not None else min(starts.values(), default=None)
    try:
        moment = datetime.fromisoformat(known or "").astimezone(UTC)
    except (ValueError, OverflowError):  # no date, or one that has none in UTC, as in the year 1
        moment = datetime.now(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def _clean(text: str) -> str:
    """Without escape sequences and control characters. What else cannot be shown, or XML cannot hold, is replaced."""
    return "".join(
        c if c.isprintable() or c in "\t\n" else " " if c.isspace() else "\ufffd"
        for c in _ESCAPES.sub("", text)
        if c in "\t\n" or unicodedata.category(c) != "Cc"
    )
