"""Nothing connects to a database but the drivers: what they see to would not hold elsewhere."""

import ast
from pathlib import Path

import loadtests

_ROOM = Path(loadtests.__file__).parent
_CONNECTING = {
    ("asyncpg", "connect"),
    ("asyncmy", "connect"),
    ("asyncmy", "create_pool"),
    ("Redis", "from_url"),
    ("BlockingConnectionPool", "from_url"),
    ("ConnectionPool", "from_url"),
}


def _calls(path: Path) -> set[tuple[str, str]]:
    """Every attribute that is taken of a name, `module.attribute`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {(getattr(node.value, "id", getattr(node.value, "attr", "")), node.attr) for node in found}


def test_only_drivers_connect() -> None:
    others = [path for path in _ROOM.rglob("*.py") if "drivers" not in path.relative_to(_ROOM).parts]
    assert [(str(path), calls) for path in others if (calls := _calls(path) & _CONNECTING)] == []
    assert ("asyncpg", "connect") in _calls(_ROOM / "drivers" / "postgres.py")


def test_addresses_are_split_in_one_place() -> None:
    """`urlsplit` reads another host than the drivers in some addresses."""
    rooms = ("probes", "ledger", "calibration", "pod/storage", "servers", "timeline")
    files = [path for room in rooms for path in (_ROOM / room).rglob("*.py") if path.name != "control.py"]
    assert [str(path) for path in files if "urlsplit" in path.read_text(encoding="utf-8")] == []
