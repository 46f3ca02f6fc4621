"""Parts of the page: links to terms, tables in groups, names moved apart, verdicts as marks."""

import pytest
from studies import Op, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.gate.judging.verdicts import Check, Judgement, Verdict, objective_check
from reports.gate.slo.objectives import Objective, Objectives
from reports.page.parts import Term
from reports.page.table import Cell, PageTable
from reports.page.terms import TermLinks
from reports.sections.screen.hero import operation_shown, spread_out
from reports.sections.screen.terms import TERMS
from reports.sections.screen.verdicts import checks_table, percent, system_verdicts

WAIT, ORPHAN = Term("lock wait", "…", (r"\block waits?\b",)), Term("orphan", "…", (r"\b[Oo]rphans?\b",))
ACCEPT = Objective("accept", "Chats are accepted", "chat.accept", 0.3, 0.95)
OBJECTIVES = Objectives("objectives.yaml", "0", (ACCEPT,))


def check(verdict: Verdict, name: str = objective_check("accept"), **more) -> Check:
    return Check(name, verdict, "sqlite", **more)


def test_first_use_of_a_term_in_a_section_is_a_link():
    links = TermLinks([WAIT, ORPHAN])
    linked = links.link("lock waits, <b>lock wait</b> & Orphans")
    assert linked == (
        '<a class="term" href="#term-lock-wait">lock waits</a>, &lt;b&gt;lock wait&lt;/b&gt; &amp; '
        '<a class="term" href="#term-orphan">Orphans</a>'
    )
    assert links.link("lock waits") == "lock waits"
    links.begin()
    assert links.link("orphans").startswith("<a")


def test_terms_link_within_text_with_groups_of_their_own():
    links = TermLinks(TERMS)
    assert '<a class="term" href="#term-p50-p95-p99">p99</a>' in links.link("p99 of all")
    assert '<a class="term" href="#term-n">n</a>' in links.link("n")
    assert "<a" not in links.link("name")


def test_rows_with_the_same_first_cell_are_a_group():
    table = PageTable("", ["a", "b"], [["x", "1"], ["x", "2"], ["y", "—"]], grouped=True, absent="not observed")
    assert [[row[1].text for row in group] for group in table.groups] == [["1", "2"], ["not observed"]]
    assert len(PageTable("", ["a"], [["x"], ["x"]]).groups) == 1


def test_reason_for_no_value_may_differ_by_column():
    absent = {"p50": "no accepts", "io": "not sampled"}
    table = PageTable("", ["system", "p50", "io"], [["x", "—", "—"]], absent=absent)
    assert [cell.text for cell in table.groups[0][0]] == ["x", "no accepts", "not sampled"]


def test_cell_states_unknown_bounds_and_alarms_in_words():
    table = PageTable("", ["a", "b"], [["5.0 s (5.0 s … —)", "fail"]], alarms=("fail",))
    assert table.groups == [[[Cell("5.0 s (5.0 s … unknown)"), Cell("fail", bad=True)]]]


@pytest.mark.parametrize(
    ("heights", "spread"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.5, 0.6]),
        ([1.0, 1.0, 0.0], [0.9, 1.0, 0.0]),
    ],
)
def test_names_keep_their_order_and_a_gap(heights, spread):
    assert spread_out(heights, 0.1) == pytest.approx(spread)


def test_verdicts_have_a_mark_for_each_objective_and_one_for_the_rest():
    checks = (
        check(Verdict.UNKNOWN, observed=0.99996, reason="2 of 3 good"),
        check(Verdict.PASS, "ledger"),
        check(Verdict.FAIL, "orphans"),
        check(Verdict.FAIL, "shown only", decides=False),
    )
    judgement = Judgement(Verdict.FAIL, {"sqlite": Verdict.FAIL}, checks)
    (system,) = system_verdicts(judgement, OBJECTIVES, {"sqlite": "lite"})
    assert (system.system, system.label, system.whole.verdict) == ("sqlite", "lite", "fail")
    accept, rest = system.marks
    assert (accept.verdict, accept.name, accept.figure, accept.limit) == (
        "unknown", "Accept chat in 300 ms", "99.9 %", "at least 95 %",
    )  # fmt: skip
    assert (rest.verdict, rest.figure) == ("fail", "orphans not passed")
    table = checks_table(judgement)
    assert [row[1] for row in table.rows] == ["objective: accept", "orphans", "shown only"]
    assert "1 more passed" in table.caption


def test_objective_without_data_has_no_figure():
    judgement = Judgement(Verdict.UNKNOWN, {"sqlite": Verdict.UNKNOWN}, (check(Verdict.UNKNOWN),))
    ((accept, rest),) = [system.marks for system in system_verdicts(judgement, OBJECTIVES, {})]
    assert accept.figure == "no data"
    assert rest.verdict == "unknown", "nothing was checked"


def test_shares_are_cut_not_rounded():
    assert [percent(share) for share in (0.99996, 0.95, 0.0)] == ["99.9 %", "95 %", "0 %"]


@pytest.mark.parametrize(("failed", "shown"), [(2, "chat.accept"), (20, "connection.create")])
def test_plot_shows_accepts_unless_another_request_failed_far_more(tmp_path, failed, shown):
    connects = [Op("connection.create", outcome="fail", error="connect_refused")] * failed
    write_run(tmp_path, operations=[*[Op("chat.accept")] * 50, *[Op("connection.create")] * 50, *connects])
    assert operation_shown(find("study", read_study(tmp_path))) == shown
