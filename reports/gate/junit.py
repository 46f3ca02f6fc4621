"""A judgement as JUnit XML: a suite a storage, `fail` as failure, `unknown` as error."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from reports.gate.verdicts import Check, Judgement, Verdict

_ELEMENTS = {Verdict.FAIL: "failure", Verdict.UNKNOWN: "error"}


def as_junit(judgement: Judgement, study: str) -> str:
    """The XML text. What did not pass but does not decide is skipped, so that CI does not stop on a baseline."""
    root = ET.Element("testsuites", _counts(judgement.checks), name=_clean(study))
    for storage in dict.fromkeys(check.storage for check in judgement.checks):
        checks = [check for check in judgement.checks if check.storage == storage]
        suite = ET.SubElement(root, "testsuite", _counts(checks), name=_clean(storage or "study"))
        for check in checks:
            _case(suite, check)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, check: Check) -> None:
    name = check.check if check.round is None else f"{check.check} (round {check.round})"
    case = ET.SubElement(suite, "testcase", classname=_clean(check.storage or "study"), name=_clean(name))
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
        "skipped": str(sum(not c.decides and c.verdict is not Verdict.PASS for c in checks)),
    }


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold, however escaped."""
    return "".join(c if c.isprintable() or c in "\t\n" else "�" for c in text)
