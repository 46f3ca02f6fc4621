"""The generated pages are what `make docs` writes now."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

_spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_page_is_generated_from_the_code(name: str) -> None:
    page = generate.PAGES[name]()
    assert (DOCS / name).read_text(encoding="utf-8") == page, f"docs/{name} is out of date: run `make docs`"


def test_commands_page_has_every_command_and_option() -> None:
    page = generate.commands_page()
    for command in ("run", "export", "pod", "doctor", "calibrate", "clean", "ui", "schema"):
        assert f"## loadtests {command}\n" in page
    assert "| `--expect-workers N` |" in page
    assert "## loadtests-gate\n" in page


def test_scenarios_page_links_only_to_its_own_sections() -> None:
    page = generate.scenarios_page()
    links = {part.partition(")")[0] for part in page.split("](#")[1:]}
    headings = {line.lstrip("# ").replace(" ", "-").lower() for line in page.splitlines() if line.startswith("## ")}
    assert links
    assert links <= headings
    assert "### do: migrate\n" in page
