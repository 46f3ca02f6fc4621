"""The page of the run and the start form's fields."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from locust.argument_parser import LocustArgumentParser

from loadtests.generator.live import LiveWindow
from loadtests.generator.ownrun import OwnRun
from loadtests.webui.control import Phase
from loadtests.webui.options import add_options
from loadtests.webui.page import operation_lines, render


def parser() -> LocustArgumentParser:
    made = LocustArgumentParser()
    made.add_argument("--web-host", default="")
    add_options(made)
    return made


def page(phase: Phase, run: OwnRun | None = None, problems: list[str] | None = None, **control: Any) -> str:
    runs = [run] if run is not None else []
    conductor = SimpleNamespace(current=run if phase.busy else None, runs=runs)
    known: dict[str, Any] = {
        "sentence": "What goes on.", "note": "", "load": None, "target": "", "problems": problems or [],
    }  # fmt: skip
    known |= {"phase": phase, "run": run, "conductor": conductor}
    return render(SimpleNamespace(**(known | control)))  # type: ignore[arg-type]


def run(**known: Any) -> OwnRun:
    return OwnRun("smoke", "postgres:pessimistic", checked=True, directory="runs/a study/01-postgres", **known)


def test_the_form_offers_scenarios_and_storages() -> None:
    fields = parser().args_included_in_web_ui
    assert {"scenario", "storage"} <= set(fields)
    assert not {"target", "label", "i_own", "runs_dir"} & set(fields)
    assert "sqlite" in list(fields["storage"].choices)
    assert "smoke" in list(fields["scenario"].choices)


def test_a_scenario_may_be_a_path() -> None:
    assert parser().parse_args(["--scenario", "my/own.yaml"]).scenario == "my/own.yaml"


def test_web_ui_is_for_this_host_by_default() -> None:
    assert parser().parse_args([]).web_host == "127.0.0.1"
    assert parser().parse_args(["--web-host", "*"]).web_host == "*"


def test_page_without_a_run_links_to_the_start() -> None:
    text = page(Phase.READY)
    assert "No run yet" in text
    assert '<a href="./">' in text
    assert "<script" not in text


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.busy or phase is Phase.READY])
def test_page_refreshes_while_something_may_change(phase: Phase) -> None:
    assert '<meta http-equiv="refresh"' in page(phase, run() if phase.busy else None)


@pytest.mark.parametrize("phase", [Phase.ENDED, Phase.FAILED])
def test_page_does_not_refresh_after_the_end(phase: Phase) -> None:
    text = page(phase, run(exit_code=0, reason="completed"))
    assert "refresh" not in text.replace("no longer refreshes", "")
    assert "no longer refreshes" in text


def test_page_shows_why_a_run_ended() -> None:
    text = page(Phase.FAILED, run(exit_code=69, reason="database_died", detail="the server <postgres> died"))
    assert "<dt>Ended</dt><dd>database_died: the server &lt;postgres&gt; died</dd>" in text
    assert "<dt>Exit code</dt><dd>69</dd>" in text
    assert "loadtests-report &#39;runs/a study&#39;" in text


def test_page_shows_what_is_being_set_up() -> None:
    text = page(Phase.SET_UP, run(step="starting servers"))
    assert "<dt>State</dt><dd>set-up</dd>" in text
    assert "<dt>Step</dt><dd>starting servers</dd>" in text
    assert "<dt>Ended</dt>" not in text


def test_page_lists_every_problem_escaped() -> None:
    text = page(Phase.FAILED, problems=["<img src=x onerror=alert(1)>", "no such storage"])
    assert "<li>&lt;img src=x onerror=alert(1)&gt;</li><li>no such storage</li>" in text
    assert "<img" not in text


def test_page_lists_the_runs_of_the_session() -> None:
    first, last = run(exit_code=0, reason="completed"), run(exit_code=130, cancelled=True)
    text = page(Phase.FAILED, last, conductor=SimpleNamespace(current=None, runs=[first, last]))
    assert text.index("<td>the set-up was cancelled</td>") < text.index("<td>completed</td>")


def test_an_operation_that_the_window_has_forgotten_has_its_counts() -> None:
    (line,) = operation_lines({"chat.accept": (7, 2)}, LiveWindow())
    assert (line.operation, line.count, line.failed, line.p99_ms) == ("chat.accept", 7, 2, None)


@pytest.mark.parametrize("name", ["run.html", "banner.html"])
def test_the_page_asks_nothing_of_other_hosts(name: str) -> None:
    import loadtests.webui

    assert loadtests.webui.__file__ is not None
    text = (Path(loadtests.webui.__file__).parent / "templates" / name).read_text()
    assert "http://" not in text
    assert "https://" not in text
