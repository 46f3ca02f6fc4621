"""JUnit XML as CI systems accept, count and show it."""

import os
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.gate.judging.verdicts import Check, Judgement, Verdict, compose
from reports.gate.outputs.junit import as_junit

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN

ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}
"""Elements and attributes that the xUnit plugin of Jenkins accepts, of those that are written."""

texts = st.text(max_size=20)
checks = st.builds(
    Check,
    texts,
    st.sampled_from(Verdict),
    storage=st.none() | st.sampled_from(["new", "study", "old"]) | texts,
    round=st.none() | st.integers(1, 2),
    run=st.none() | st.sampled_from(["01-new", "02-new"]),
    observed=st.none() | st.floats(0, 1),
    reason=texts,
    decides=st.booleans(),
    lasted_s=st.floats(0, 1000),
)


def judgement(*some, **more):
    return Judgement(compose(c.verdict for c in some if c.decides), {}, tuple(some), **more)


def parsed(of):
    return ET.fromstring(as_junit(of, "a study").encode())


@given(st.lists(checks, max_size=12))
def test_any_judgement_keeps_to_the_rules(some):
    root = parsed(judgement(*some))
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag]
    assert all({"name", "classname", "time"} == set(case.attrib) for case in root.iter("testcase"))
    assert all("timestamp" in suite.attrib for suite in root)
    names = Counter((case.get("classname"), case.get("name")) for case in root.iter("testcase"))
    assert names.total() == len(names) == len(some)


@given(st.lists(checks, max_size=12))
def test_counts_are_those_of_the_cases(some):
    root = parsed(judgement(*some))
    for suite in (root, *root):
        assert int(suite.get("tests")) == len(list(suite.iter("testcase")))
        assert int(suite.get("failures")) == len(list(suite.iter("failure")))
        assert int(suite.get("errors")) == len(list(suite.iter("error")))
        assert float(suite.get("time")) == pytest.approx(
            sum(float(case.get("time")) for case in suite.iter("testcase")), abs=0.02
        )
    for suite in root:
        assert int(suite.get("skipped")) == len(list(suite.iter("skipped")))


@given(st.lists(checks, min_size=1, max_size=12).filter(lambda some: any(c.decides for c in some)))
def test_only_a_pass_is_green(some):
    of = judgement(*some)
    red = int(parsed(of).get("failures")) + int(parsed(of).get("errors"))
    assert (red == 0) == (of.overall is PASS)


def test_time_of_a_run_counts_once():
    some = [
        Check("completed", PASS, "new", 1, "01-new", lasted_s=61.5),
        Check("generator", PASS, "new", 1, "01-new"),
        Check("completed", PASS, "new", 2, "02-new", lasted_s=60.25),
        Check("like runs", PASS),
    ]
    root = parsed(judgement(*some, started_at={"new": "2026-01-01T01:30:00.250+01:00"}))
    new, study = root
    assert (root.get("time"), new.get("time"), study.get("time")) == ("121.750", "121.750", "0.000")
    assert new.get("timestamp") == study.get("timestamp") == "2026-01-01T00:30:00"
    assert [case.get("time") for case in new] == ["61.500", "0.000", "60.250"]


def test_names_are_stable_where_they_can_be():
    some = [
        Check("completed", PASS, "new", 2, "04-new"),
        Check("readable", PASS, "new", None, "05-new"),
        Check("readable", PASS, "new", None, "06-new"),
        Check("completed", PASS, "new", 2, "07-new"),
        Check("like runs", PASS),
    ]
    names = [case.get("name") for case in parsed(judgement(*some)).iter("testcase")]
    assert names == [
        "completed (round 2)",
        "readable (05-new)",
        "readable (06-new)",
        "completed (round 2, 07-new)",
        "like runs",
    ]


def test_control_characters_are_removed():
    check = Check("a\x00\x1b[31mb\x9b\x7f", UNKNOWN, "ü\ud800\ufffe", reason="\x1b[1;31m≥ 😀\x1b[0m\r\n<&>\u202e")
    (case,) = parsed(judgement(check)).iter("testcase")
    assert (case.get("name"), case.get("classname")) == ("ab", "ü\ufffd\ufffd")
    assert case.find("error").get("message") == "≥ 😀\n<&>\ufffd"


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_encoding_is_declared_whatever_the_locale(locale):
    script = (
        "from reports.gate.outputs.junit import as_junit; "
        "from reports.gate.judging.verdicts import Check, Judgement, Verdict; "
        "import sys; text = as_junit(Judgement(Verdict.PASS, {}, (Check('x', Verdict.PASS),)), chr(252)); "
        "sys.stdout.buffer.write(text.encode())"
    )
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    assert ET.fromstring(done.stdout).get("name") == "ü"
