"""CI jobs and pre-commit hooks run the commands that README and Makefile name, and download no other tools."""

import re
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def load(name: str):
    return YAML(typ="safe").load((ROOT / name).read_text(encoding="utf-8"))


def made(commands: list[str]) -> list[str]:
    return [command for command in commands if command.startswith("make ")]


def test_github_workflow_runs_the_readme_commands() -> None:
    jobs = load(".github/workflows/ci.yml")["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert made(commands) == ["make lint", "make test"]
    assert all(command in README for command in made(commands))
    assert jobs["test"]["env"] == {"CI": "true"}


def test_gitlab_jobs_run_the_readme_commands() -> None:
    configuration = load(".gitlab-ci.yml")
    assert configuration["lint"]["script"] == ["make lint"]
    assert configuration["test"]["script"] == ["make test"]
    assert configuration["test"]["variables"] == {"CI": "true"}


def test_pre_commit_hooks_are_the_checks_of_make_lint() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    tools = {hook["entry"].split()[0] for hook in repository["hooks"]}
    recipe = re.search(r"^lint:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert tools == {f".venv/bin/{tool}" for tool in re.findall(r"\$\(BIN\)/([\w-]+)", recipe)}
    assert all(hook["language"] == "system" for hook in repository["hooks"])


def test_released_versions_of_the_changelog_have_dates() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d{2}-\d{2}\)", heading) for heading in headings[1:])
