"""Plots of waiting: edge cases, and unknown values."""

import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from lock_wait_rows import HOSTILE, SHORT, split, study, waiting, with_waits
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from studies import Op, lock_wait, session, write_run

from reports.analysis.study import find
from reports.data.contract import NO_HOLDER
from reports.data.runs import read_study
from reports.findings.causes import CauseFindings, Split
from reports.findings.locks import Blame, WaitDurations
from reports.page.plots.states import OTHERS, folded, legend_states, session_states, state_label, state_styles
from reports.page.plots.style import (
    CAUSE_STYLES,
    CLASS_STYLES,
    PAPER,
    contrast,
    latency_axis,
    shades,
    storage_styles,
    styled,
)
from reports.sections.accept_over_time import draw_measure as over_time
from reports.sections.blocked.blockers import draw as blockers
from reports.sections.blocked.wait_durations import annotation
from reports.sections.blocked.wait_durations import draw as wait_durations
from reports.sections.distribution import lower_bounds
from reports.sections.where_the_time_went import draw as where_time_went
from reports.sections.where_the_time_went import draw_others as time_of_others_went
from reports.sections.where_the_time_went import holder_of, split_operations

MAKES = {
    "where-the-time-went": where_time_went,
    "where-the-time-of-others-went": time_of_others_went,
    "accept-over-time": lambda findings, styles: over_time(findings, "chat.accept", styles),
    "who-waited-for-whom": blockers,
    "wait-durations": wait_durations,
}


def svg(findings, name):
    """The text of a plot; checks that it is well-formed."""
    text = io.StringIO()
    with styled():
        figure = MAKES[name](findings, storage_styles([s.storage for s in findings.storages]))
        FigureCanvasSVG(figure).print_svg(text)
    return text.getvalue()


def words(document):
    return " | ".join("".join(e.itertext()) for e in ET.fromstring(document).iter() if e.tag.endswith("}text"))


@pytest.mark.parametrize("name", MAKES)
def test_empty_study_has_plots_that_state_it(tmp_path, name):
    write_run(tmp_path, operations=None, tables={"ticks": []})
    nothing = find("study", read_study(tmp_path))
    assert "<svg" in svg(nothing, name)
    assert "<svg" in svg(replace(nothing, storages=()), name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("where-the-time-went", "unknown"),
        ("who-waited-for-whom", "blame matrix unknown"),
        ("wait-durations", "unknown: lock waits were not observed"),
    ],
)
def test_unknown_storage_is_shown_beside_a_known_one(tmp_path, name, text):
    known, unknown = study(tmp_path, 2).storages
    blind = replace(unknown, causes=CauseFindings(None, "no transactions"), blame=Blame(), durations=WaitDurations())
    both = replace(find("study", read_study(tmp_path)), storages=(waiting(known), blind))
    assert text in words(svg(both, name))


@pytest.mark.parametrize("name", MAKES)
def test_a_dozen_storages_with_hostile_names_stay_on_the_paper(tmp_path, name):
    one = study(tmp_path).storages[0]
    many = tuple(waiting(replace(one, storage=f"{n} {HOSTILE}"), HOSTILE) for n in range(12))
    document = svg(replace(find("study", read_study(tmp_path)), storages=many), name)
    drawn = {e.tag.rpartition("}")[2] for e in ET.fromstring(document).iter()}
    assert "b" not in drawn
    assert "\u202e" not in document
    assert "y" * 60 not in document


def test_the_split_names_whole_lock_and_holder(tmp_path):
    annotation = words(svg(with_waits(study(tmp_path)), "where-the-time-went"))
    assert "412 ms" in annotation
    assert "338 ms chat.accept" in annotation
    assert "too few rows" in annotation, "p95 was not joined"


def with_splits(tmp_path, *operations):
    """A study of one storage system, with the same split of each of the operations."""
    found = study(tmp_path)
    splits = {name: {"p99": split()} for name in operations}
    return replace(found, storages=(replace(found.storages[0], causes=CauseFindings("pod", "", splits)),))


def test_important_operations_come_first_and_unknown_ones_last(tmp_path):
    found = with_splits(tmp_path, "strange", "chat.close", "message.send", "chat.accept")
    assert split_operations(found) == ["chat.accept", "message.send", "chat.close", "strange"]


def test_hero_operation_is_apart_from_the_others(tmp_path):
    found = with_splits(tmp_path, "message.send", "chat.accept", "chat.close")
    assert "chat.accept, p50" in words(svg(found, "where-the-time-went"))
    assert "message.send" not in words(svg(found, "where-the-time-went"))
    others = words(svg(found, "where-the-time-of-others-went"))
    assert "message.send, p50" in others
    assert "chat.close, p50" in others
    assert "chat.accept, p50" not in others


def test_no_other_operation_is_stated(tmp_path):
    found = with_splits(tmp_path, "chat.accept")
    assert "no other operation could be joined with its transactions" in words(
        svg(found, "where-the-time-of-others-went")
    )


def test_of_many_systems_those_with_most_waiting_have_a_matrix(tmp_path):
    found = with_waits(study(tmp_path))
    (first,) = found.storages[:1]
    pair = ("chat.accept", "message.send")
    many = [
        replace(first, storage=f"s{n}", label=f"system {n}", blame=Blame("event", {pair: float(n)}, {pair: float(n)}))
        for n in range(1, 9)
    ]
    text = words(svg(replace(found, storages=tuple(many)), "who-waited-for-whom"))
    assert all(f"system {n}: {n}.0 s of waiting" in text for n in range(1, 9))
    assert text.count("its matrix is in the table") == 4
    assert "system 4: 4.0 s of waiting in 10 s; its matrix is in the table" in text
    few = words(svg(replace(found, storages=tuple(many[:6])), "who-waited-for-whom"))
    assert "its matrix is in the table" not in few


def test_the_holder_of_most_is_named():
    assert holder_of(split()) == "chat.accept"
    assert holder_of(split(holder=NO_HOLDER)) == "between retries"
    assert holder_of(Split(1.0, 1, {}, {})) == ""


def test_a_percentile_among_cut_waits_is_at_least(tmp_path):
    storage = waiting(study(tmp_path).storages[0])
    cut = {"chat.accept": {"p99": split(at_least=True)}}
    found = replace(
        find("study", read_study(tmp_path)), storages=(replace(storage, causes=CauseFindings("pod", "", cut)),)
    )
    assert "≥ 412 ms" in words(svg(found, "where-the-time-went"))


def test_blame_matrix_by_direct_and_root_blocker(tmp_path):
    storage = waiting(study(tmp_path).storages[0])
    other = replace(storage, blame=replace(storage.blame, root={("chat.accept", "chat.close"): 4.0}))
    found = replace(find("study", read_study(tmp_path)), storages=(other,))
    annotation = words(svg(found, "who-waited-for-whom"))
    assert {"blocked directly by", "root blocker, which waits for no lock", "5+", "between retries"} <= set(
        annotation.split(" | ")
    )


def test_each_of_several_databases_has_a_row(tmp_path):
    waits = [lock_wait(6.0, 1.0, database=name) for name in ("legacy", "upgraded")]
    found = study(tmp_path, tables={"lock_waits": waits})
    assert "legacy: 1.0 s of waiting" in words(svg(with_waits(found), "who-waited-for-whom"))


# --- how long they lasted ---


@pytest.mark.parametrize(
    ("durations", "lines"),
    [
        (WaitDurations(), ["unknown: lock waits were not observed"]),
        (WaitDurations("pod"), ["no lock waits"]),
        (WaitDurations("pod", None, np.array([0.1, 1.0]), np.array([7.0])), ["7 timed, every one"]),
        (WaitDurations("sampled", sampled=SHORT, period_s=0.05, open=1),
         ["none timed", "all together: 1.5 s (1.0 … 2.1 s) by sampling", "▸ end of 1 not observed"]),
        (WaitDurations("event", 0.01, below=SHORT), ["none was longer", "below 10 ms, not timed: 1.5 s by sampling"]),
        (WaitDurations("event and sampled", 0.01, sampled=SHORT, in_part=True),
         ["none timed", "below 10 ms, not timed: 0 s by sampling", "others, not timed: 1.5 s by sampling"]),
        (WaitDurations("pod and sampled", None, np.array([0.1, 1.0]), np.array([7.0]), sampled=SHORT),
         ["7 timed", "others, not timed: 1.5 s by sampling"]),
    ],
)  # fmt: skip
def test_untimed_waits_are_annotated(durations, lines):
    assert annotation(durations) == lines


def test_untimed_waits_are_hatched(tmp_path):
    storage = waiting(study(tmp_path).storages[0])
    assert "pattern" in svg(replace(find("s", read_study(tmp_path)), storages=(storage,)), "wait-durations")
    timed = replace(storage, durations=WaitDurations("pod", None, np.array([0.1, 1.0]), np.array([7.0])))
    assert "pattern" not in svg(replace(find("s", read_study(tmp_path)), storages=(timed,)), "wait-durations")


# --- sessions ---


def test_sessions_are_split_by_class_and_operation(tmp_path):
    rows = [
        row
        for tick in range(160)
        for row in (
            session(tick / 10, "lock", 3, operation="chat.accept"),
            session(tick / 10, "lock", 1, operation=None),
            session(tick / 10, "client", 9, operation="chat.accept"),
            session(tick / 10, "strange", 2, operation="chat.accept"),
        )
    ]
    sessions = study(tmp_path, tables={"sessions": rows}).storages[0].sessions
    assert sessions.judged_states == pytest.approx(
        {("lock", "chat.accept"): 3, ("lock", "not told"): 1, ("other", "chat.accept"): 2}
    )
    assert sessions.judged["lock"] == pytest.approx(4)
    assert float(sessions.by_class["running"].max()) == 0


def test_small_states_are_put_together_and_nothing_is_lost(tmp_path):
    rows = [session(6.0, c, 9 - n, operation=f"op {n}") for c in ("lock", "running") for n in range(8)]
    found = study(tmp_path, tables={"sessions": rows})
    legend, states = legend_states(found), session_states(found.storages[0])
    shown = folded(states, legend)
    assert [s for s in legend if s[0] == "lock"] == [*(("lock", f"op {n}") for n in range(4)), ("lock", OTHERS)]
    assert sum(shown.values()).sum() == pytest.approx(sum(states.values()).sum())
    assert len({style.light for style in state_styles(legend).values()}) == len(legend)


def test_a_class_that_is_all_others_is_called_by_its_name():
    assert state_label(("io", OTHERS), [("io", OTHERS), ("lock", "chat.accept")]) == "io"
    assert state_label(("io", OTHERS), [("io", "chat.accept"), ("io", OTHERS)]) == "io: others"


def test_waiters_of_a_storage_inside_the_pod_are_drawn(tmp_path):
    findings = study(tmp_path, manifest={"engine": {"name": "sqlite"}}, tables={"lock_waits": [lock_wait(6.0, 1.0)]})
    assert list(session_states(findings.storages[0])) == [("lock", "chat.accept")]
    assert "waits for its lock" in words(svg(findings, "accept-over-time"))


# --- colours ---


def test_causes_and_shades_are_distinguishable():
    assert all(contrast(style.light, PAPER) >= 2.4 for style in CAUSE_STYLES.values())
    for style in CLASS_STYLES.values():
        ladder = [to_hex(shade.light) for shade in shades(style)]
        assert len(set(ladder)) == 5
        brightness = [contrast(colour, "#000000") for colour in ladder]
        assert brightness == sorted(brightness)


@pytest.mark.parametrize("latencies", [(0.02, 0.02), (1e-6, 1e-6), (0.009, 0.0098), (0.001, 0.004), (0.01, 20.0)])
def test_axis_of_latencies_has_at_least_two_numbers(latencies):
    axis = Figure().subplots()
    latency_axis(axis, *latencies, most=4)
    low, high = axis.get_ylim()
    assert low <= latencies[0] <= latencies[1] <= high
    assert 2 <= len(axis.get_yticks()) <= 6


def test_figures_of_cut_waits_are_marked_in_the_distribution(tmp_path):
    answered = [Op("chat.accept", 6 + n / 100, 0.02) for n in range(90)]
    cut = [Op("chat.accept", 7 + n / 100, 5.0, outcome="unknown") for n in range(10)]
    write_run(tmp_path, operations=answered + cut)
    (storage,) = find("study", read_study(tmp_path)).storages
    assert lower_bounds(storage.measures["chat.accept"]) == [(0.05, 5.0), (0.01, 5.0), (0.01, 5.0)], "p95, p99, max"
    write_run(tmp_path / "whole", operations=answered)
    (whole,) = find("study", read_study(tmp_path / "whole")).storages
    assert lower_bounds(whole.measures["chat.accept"]) == []
