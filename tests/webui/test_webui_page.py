"""The page of the run and the start form's fields."""

from pathlib import Path

import pytest
from locust.argument_parser import LocustArgumentParser

from loadtests.users.live import LiveWindow
from loadtests.webui.options import add_options
from loadtests.webui.page import operation_lines, render


def parser() -> LocustArgumentParser:
    made = LocustArgumentParser()
    made.add_argument("--web-host", default="")
    add_options(made)
    return made


def test_the_form_offers_scenarios_and_storages() -> None:
    fields = parser().args_included_in_web_ui
    assert {"scenario", "storage"} <= set(fields)
    assert not {"target", "label", "i_own", "runs_dir"} & set(fields)
    assert "sqlite" in list(fields["storage"].choices)
    assert "smoke" in list(fields["scenario"].choices)


def test_a_scenario_may_be_a_path() -> None:
    assert parser().parse_args(["--scenario", "my/own.yaml"]).scenario == "my/own.yaml"


def test_the_web_ui_is_for_this_host_unless_told_otherwise() -> None:
    assert parser().parse_args([]).web_host == "127.0.0.1"
    assert parser().parse_args(["--web-host", "*"]).web_host == "*"


def test_without_a_run_the_page_says_how_to_begin() -> None:
    page = render(None, "")
    assert "No run yet" in page
    assert "<script" not in page


def test_a_problem_is_shown_and_escaped() -> None:
    page = render(None, "<img src=x onerror=alert(1)>")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img" not in page


def test_an_operation_that_the_window_has_forgotten_has_its_counts() -> None:
    (line,) = operation_lines({"chat.accept": (7, 2)}, LiveWindow())
    assert (line.operation, line.count, line.failed, line.p99_ms) == ("chat.accept", 7, 2, None)


@pytest.mark.parametrize("name", ["run.html"])
def test_the_page_asks_nothing_of_other_hosts(name: str) -> None:
    import loadtests.webui

    assert loadtests.webui.__file__ is not None
    text = (Path(loadtests.webui.__file__).parent / "templates" / name).read_text()
    assert "http://" not in text
    assert "https://" not in text
