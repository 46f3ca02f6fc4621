"""The page of a study with several pods, databases and actions, and the page without them."""

import json
import re

import pytest
from matplotlib.colors import to_hex
from outages import PODS, write_outage
from studies import NS, Op, action, healthy_ticks, ledger_check, lock_wait, session, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.data.timeline import events
from reports.exports.figures import figures
from reports.findings.costs import lock_costs, locking
from reports.findings.phases import phases
from reports.page.plots.style import (
    ACTED,
    INK,
    MUTED,
    PAPER,
    ROLE_STYLES,
    SHADE,
    WRONG,
    all_styles,
    contrast,
    inks,
    storage_styles,
)
from reports.report_command import main
from reports.sections import all_sections
from reports.sections.blocked.blockers import HEAT, _on
from reports.sections.screen.events import events_table

SECTIONS = {section.name: section for section in all_sections()}
OURS = {"story", "blast-radius", "by-pod", "lock-for-cpu", "endings", "error-budget"}
ALWAYS = {name for section in all_sections() for name in section.plots} - OURS
LOCKINGS = [f"{engine}:{lock}" for engine in ("postgres", "mariadb") for lock in ("pessimistic", "optimistic", "none")]
DUAL = ["dual(mariadb,postgres)", "dual(redis,sqlite)"]
STORAGES = [*LOCKINGS, "redis:always", "redis:everysec", "sqlite", "memory", *DUAL]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = tmp_path_factory.mktemp("runs") / "study"
    write_outage(study)
    write_outage(study, "02-dual-postgres-mariadb", seed=2, round=2)
    assert main([str(study)]) == 0
    return study


@pytest.fixture(scope="module")
def found(study):
    return find("study", read_study(study))


def text_of(study):
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    return re.sub(r"<[^>]*>", " ", re.sub(r"</?a\b[^>]*>", "", page))


def test_plain_study_has_only_the_usual_plots(tmp_path):
    write_run(tmp_path, operations=[Op("chat.accept")] * 50)
    assert main([str(tmp_path)]) == 0
    drawn = {path.stem for path in (tmp_path / "report").glob("*.svg")}
    assert drawn == ALWAYS
    assert "Actions and faults by their number on the time axis" not in text_of(tmp_path)


def test_outage_is_in_plots_tables_and_text(study):
    assert {path.stem for path in (study / "report").glob("*.svg")} == ALWAYS | OURS - {
        "lock-for-cpu",
        "endings",
        "error-budget",
    }
    text = text_of(study)
    assert (
        "pods 17 and 18 breached an SLO first (Accept chat) at 23 s, 3 s after “move 17 and 18 to dual writing (100 %)”"
        in text
    )
    assert "a breach begins with the first of 2 bins in a row" in text
    assert "the defaults, because no objectives were given" in text
    assert "Mean number of sessions by database" in text


def test_every_plot_over_time_has_its_numbers_explained(study):
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("Actions and faults by their number on the time axis") == 1
    assert page.count('<a href="#actions">The numbers of actions and faults</a>') == 6
    assert "3 ✗" in (study / "report" / "throughput.svg").read_text(encoding="utf-8")


def test_failed_action_shows_its_reason(found):
    row = next(row for row in events_table(found).rows if row[0].startswith("3"))
    assert row == ["3 ✗", "01-dual-postgres-mariadb", "30 s", "give the upgraded database 4 cores", "upgraded",
                   "failed: the host has 2 cores", "300 ms", ""]  # fmt: skip


def test_figures_are_by_pod_and_add_up(found):
    storage = found.storages[0]
    assert tuple(storage.pods) == PODS
    accepts = [by["chat.accept"] for by in storage.pods.values()]
    whole = storage.measures["chat.accept"]
    assert sum(m.n for m in accepts) == whole.n
    assert sum(m.good for m in accepts) == whole.good
    rows = {row[1]: row for row in SECTIONS["by-pod"].beside[0](found).rows}
    assert rows["17"][4].startswith("≥ 5.0 s")
    assert rows["20"][8] == "0"
    frame = figures(found)
    assert set(frame["pod"]) == {"", *PODS}


def test_phases_are_compared_with_the_first_judged_one(found):
    found_phases = {phase.name: phase for phase in phases(found.storages[0])}
    assert [e.number for e in found_phases["upgrade"].events] == [2, 3]
    assert found_phases["before"].waiting["upgraded"] == 0
    assert found_phases["upgrade"].waiting["upgraded"] == pytest.approx(18, rel=0.2)
    assert found_phases["unlocked"].cores["upgraded"] == pytest.approx(1.7, rel=0.1)
    assert found_phases["unlocked"].swept == 74, "both rounds"
    rows = {row[0]: row for row in SECTIONS["story"].table(found).rows}
    assert re.fullmatch(r"≥ 5\.0 s \u00d7\d+", rows["upgrade"][4])
    assert "\u00d7" not in "".join(rows["before"])


def test_lock_waits_are_by_database(found):
    waits = found.storages[0].waits
    assert set(waits.databases) == {"legacy", "upgraded"}
    assert waits.total_s == pytest.approx(sum(w.total_s for w in waits.databases.values()))
    assert waits.databases["upgraded"].total_s > 100 * waits.databases["legacy"].total_s


def test_sessions_of_two_databases_are_a_sum_not_a_mean(tmp_path):
    ticks = [t for name in ("legacy", "upgraded") for t in healthy_ticks(name)]
    sessions = [
        session(t / 10, "running", n, database=name) for t in range(160) for name, n in (("legacy", 2), ("upgraded", 3))
    ]
    write_run(tmp_path, tables={"ticks": ticks, "sessions": sessions})
    seen = find("study", read_study(tmp_path)).storages[0].sessions
    assert seen.judged["running"] == pytest.approx(5)
    assert {name: by["running"] for name, by in seen.databases.items()} == pytest.approx({"legacy": 2, "upgraded": 3})


def test_unobserved_database_makes_the_whole_unknown(tmp_path):
    ticks = [*healthy_ticks("legacy"), *((*t[:5], "timeout", t[6]) for t in healthy_ticks("upgraded"))]
    waits = [lock_wait(6.0, 1.0, database="legacy")]
    resources = [(t * NS, "database", name, t * NS // 9, 1) for t in range(17) for name in ("legacy", "upgraded")]
    write_run(tmp_path, tables={"ticks": ticks, "lock_waits": waits, "resources": resources})
    found = find("study", read_study(tmp_path)).storages[0].waits
    assert found.known is None
    assert found.databases["legacy"].total_s == pytest.approx(1.0)
    assert found.databases["upgraded"].known is None


def test_the_ledger_is_on_the_page_with_its_keys(study, tmp_path):
    text = text_of(study)
    assert "0000000000000001" in text
    assert "the two sides do not hold the same" in text
    assert "the ledger could not determine lost_pushes in 2 of 2 rounds (the upgraded side could not be read)" in text


def test_summary_has_pods_phases_and_breaches(study):
    storage = json.loads((study / "report" / "summary.json").read_text())["storages"]["dual(postgres,mariadb)"]
    assert set(storage["pods"]) == set(PODS)
    assert [phase["phase"] for phase in storage["phases"]][1] == "before"
    first = storage["blast_radius"]["runs"][0]["pods"]
    assert first["17"]["burnt"] and first["17"]["first_s"] == 23.0
    assert first["20"]["burnt"] is False
    assert storage["blast_radius"]["limits_from"] == "defaults"


def test_objectives_give_the_limits_and_wrong_ones_are_refused(tmp_path, capsys):
    write_run(tmp_path, operations=[Op("chat.accept")] * 50, pods=("a", "b"))
    assert main([str(tmp_path), "--objectives", "scenarios/objectives.yaml"]) == 0
    assert "the objectives in scenarios/objectives.yaml" in text_of(tmp_path)
    (tmp_path / "o.yaml").write_text("kind: SLA\n")
    assert main([str(tmp_path), "--objectives", str(tmp_path / "o.yaml")]) == 64
    assert "o.yaml:1: kind: got 'SLA'" in capsys.readouterr().err


@pytest.mark.usefixtures("without_plots")
def test_failed_deliveries_are_dashes_not_zeros(tmp_path):
    write_run(tmp_path, operations=[Op("event.deliver"), Op("chat.accept")] * 50)
    assert main([str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert summary["storages"]["sqlite"]["operations"]["event.deliver"]["outcomes"] == {"ok": 50}
    assert "a push that never arrived leaves no row" in text_of(tmp_path)


# --- locks for processors ---


@pytest.mark.parametrize(
    ("name", "strategy"),
    [("postgres", ("postgres", "pessimistic")), ("mariadb:none", ("mariadb", "none")), ("redis", None),
     ("redis:everysec", None), ("dual(postgres:none,mariadb)", None), ("sqlite", None)],
)  # fmt: skip
def test_locking_strategy_comes_from_the_name(name, strategy):
    assert locking(name) == strategy


def test_lock_costs_by_strategy(tmp_path):
    for number, (name, waited, cores, orphans) in enumerate(
        (("postgres-none", 0.0, 2, 30), ("postgres", 4.0, 1, 0), ("sqlite", 0.0, 1, 0)), 1
    ):
        ticks = {"lock_waits": [lock_wait(6.0, waited)] if waited else [], "ticks": healthy_ticks()}
        resources = [(t * NS, role, role, cores * t * NS // 10, 1) for t in range(17) for role in ("pod", "database")]
        ledger = {"checks": [ledger_check("orphans", "fail" if orphans else "pass", orphans)]}
        swept = [action(9.0, "sweep", do="sweep", found={"swept": 10})] if orphans else []
        stage = (0, 16 * NS, "stage", "steady", "ok", '{"judge": true}')
        write_run(
            tmp_path, f"{number:02}-{name}", operations=[Op("chat.accept")] * 1000, ledger=ledger,
            tables={**ticks, "resources": resources}, timeline=[stage, *swept],
        )  # fmt: skip
    locked, free = lock_costs(find("study", read_study(tmp_path)))
    assert (locked.storage, free.storage) == ("postgres", "postgres:none")
    assert (locked.waited_s, free.waited_s) == pytest.approx((4.0, 0.0))
    assert (locked.cpu_s, free.cpu_s) == pytest.approx((3.2, 6.4))
    assert (locked.orphans, free.orphans) == pytest.approx((0, 40))


# --- the timeline ---


def test_events_are_numbered_by_start_without_stages():
    rows = [
        {
            "started_ns": 9,
            "ended_ns": None,
            "kind": "fault",
            "subject": "died",
            "result": "died",
            "detail": "{",
        },
        {"started_ns": 1, "ended_ns": 5, "kind": "stage", "subject": "s", "result": "ok", "detail": "{}"},
        dict(zip(("started_ns", "ended_ns", "kind", "subject", "result", "detail"), action(0.0, "move"), strict=True)),
    ]
    first, second = events(rows)
    assert (first.number, first.words, first.ok, first.ended_ns) == (1, "move", True, 0)
    assert (second.number, second.words, second.ok, second.ended_ns) == (2, "died", False, None)


# --- colours ---


def test_text_is_readable_in_every_colour_and_theme():
    dark = {ink: value for ink, (_, value) in inks().items()}
    written = [style.text for style in (*storage_styles(STORAGES).values(), *ROLE_STYLES.values())]
    for ink in (*written, ACTED, WRONG, INK, MUTED):
        assert min(contrast(ink, PAPER), contrast(ink, SHADE)) >= 4.5
        assert min(contrast(dark[ink], dark[PAPER]), contrast(dark[ink], dark[SHADE])) >= 4.5


def test_text_on_heat_map_cells_is_readable():
    for share in range(101):
        fill = to_hex(HEAT(share / 100))
        assert contrast(_on(fill), fill) >= 4.5


def test_a_dozen_storages_differ_in_colour_and_dash():
    styles = storage_styles(STORAGES)
    assert len({style.light for style in styles.values()}) == len({str(style.dash) for style in styles.values()}) == 12


def test_one_ink_has_one_colour_in_the_dark():
    seen = {}
    for style in all_styles():
        for light in (style.light, style.text):
            assert seen.setdefault(light, style.dark) == style.dark
