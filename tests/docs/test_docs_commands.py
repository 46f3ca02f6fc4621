"""Every command that README and docs name is there, with the targets, variables and options that they give it."""

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

CODE = re.compile(r"```\w*\n(?P<block>.*?)```|(?P<tick>`+)(?P<span>.+?)(?P=tick)", re.DOTALL)
COMMAND = re.compile(
    r"(?:^|\()(?:\.venv/bin/)?"
    r"(?P<name>make|loadtests-report|loadtests-gate|loadtests(?= [a-z-])|python -m loadtests\.\w+|locust)(?= |$)"
    r"(?P<rest>[^;)]*)"
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


class Named(NamedTuple):
    """A command as a page names it: `make`, `loadtests run`, `python -m loadtests.pod`, … and what follows."""

    page: str
    command: str
    rest: str


def code_of(text: str) -> Iterator[str]:
    """Lines of code blocks, and code within sentences with its line breaks undone."""
    for found in CODE.finditer(text):
        yield from (line.partition(" #")[0].strip() for line in (found["block"] or "").splitlines())
        yield " ".join((found["span"] or "").split())


def commands_of(page: Path) -> Iterator[Named]:
    for code in code_of(page.read_text()):
        # `|` separates commands in a shell, and choices in a synopsis.
        for part in re.split(r" \| (?=[a-z])", code):
            for found in COMMAND.finditer(re.sub(r"[\[\]|]", " ", part)):
                name, rest = found["name"], found["rest"].strip()
                if name == "loadtests" and rest and not rest.startswith("-"):
                    sub, _, rest = rest.partition(" ")
                    name = f"loadtests {sub}"
                yield Named(page.name, name, rest)


NAMED = sorted({named for page in PAGES for named in commands_of(page)})


@functools.cache
def help_of(command: str) -> str:
    words = shlex.split(command)
    if words[0] in ("loadtests-report", "loadtests-gate"):
        argv = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    elif words[0] == "python":
        argv = [sys.executable, *words[1:]]
    else:
        argv = [sys.executable, "-m", *words]
    done = subprocess.run([*argv, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command} --help: {done.stderr}"
    return done.stdout


def makefile() -> tuple[set[str], set[str]]:
    """Targets and variables."""
    text = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)), set(re.findall(r"^([A-Z]+) \?=", text, re.MULTILINE))


def test_the_pages_name_what_people_need() -> None:
    """Also, this test still finds commands."""
    made = {n.rest.split()[0] for n in NAMED if n.command == "make" and n.rest}
    assert made >= {"compare", "test", "gate", "ui", "help", "lint", "bench"}
    named = {n.command for n in NAMED}
    assert named >= {"loadtests run", "loadtests export", "loadtests-gate", "python -m loadtests.pod", "locust"}
    assert len([n for n in NAMED if OPTION.search(n.rest)]) >= 6


@pytest.mark.parametrize("named", [n for n in NAMED if n.command == "make"], ids=str)
def test_targets_and_variables_of_make(named: Named) -> None:
    targets, variables = makefile()
    for word in shlex.split(named.rest):
        name, equals, _ = word.partition("=")
        assert name in (variables if equals else targets), f"{named.page}: make {named.rest}"


@pytest.mark.parametrize("named", [n for n in NAMED if n.command != "make"], ids=str)
def test_commands_and_their_options(named: Named) -> None:
    known = set(OPTION.findall(help_of(named.command)))
    given = set(OPTION.findall(named.rest))
    assert given <= known, f"{named.page}: {named.command} has no {', '.join(sorted(given - known))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_that_are_linked_are_there(page: Path) -> None:
    links = re.findall(r"(?<!!)\[[^\]]+\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_scenarios_that_are_named_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"SCENARIO=([\w-]+)|loadtests run ([\w-]+)", readme))
    assert named
    for pair in named:
        assert (ROOT / "scenarios" / f"{''.join(pair)}.yaml").is_file(), pair
