"""The page on architecture lists every room, and the rooms that each imports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = {path.parent.name for path in (ROOT / "loadtests").glob("*/__init__.py")}


def imported(room: Path) -> Iterator[str]:
    """Rooms of `loadtests` that a folder imports."""
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name.split(".")[1] for name in names if name.startswith("loadtests."))


def test_every_room_is_listed() -> None:
    assert sorted(room for room in ROOMS if f"| `loadtests/{room}/` |" not in PAGE) == []


def test_imports_of_rooms_are_those_of_the_code() -> None:
    table = PAGE.partition("| room | imports (besides leaves) |")[2].partition("\n\n")[0]
    listed = {
        room: set(re.findall(r"`(\w+)`", imports))
        for room, imports in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M)
    }
    folders = {**{room: ROOT / "loadtests" / room for room in ROOMS}, "reports": ROOT / "reports"}
    found = {room: (set(imported(folder)) & ROOMS) - {room} for room, folder in folders.items()}
    assert listed == {room: imports for room, imports in found.items() if imports}
