"""Nothing connects to a database but the drivers: what they see to would not hold elsewhere."""

import ast
from pathlib import Path

import pytest

import loadtests

_ROOM = Path(loadtests.__file__).parent
_CONNECTING = {
    "asyncpg": {"connect", "create_pool", "Connection"},
    "asyncmy": {"connect", "create_pool"},
    "asyncmy.connection": {"Connection", "connect"},
    "redis": {"Redis", "StrictRedis", "from_url"},
    "redis.asyncio": {"Redis", "StrictRedis", "from_url"},
    "apsw": {"Connection"},
}
_POOLS = {"from_url"}


def _connections(path: Path) -> set[str]:
    """Every call that opens a connection or makes a client, by module and name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = {names.get(call, call) for call in calls}
    found |= {
        f"{names[call.rpartition('.')[0]]}.{call.rpartition('.')[2]}"
        for call in calls
        if call.rpartition(".")[0] in names
    }
    opening = {f"{module}.{name}" for module, of in _CONNECTING.items() for name in of}
    return found & opening | {call for call in found if call.rpartition(".")[2] in _POOLS}


def test_only_drivers_connect() -> None:
    others = [path for path in _ROOM.rglob("*.py") if "drivers" not in path.relative_to(_ROOM).parts]
    assert [(str(path), calls) for path in others if (calls := _connections(path))] == []


@pytest.mark.parametrize(
    ("engine", "calls"),
    [
        ("postgres", {"asyncpg.connect", "asyncpg.create_pool"}),
        ("mariadb", {"asyncmy.connection.Connection"}),
        ("redis", {"redis.Redis", "redis.asyncio.Redis"}),
        ("sqlite", {"apsw.Connection"}),
    ],
)
def test_drivers_connect(engine: str, calls: set[str]) -> None:
    assert _connections(_ROOM / "drivers" / f"{engine}.py") == calls


def test_addresses_are_split_in_one_place() -> None:
    """`urlsplit` reads another host than the drivers in some addresses."""
    rooms = ("probes", "ledger", "calibration", "pod/storage", "servers", "timeline")
    calls = ("control.py", "user_calls.py")  # of HTTP, not of databases
    files = [path for room in rooms for path in (_ROOM / room).rglob("*.py") if path.name not in calls]
    assert [str(path) for path in files if "urlsplit" in path.read_text(encoding="utf-8")] == []
