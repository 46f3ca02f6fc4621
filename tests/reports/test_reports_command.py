"""The whole command: its files, refused input, and a page that is safe to open anywhere."""

import errno
import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from studies import PROMISES, Op, ledger_check, lock_wait, write_run

from reports.analysis.study import find
from reports.data.runs import read_study
from reports.page.plots.style import storage_styles
from reports.report_command import main
from reports.sections import all_sections
from reports.text.story import story

OTHERS = {"story", "blast-radius", "by-pod", "error-budget", "lock-for-cpu", "endings"}
ALWAYS = {name for section in all_sections() for name in section.plots} - OTHERS
HOSTILE = '<script>alert("1")</script><img src=http://evil.example/x>|`*$x$'


def accepts(slow_s, n=400, spread=0.5, **more):
    return [
        Op("chat.accept", planned_s=5.0 + 9.9 * i / n, response_s=slow_s * (1 + spread * (i % 7) / 7), **more)
        for i in range(n)
    ]


def compared(study):
    """Two rounds of two storages: sqlite ten times slower, behind a lock held by messages."""
    for number, storage, slow in (
        (1, "sqlite", 0.2),
        (2, "postgres-optimistic", 0.02),
        (3, "postgres-optimistic", 0.02),
        (4, "sqlite", 0.2),
    ):
        waits = [lock_wait(6 + i / 100, 0.15, wait=i) for i in range(200)]
        resources = [(t * 10**9, role, role, t * 10**8, 50 << 20) for t in range(17) for role in ("pod", "generator")]
        others = [Op("message.send", response_s=0.01), Op("connection.create", response_s=0.01)] * 100
        tables = {"resources": resources, **({"lock_waits": waits} if storage == "sqlite" else {"lock_waits": []})}
        write_run(
            study,
            f"{number:02}-{storage}",
            operations=accepts(slow) + others,
            manifest={"round": 1 + number // 3},
            tables=tables,
        )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    study = tmp_path_factory.mktemp("runs") / "study"
    compared(study)
    assert main([str(study)]) == 0
    return study / "report"


def page_of(report):
    return (report / "index.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every tag with its attributes, and the words between."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_headline_names_storage_ratio_and_lock(report):
    head = json.loads((report / "summary.json").read_text())["headline"]
    assert head["answered"]
    assert re.match(r"sqlite makes Accept chat wait: p99 \d+ ms, 10 times postgres' \d+ ms", head["answer"])
    assert "100% of that behind sending a message" in head["reason"]
    assert head["answer"] in "".join(Tags(page_of(report)).words)


def test_every_plot_is_there_as_png_and_svg(report):
    for name in ALWAYS:
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (report / f"{name}.png").stat().st_size > 5_000
        assert "</svg>" in (report / f"{name}.svg").read_text()


def test_the_page_asks_for_nothing_and_runs_nothing(report):
    page = page_of(report)
    tags = Tags(page)
    assert len(page) < 3_000_000
    assert not [t for t, _ in tags.tags if t in ("script", "link", "iframe", "img", "object", "embed", "form", "base")]
    references = [
        v for _, a in tags.tags for k, v in a.items() if k in ("href", "src", "xlink:href", "action", "srcset")
    ]
    assert references
    assert all(reference.startswith("#") for reference in references)
    assert not re.search(r"url\((?!#)|@import", page)
    assert not [a for _, a in tags.tags if "style" in a or any(k.startswith("on") for k in a)]


def test_the_policy_allows_our_style_only(report):
    page = page_of(report)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    policy = next(a["content"] for a in Tags(page).named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert b64encode(sha256(style.encode()).digest()).decode() in policy
    assert "unsafe" not in policy


def test_ids_are_unique_and_what_points_at_them_finds_them(report):
    page = page_of(report)
    ids = [a["id"] for _, a in Tags(page).tags if "id" in a]
    assert len(ids) == len(set(ids))
    pointed = re.findall(r"url\(#([^)]+)\)", page) + [a["href"][1:] for a in Tags(page).named("a")]
    assert set(pointed) <= set(ids)


def test_plots_have_descriptions_and_tables_captions(report):
    tags = Tags(page_of(report))
    plots = tags.named("svg")
    assert len(plots) == len(ALWAYS) + 2, "and the plot of the first screen, wide and narrow"
    assert all(a["role"] == "img" and len(a["aria-label"]) > 60 for a in plots)
    assert len(tags.named("caption")) == len(tags.named("table"))
    assert all("scope" in a for a in tags.named("th"))
    assert {"header", "main", "footer", "h1"} <= {t for t, _ in tags.tags}


def test_light_and_dark_differ_and_both_are_there(report):
    style = re.search(r"<style>(.*?)</style>", page_of(report), re.DOTALL).group(1)
    assert style.count("prefers-color-scheme:dark") == 2
    body = page_of(report).split("</style>", 1)[1]
    assert "#1b1f24" not in body


def test_hostile_text_is_escaped(tmp_path):
    study = tmp_path / "study"
    label = {
        "storage": None,
        "label": HOSTILE,
        "engine": {"name": HOSTILE, "version": HOSTILE, "settings": {HOSTILE: HOSTILE}},
    }
    ledger = {"checks": [ledger_check("orphans", "fail", 3, HOSTILE)]}
    end = {"reason": "pod_died", "detail": HOSTILE}
    waits = [lock_wait(6.0, 1.0, waiter_operation=HOSTILE, blocker_operation=HOSTILE, root_operation=HOSTILE)]
    stage = [(0, 10**10, "stage", HOSTILE, "ok", '{"judge": true}')]
    write_run(
        study,
        operations=accepts(0.01),
        manifest=label,
        ledger=ledger,
        end=end,
        tables={"lock_waits": waits},
        timeline=stage,
    )
    assert main([str(study)]) == 0
    tags = Tags(page_of(study / "report"))
    assert not [t for t, _ in tags.tags if t in ("script", "img")]
    assert HOSTILE in "".join(tags.words)
    assert "<script" not in (study / "report" / "summary.md").read_text()


def test_the_summary_holds_every_figure_with_how_it_is_known(report):
    summary = json.loads((report / "summary.json").read_text())
    assert set(summary) == {
        *("format", "study", "headline", "bullets", "durability", "doubts", "caveats", "confidence", "runs", "storages")
    }
    assert [bullet["label"] for bullet in summary["bullets"]] == ["why", "since when", "next"]
    assert list(summary["storages"]) == ["sqlite", "postgres:optimistic"]
    accept = summary["storages"]["sqlite"]["operations"]["chat.accept"]
    assert accept["n"] == 800
    assert set(accept["response_ms"]) == {"p50", "p95", "p99", "p99.9", "max"}
    assert set(accept["response_ms"]["p99"]) == {"value", "low", "high", "at_least"}
    assert accept["response_ms"]["p99.9"] is None
    assert accept["lock_wait_s_per_1000"] == {"value": pytest.approx(75.0), "low": None, "high": None, "known": "event"}
    assert set(accept["p99_ms_by_run"]) == {"01-sqlite", "04-sqlite"}
    assert summary["storages"]["sqlite"]["orphans"] == {"count": 0, "known": "ledger"}
    assert summary["storages"]["sqlite"]["cpu_ms_per_operation"]["database"] is None


@pytest.mark.usefixtures("without_plots")
def test_report_replaces_the_older_one_and_prints_its_path(tmp_path, capsys):
    study = tmp_path / "study"
    write_run(study, operations=accepts(0.01))
    (study / "report").mkdir()
    (study / "report" / "old.png").write_bytes(b"old")
    assert main([str(study)]) == 0
    assert not (study / "report" / "old.png").exists()
    assert sorted(p.name for p in study.iterdir()) == ["01-sqlite", "report"]
    assert capsys.readouterr().out.splitlines()[-1] == str(study / "report" / "index.html")


def test_a_weaker_promise_is_in_the_headline(tmp_path):
    study = tmp_path / "study"
    weak = {"name": "memory", "version": "1", "settings": {}, "promises": {**PROMISES, "commit_survives": "nothing"}}
    write_run(study, "01-sqlite", operations=accepts(0.02))
    write_run(study, "02-memory", operations=accepts(0.01), manifest={"engine": weak})
    promise = "a commit on sqlite survives a power loss; a commit on memory survives nothing."
    assert story(find("study", read_study(study))).durability == f"Their durability differs: {promise}"


@pytest.mark.usefixtures("without_plots")
def test_page_without_rows_states_unknown(tmp_path, capsys):
    study = tmp_path / "study"
    write_run(study, operations=[])
    (study / "02-postgres").mkdir()
    assert main([str(study)]) == 2
    unknown = "Unknown: no Accept chat, and no other request, was recorded in the judged stages."
    assert unknown in page_of(study / "report")
    assert "run did not complete on postgres (aborted: it left no end.json)" in page_of(study / "report")


@pytest.mark.parametrize(("make", "code", "message"), [
    (lambda path: None, 69, ": no such study; expected a directory of runs"),
    (lambda path: path.mkdir(), 64, "holds no run"),
    (lambda path: path.write_text(""), 64, ": not a directory; expected a directory of runs"),
])  # fmt: skip
def test_input_that_is_no_study_is_refused(tmp_path, capsys, make, code, message):
    make(tmp_path / "study")
    assert main([str(tmp_path / "study")]) == code
    assert message in capsys.readouterr().err


def test_unlike_rounds_are_refused_with_every_field(tmp_path, capsys):
    study = tmp_path / "study"
    write_run(study, "01-sqlite", operations=accepts(0.01))
    write_run(study, "02-sqlite", operations=accepts(0.01), manifest={"seed": 8, "packages": {"locust": "3"}})
    assert main([str(study)]) == 64
    text = capsys.readouterr().err
    assert "seed differs" in text
    assert "packages.locust differs" in text
    assert not (study / "report").exists()


@pytest.mark.usefixtures("without_plots")
def test_internal_fault_has_its_own_code_and_no_leftovers(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise KeyError("a bug")

    study = tmp_path / "study"
    write_run(study, operations=accepts(0.01))
    monkeypatch.setattr("reports.page.render.render", fail)
    assert main([str(study)]) == 70
    assert "a fault of the harness" in capsys.readouterr().err
    assert [p.name for p in study.iterdir()] == ["01-sqlite"]


@pytest.mark.usefixtures("without_plots")
def test_unreadable_document_is_doubted_and_counts_as_missing(tmp_path):
    study = tmp_path / "study"
    write_run(study, operations=accepts(0.01), manifest={"stages": [{"name": "no start"}]})
    assert main([str(study)]) == 0
    caveats = json.loads((study / "report" / "summary.json").read_text())["caveats"]
    assert any("01-sqlite/manifest.json: stages.0.starts_s: Field required" in caveat for caveat in caveats)
    assert any(caveat.startswith("no manifest: ") for caveat in caveats)


@pytest.fixture
def reported(tmp_path):
    """A study with an earlier report."""
    study = tmp_path / "study"
    write_run(study, operations=accepts(0.01))
    (study / "report").mkdir()
    (study / "report" / "index.html").write_text("earlier")
    return study


def only_the_earlier_report(study):
    names = sorted(path.name for path in study.iterdir())
    return names == ["01-sqlite", "report"] and (study / "report" / "index.html").read_text() == "earlier"


def test_unreadable_table_keeps_the_earlier_report(reported, capsys):
    table = reported / "01-sqlite" / "ticks.arrows"
    table.unlink()
    os.mkfifo(table)
    assert main([str(reported)]) == 64
    assert "01-sqlite/ticks.arrows is a FIFO; expected a regular file" in capsys.readouterr().err
    assert only_the_earlier_report(reported)


@pytest.mark.usefixtures("without_plots")
def test_failed_replacement_keeps_the_earlier_report(reported, capsys, monkeypatch):
    rename = Path.rename

    def refuse_drafts(path, target):
        if path.name.startswith(".report-") and not path.name.endswith("-old"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_drafts)
    assert main([str(reported)]) == 69
    assert only_the_earlier_report(reported)


@pytest.mark.usefixtures("without_plots")
def test_link_in_place_of_the_report_is_replaced(reported, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (reported / "report").rename(elsewhere)
    (reported / "report").symlink_to(elsewhere)
    assert main([str(reported)]) == 0
    assert not (reported / "report").is_symlink()
    assert (elsewhere / "index.html").read_text() == "earlier"
    assert sorted(path.name for path in reported.iterdir()) == ["01-sqlite", "report"]


def test_wrong_arguments_are_bad_input(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 64


@pytest.mark.parametrize(("changes", "message"), [
    ({"operations": {"lost": 3}}, "operations lost: 3: "),
    ({"operations": {"lost": None, "lost_at_most": 9}}, "operations lost with a killed worker: at most 9: "),
    ({"generator": {"saturated": True}}, "saturated"),
    ({"generator": {"saturated": None}}, "it is unknown whether the load generator was saturated"),
    ({"observer": None}, "no observer: lock waits, CPU and who blocked whom are unknown"),
    ({"observer": {"blind_s": 4.0, "reason": "timeout"}}, "blind for 4.0 s"),
])  # fmt: skip
def test_doubts_are_listed(tmp_path, changes, message):
    write_run(tmp_path, operations=accepts(0.01), end=changes)
    found = story(find("study", read_study(tmp_path))).doubts
    assert any(message in doubt.line for doubt in found)


def test_colours_belong_to_names():
    alone = storage_styles(["postgres:optimistic"])
    among = storage_styles(["sqlite", "my-own:thing", "postgres:optimistic", "another", "memory"])
    assert alone["postgres:optimistic"] == among["postgres:optimistic"]
    assert len({style.light for style in among.values()}) == len({str(style.dash) for style in among.values()}) == 5
    assert (
        storage_styles(["my-own:thing"])["my-own:thing"] == storage_styles(["sqlite", "my-own:thing"])["my-own:thing"]
    )


def test_report_needs_no_temporary_directory(tmp_path):
    study = tmp_path / "study"
    write_run(study, operations=accepts(0.02))
    script = (
        "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/no/such/directory']\n"
        f"from reports.report_command import main; sys.exit(main([{str(study)!r}]))"
    )
    environment = {**os.environ, "HOME": "/no/such/directory", "XDG_CACHE_HOME": "/no/such/directory"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert (study / "report" / "index.html").stat().st_size > 10_000
    assert sorted(path.name for path in study.iterdir()) == ["01-sqlite", "report"]


@pytest.mark.usefixtures("without_plots")
def test_report_replaces_one_that_cannot_be_renamed(tmp_path, monkeypatch):
    """As overlayfs refuses it for a directory of a lower layer."""
    study = tmp_path / "study"
    write_run(study, operations=accepts(0.02))
    (study / "report").mkdir()
    (study / "report" / "old").touch()
    rename = Path.rename

    def rename_but_no_report(path, target):
        if path.name == "report":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_but_no_report)
    assert main([str(study)]) == 0
    assert (study / "report" / "index.html").exists()
    assert not (study / "report" / "old").exists()
    assert sorted(path.name for path in study.iterdir()) == ["01-sqlite", "report"]


@pytest.mark.usefixtures("without_plots")
def test_report_replaces_a_link_and_not_its_target(tmp_path):
    study, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    compared(study)
    (elsewhere / "kept").mkdir(parents=True)
    (study / "report").symlink_to(elsewhere)
    assert main([str(study)]) == 0
    assert not (study / "report").is_symlink()
    assert (study / "report" / "index.html").is_file()
    assert (study / "report").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    assert not list(study.glob(".report-*"))


def test_study_whose_name_is_no_text_has_a_report(tmp_path):
    study = tmp_path / os.fsdecode(b"study\xff <b>")
    write_run(study, operations=accepts(0.02))
    assert main([str(study)]) == 0
    assert json.loads((study / "report" / "summary.json").read_text(encoding="utf-8"))["study"] == study.name
    assert re.search(r"study\S* &lt;b&gt;", page_of(study / "report"))
