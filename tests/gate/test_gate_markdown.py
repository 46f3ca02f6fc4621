"""The Markdown output."""

import pytest

from reports.gate.inputs.evidence import Evidence
from reports.gate.judging.judge import judge
from reports.gate.judging.verdicts import Check, Judgement, Verdict
from reports.gate.outputs.markdown import as_markdown, plain
from reports.gate.slo.objectives import Objective, Objectives

OBJECTIVES = Objectives("o.yaml", "0" * 64, (Objective("accept", "Accept", "chat.accept", 0.3, 0.29),))


@pytest.mark.parametrize(
    ("share", "percent"), [(1.0, "100 %"), (0.99999, "99.999 %"), (0.999999, "99.999 %"), (0.29, "29 %"), (0.0, "0 %")]
)
def test_shares_are_cut_never_rounded_up(share, percent):
    check = Check("objective: accept", Verdict.PASS, "sqlite", observed=share, n=1, interval=(share, share))
    text = as_markdown(Judgement(Verdict.PASS, {"sqlite": Verdict.PASS}, (check,)), OBJECTIVES, "study")
    assert f"| sqlite | chat.accept within 300 ms | 29 % | {percent} | {percent} to {percent} | 1 | pass |" in text


def test_a_crashed_objective_has_no_figures():
    check = Check("objective: accept", Verdict.UNKNOWN, "sqlite", reason="the check crashed: x")
    text = as_markdown(Judgement(Verdict.UNKNOWN, {"sqlite": Verdict.UNKNOWN}, (check,)), OBJECTIVES, "study")
    assert "| sqlite | chat.accept within 300 ms | 29 % | - | - | - | unknown | the check crashed: x |" in text


def test_checks_that_do_not_decide_are_marked():
    checks = (
        Check("observer", Verdict.UNKNOWN, "old", 1, "01-old", reason="blind", decides=False),
        Check("x", Verdict.FAIL),
    )
    text = as_markdown(Judgement(Verdict.FAIL, {}, checks), OBJECTIVES, "study")
    assert "| old | observer | 1 | unknown, shown only | blind |" in text
    assert "| study | x | - | fail |" in text


def test_an_empty_study():
    text = as_markdown(judge(OBJECTIVES, Evidence(())), OBJECTIVES, "study")
    assert text.startswith("# UNKNOWN: study\n\nThere is no run.")
    assert "the study holds no run" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<b>", "&lt;b&gt;"),
        ("power_loss", "power_loss"),
        ("_x_", "\\_x\\_"),
        ("a\n# b", "a \\# b"),
        ("\x1b[31m", "\\[31m"),
        ("`x`", "\\`x\\`"),
    ],
)
def test_text_is_shown_as_it_is(text, shown):
    assert plain(text) == shown
