"""Dependencies of this project: `sbom FILE`, `audit` or `licences`, of the pinned versions in .venv.

Exit codes: 0; 1 a known advisory; 64 bad arguments; 69 advisories could not be retrieved.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".venv-supplychain" / "bin"
LOCK = "requirements.lock"
ADVISORY, BAD_ARGUMENTS, UNAVAILABLE = 1, 64, 69

_PINNED = re.compile(r"([a-z0-9][a-z0-9.-]*)==([^\s;]+)")


def main(arguments: list[str]) -> int:
    match arguments:
        case ["sbom", file]:
            return write_sbom(Path(file))
        case ["audit"]:
            return audit()
        case ["licences"]:
            return print_licences()
    print(f"supplychain: expected sbom FILE, audit or licences, got {' '.join(arguments)!r}", file=sys.stderr)
    return BAD_ARGUMENTS


def write_sbom(file: Path) -> int:
    """CycloneDX 1.6 as JSON, the same bytes for the same versions. Development dependencies are `excluded`."""
    command = [TOOLS / "cyclonedx-py", "environment", sys.executable, "--pyproject", ROOT / "pyproject.toml"]
    made = subprocess.run(
        [*command, "--output-reproducible", "--spec-version", "1.6"], capture_output=True, text=True, check=True
    )
    document = json.loads(made.stdout)
    needed = set(needed_at_run_time(document))
    for component in document["components"]:
        component["scope"] = "required" if component["bom-ref"] in needed else "excluded"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{file}: {len(needed)} components of {len(document['components'])} are needed at run time")
    return 0


def needed_at_run_time(document: dict[str, Any]) -> Iterator[str]:
    """References of the components that the project needs without its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {_normal(requirement) for requirement in project["dependencies"]}
    edges = {node["ref"]: node.get("dependsOn", ()) for node in document["dependencies"]}
    names = {component["bom-ref"]: _normal(component["name"]) for component in document["components"]}
    open_references = [reference for reference, name in names.items() if name in direct]
    found: set[str] = set()
    while open_references:
        reference = open_references.pop()
        if reference not in found:
            found.add(reference)
            open_references += edges.get(reference, ())
            yield reference


def audit() -> int:
    """Retrieve the advisories of every pinned version. If that fails, list the versions and their dates."""
    command = [TOOLS / "pip-audit", "--requirement", ROOT / LOCK, "--require-hashes", "--disable-pip"]
    done = subprocess.run(
        [*command, "--format", "json", "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        dependencies = []
    for advisory in (lines := list(advisories(dependencies))):
        print(advisory)
    unknown = [its["name"] for its in dependencies if "skip_reason" in its]
    if unknown or not dependencies:
        print_versions()
        print(
            f"supplychain: advisories of {len(unknown) or 'all'} pinned versions could not be asked for; "
            "compare the list above with an advisory database, or ask again where one can be reached",
            file=sys.stderr,
        )
    if lines:
        return ADVISORY
    if unknown or not dependencies:
        return UNAVAILABLE
    print(f"no known advisory for {len(dependencies)} pinned versions")
    return 0


def advisories(dependencies: list[dict[str, Any]]) -> Iterator[str]:
    """One line for each advisory: version, identifier, and the versions that fix it."""
    for its in dependencies:
        for found in its.get("vulns", ()):
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            yield f"{its['name']} {its['version']}: {found['id']}, fixed in {fixed}"


def print_versions() -> None:
    since = pinned_since()
    for name, version in pinned().items():
        print(f"{name} {version}, pinned {since.get(name, 'on an unknown date')}")


def pinned() -> dict[str, str]:
    lines = (ROOT / LOCK).read_text(encoding="utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := _PINNED.match(line))}


def pinned_since() -> dict[str, str]:
    """The date of each pinned version by name; empty outside a checkout."""
    command = ["git", "-C", str(ROOT), "blame", "--line-porcelain", "--", LOCK]
    try:
        blamed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    since, day = {}, ""
    for line in blamed.splitlines():
        if line.startswith("author-time "):
            day = datetime.fromtimestamp(int(line.split()[1]), UTC).strftime("%Y-%m-%d")
        elif found := _PINNED.match(line.removeprefix("\t")):
            since[found[1]] = day
    return since


def print_licences() -> int:
    installed = {_normal(its.metadata["Name"]): its for its in distributions()}
    for name, version in pinned().items():
        if (its := installed.get(name)) is not None:
            print(f"{name} {version}: {licence_of(its)}")
    return 0


def licence_of(distribution: Distribution) -> str:
    """The licence in its metadata: an SPDX expression, else a name."""
    metadata = distribution.metadata
    classifiers = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or () if c.startswith("License")]
    short = (metadata.get("License") or "").strip().splitlines()
    named = short[0] if short and len(short[0]) <= 60 else ""
    return metadata.get("License-Expression") or ", ".join(classifiers) or named or "unknown"


def _normal(requirement: str) -> str:
    """`PyYAML >= 6 ; …` → `pyyaml`."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
