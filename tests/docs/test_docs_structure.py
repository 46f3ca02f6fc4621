"""Size and shape of the code: folders that can be read at a glance, no fragments, one name for one class, short chains
of imports."""

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from reports import sections

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "loadtests").rglob("*.py") if path.name != "__init__.py")
"""`__init__.py` aside, which only names its room."""

MOST_IN_A_FOLDER = 20
SHORT = 40
"""Lines."""

MOST_SHORT = 8

ONE_FILE_EACH = {
    "loadtests/__main__.py": "an entry point",
    "loadtests/drivers/sqlite.py": "an engine",
    "loadtests/hostidentity.py": "a leaf",
    "loadtests/ledger/postgres.py": "an engine",
    "loadtests/limits/descriptors.py": "a resource",
    "loadtests/limits/memory.py": "a resource",
    "loadtests/pod/storage/sql/optimistic.py": "a locking strategy",
    "loadtests/scenario/schema.py": "an entry point",
}
"""Short files that have a reason to be alone."""

ONE_FILE_AN_ENTRY = {"loadtests/pod/faults": "a fault"}
"""Folders in which each file is an entry of a table, however short."""

ORDINARY_NAMES = {"Problem", "Row"}
"""Of small values that never leave their module."""


def lines(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def test_folders_have_few_files():
    folders = defaultdict(list)
    for path in MODULES:
        folders[str(path.parent)].append(path.name)
    assert {folder: len(names) for folder, names in folders.items() if len(names) > MOST_IN_A_FOLDER} == {}


def test_short_files_have_a_reason():
    alone = [path for path in MODULES if str(path.parent) not in ONE_FILE_AN_ENTRY]
    short = {str(path) for path in alone if lines(path) < SHORT}
    assert set(ONE_FILE_EACH) <= short, "a reason that is no longer needed"
    assert len(short - set(ONE_FILE_EACH)) <= MOST_SHORT, sorted(short - set(ONE_FILE_EACH))


def test_a_class_name_means_one_class():
    found = defaultdict(list)
    for path in MODULES:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name not in ORDINARY_NAMES:
                found[node.name].append(str(path))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


MOST_LEVELS = 8
"""Modules of `reports` in a chain in which each imports the next."""


def imported(module: str) -> Iterator[str]:
    """Modules of `reports` that a module imports; the table of sections imports its modules by their names."""
    if module == sections.__name__:
        yield from (f"{module}.{name}" for name in sections.NAMES)
    path = ROOT / f"{module.replace('.', '/')}.py"
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "reports":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in REPORTS else str(node.module) for name in names)


REPORTS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "reports").rglob("*.py")
}


@functools.cache
def chain(module: str) -> tuple[str, ...]:
    """The longest chain of imports that begins with a module."""
    return (module, *max((chain(other) for other in imported(module)), key=len, default=()))


def test_chains_of_imports_in_reports_are_short():
    longest = max(map(chain, sorted(REPORTS)), key=len)
    assert len(longest) <= MOST_LEVELS, longest
