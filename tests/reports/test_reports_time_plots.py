"""Plots over time: names of stages and of actions."""

import json

import pytest
from matplotlib.figure import Figure
from studies import NS, Op, action, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.page.plots.style import beside, styled, wrapped
from reports.page.plots.time_axis import mark_stages
from reports.sections.screen.hero import hero_plots, hero_words

SHORT = ("warm-up", "rush", "evening")
LONG = ("before", "dual-write", "dead-button", "unable-to-connect", "upgraded-only", "larger-cluster", "rollback")


def stage_rows(names, lasts_s=16.0):
    step = lasts_s / len(names)
    detail = json.dumps({"judge": True})
    return [(round(n * step * NS), round((n + 1) * step * NS), "stage", name, "ok", detail)
            for n, name in enumerate(names)]  # fmt: skip


def named(tmp_path, names, width_in):
    """The texts above an axis of that width, each with its height above it in points."""
    write_run(tmp_path, timeline=stage_rows(names))
    with styled():
        axis = Figure(figsize=(width_in, 2)).add_axes((0, 0, 1, 0.8))
        axis.set_xlim(0, 16)
        mark_stages(axis, read_study(tmp_path)[0], names=True)
    return {text.get_text(): text.get_position()[1] for text in axis.texts}


def test_names_of_stages_that_fit_are_on_one_line(tmp_path):
    found = named(tmp_path, SHORT, 4)
    assert tuple(found) == SHORT
    assert len(set(found.values())) == 1


def test_names_of_stages_that_do_not_fit_are_on_two_lines(tmp_path):
    found = named(tmp_path, LONG, 5.5)
    assert tuple(found) == LONG
    assert len(set(found.values())) == 2


def test_names_of_stages_are_cut_when_two_lines_are_too_few(tmp_path):
    assert any(name.endswith("…") for name in named(tmp_path, LONG, 2.5))


def test_many_panels_are_in_more_columns():
    assert [beside(panels) for panels in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12)] == [1, 1, 2, 3, 2, 3, 3, 4, 4, 5, 5]


def test_text_in_a_panel_has_the_lines_that_it_needs():
    wide, narrow = (Figure(figsize=(inches, 2)).add_axes((0, 0, 1, 1)) for inches in (6, 2))
    text = "runs inside the pod and has no sessions.\nShown: waits"
    assert wrapped(wide, text) == text
    assert wrapped(narrow, text) == "runs inside the pod and has\nno sessions.\nShown: waits"


@pytest.fixture
def acted(tmp_path):
    kill = action(6.0, "pod 18 killed", do="kill", pods=["18"])
    rows = [Op("chat.accept", planned_s=n / 10, response_s=0.02, pod=n % 2) for n in range(150)]
    write_run(tmp_path, operations=rows, pods=("17", "18"), timeline=[*stage_rows(SHORT), kill])
    return find("study", read_study(tmp_path))


def texts_of(findings):
    with styled():
        figure = hero_plots()["hero-wide"](findings, {})
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_first_plot_names_pods_and_decisive_actions(acted):
    assert {"1 kill of pod 18", "pod 17", "pod 18"} <= set(texts_of(acted))
    assert "tinted while they lasted; the decisive ones are named." in hero_words(acted)
