"""Foreign text in every place that shows it: escaped, never interpreted."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from studies import Op, action, ledger_check, lock_wait, session, write_run

from reports.gate.command import main as gate
from reports.report_command import main as report
from reports.sections import all_sections

MARKS = "\u202e\u2066\u200f\x1b\x07"
TERMS = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>]]>--></svg></style>&lt;",
    "quotes": "\"'` | a\nb\r\n# c **d** [e](http://evil.example) {{ 7*7 }} $x_y^z$ %s",
    "marks": f"left {MARKS} right",
    "long": "x" * 10_000,
    "style": 'style="}*{display:none}"',
}
OBJECTIVES = Path(__file__).parents[2] / "scenarios" / "objectives.yaml"


@pytest.fixture(scope="module", params=TERMS)
def study(request, tmp_path_factory):
    """A study with hostile text in every free field, reported and judged."""
    word = TERMS[request.param]
    study = tmp_path_factory.mktemp("runs") / "study"
    who = dict.fromkeys(("waiter_operation", "blocker_operation", "root_operation", "pod", "engine", "statement"), word)
    waits = [lock_wait(6.0, 1.0, **who, database=base) for base in (word, "other")]
    acted = action(8.0, word, subject=word, result="failed", do=word, pods=[word], databases=[word], error=word,
                   found={word: word, "swept": word})  # fmt: skip
    run = write_run(
        study,
        pods=[word, f"other {word}"],
        operations=[
            *[Op("chat.accept"), Op("chat.accept", pod=1)] * 50,
            Op("chat.accept", outcome="fail", error="storage_conflict"),
        ],
        manifest={
            "storage": None,
            "label": word,
            "scenario": {"name": word, "sha256": "0"},
            "engine": {"name": word, "version": word, "settings": {word: word}, "promises": {"commit_survives": word}},
        },
        ledger={
            "format": 1,
            "checks": [
                {**ledger_check("orphans", "fail", 3, word, word), "evidence": [word, {word: word}]},
                ledger_check(word, "odd", 1, word),
                {word: word, "evidence": word, "count": word},
            ],
        },
        end={
            "reason": "internal",
            "detail": word,
            "observer": {"blind_s": 9.0, "reason": word},
            "connection_failures": {
                "exact": True,
                "http_statuses": {word: 3},
                "http_statuses_by_stage": {word: {word: 3}},
                "details": [{"error": word, "detail": word, "count": 3}],
            },
        },
        tables={
            "lock_waits": waits,
            "sessions": [session(6.0, word, 1, operation=word, engine=word, database=word)],
            "counters": [
                (t * 10**9, engine, f"{place} {word}", f"{counter}:{word}", t)
                for t in range(9)
                for place, engine in enumerate(("redis", word))
                for counter in ("command_us", "command_calls", "slow_us", "slow_calls", "deadlocks")
            ],
            "ticks": [(word, 6 * 10**9, 6 * 10**9, 6 * 10**9, 1, word, 10**8)],
            "resources": [(t * 10**9, word, word, t, 1) for t in range(9)],
        },
        timeline=[
            (0, 10**10, "stage", word, "ok", '{"judge": true}'),
            acted,
            (9 * 10**9, None, "fault", word, word, "[not an object]"),
            (9 * 10**9, None, word, word, word, '{"pods": 7, "found": [1], "words": {"a": 1}}'),
        ],
    )
    (run.path / "objectives.yaml").write_bytes(OBJECTIVES.read_bytes())
    assert report([str(study)]) == 0
    return study


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def plain(text):
    return not set(MARKS) & set(text)


def test_the_page_has_no_tag_or_handler_of_theirs(study):
    page = (study / "report" / "index.html").read_text()
    tags = Tags(page).tags
    assert not [t for t, _ in tags if t in ("script", "img", "iframe")]
    assert not [a for _, attributes in tags for a in attributes if a.startswith("on")]
    assert page.count("</style>") == 1
    assert plain(page)
    assert not re.search("x{200}", page)


@pytest.mark.parametrize("name", [s.name for s in all_sections() if s.plot and s.name != "lock-for-cpu"])
def test_plots_are_well_formed_and_hold_only_drawing(study, name):
    text = (study / "report" / f"{name}.svg").read_text()
    drawn = {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert not drawn & {"script", "img", "foreignObject", "a"}
    assert plain(text)


def test_markdown_shows_words_as_words(study):
    text = (study / "report" / "summary.md").read_text()
    assert plain(text)
    assert not re.search(r"<script|<img|(?<!\\)\[e\]|^# c|(?<!\\)\*\*d|x{200}", text, re.MULTILINE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_the_csv_keeps_its_shape(study):
    with (study / "report" / "figures.csv").open(newline="") as file:
        assert {len(row) for row in csv.reader(file)} == {10}


def test_the_verdict_is_json_junit_and_markdown(study, capsys):
    code, printed = gate([str(study), "--objectives", str(OBJECTIVES)]), capsys.readouterr()
    assert code in (1, 2), printed.err
    assert json.loads((study / "verdict.json").read_text())["overall"] in ("fail", "unknown")
    assert plain((study / "verdict.xml").read_text())
    assert {e.tag for e in ET.fromstring((study / "verdict.xml").read_text()).iter()} <= {
        *("testsuites", "testsuite", "testcase", "failure", "error", "skipped"),
    }
    assert plain(printed.out.replace("\n", ""))
    assert not re.search(r"<script|<img|(?<!\\)\[e\]|^# c|x{300}", printed.out, re.MULTILINE)
