"""A new engine is its own modules and one entry in the table: every room finds it there."""

import ast
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toyengine import ToyProbe, ToyServer

import loadtests
import reports
from loadtests import engines, storagenames
from loadtests.calibration.calibrating import Calibration, CalibrationTarget
from loadtests.conductor.choices import Choices, Generator, Subject
from loadtests.conductor.commands.doctor import doctor
from loadtests.conductor.preflight.capacity import Host, shortfalls
from loadtests.conductor.preflight.feasibility import problems_of_timeline
from loadtests.conductor.preflight.target_databases import databases_behind
from loadtests.drivers.addresses import parse_address
from loadtests.ledger.audit import StoredDatabase, read_ledger
from loadtests.pod.storage.contract import Call, ConnectionRow
from loadtests.pod.storage.factory import create_storage
from loadtests.probes.contract import Database
from loadtests.probes.databases import database_probes
from loadtests.records.rundirectory import RunDirectory
from loadtests.scenario import parse_scenario
from loadtests.scenario.finding import find_scenario
from loadtests.servers.registry import content, create_server, files_needed, missing
from loadtests.storagenames import StorageName, StorageNameError
from loadtests.timeline.context import DatabaseHandle as ActionDatabase
from loadtests.timeline.db_sessions import maintain
from reports.page.plots.style import storage_styles

pytestmark = pytest.mark.usefixtures("toy")


def test_its_storages_have_names_and_promises() -> None:
    assert storagenames.parse("toy") == StorageName("toy", ("fast",))
    assert storagenames.names()[-2:] == ["toy:fast", "toy:safe"]
    assert storagenames.promises("toy:safe").durable
    assert storagenames.promises("dual(toy:safe,sqlite)").commit_survives == "power_loss"
    assert storagenames.databases("dual(sqlite,toy)") == {
        "legacy": StorageName("sqlite"),
        "upgraded": StorageName("toy", ("fast",)),
    }
    with pytest.raises(StorageNameError, match="did you mean 'toy:safe'"):
        storagenames.parse("toy:safe-")


def test_it_has_a_server(tmp_path: Path) -> None:
    server = create_server("toy", tmp_path / "server", choices=("safe",))
    assert isinstance(server, ToyServer)
    assert server.choices == ("safe",)
    assert (missing("toy"), files_needed("toy", 20)) == (None, 27)
    assert "toybox" in content("toy")
    assert "toybox" not in content("postgres")


def test_doctor_reports_it(capsys: pytest.CaptureFixture[str]) -> None:
    doctor()
    assert "  Toy " in capsys.readouterr().out


async def _stored(dsn: str) -> None:
    storage = create_storage("toy:safe", {"toy": dsn}, lambda _: None, "pod-1")
    await storage.start()
    try:
        call = Call("connection.create", "key", "account-0001")
        await storage.open_connection(call, ConnectionRow("c", "account-0001", "agent", "Ada", "token"))
        assert (await storage.settings())["engine"] == "toy"
        assert (storage.name, storage.promises.durable) == ("toy:safe", True)
    finally:
        await storage.stop()


def test_the_pod_stores_in_it_and_the_ledger_reads_that(tmp_path: Path) -> None:
    dsn = f"toy://{tmp_path / 'toy.sqlite'}"
    asyncio.run(_stored(dsn))
    found = read_ledger({"toy": StoredDatabase("toy", dsn)}, RunDirectory(tmp_path))
    verdicts = {check["check"]: check["verdict"] for check in found["checks"]}
    assert verdicts["orphans"] == "pass"
    assert found["databases"] == {"toy": {"engine": "toy"}}


def test_it_has_addresses_and_is_observed_behind_targets() -> None:
    problems: list[str] = []
    dsns = json.dumps({"chats": "toy://localhost", "other": "toys://localhost"})
    assert parse_address("toy", "toy://localhost").hosts == ("localhost",)
    assert databases_behind(["chats:toy"], dsns, (), problems) == (Database("chats", "toy"),)
    assert problems == []
    databases_behind(["other:toy"], dsns, (), problems)
    assert problems == ["--database other:toy: its address in LOADTESTS_DSNS is no toy://PATH that can be used: "
                        "its scheme is another one, not toy"]  # fmt: skip
    (probe,) = database_probes([Database("chats", "toy")], dsns, time.monotonic_ns)
    assert isinstance(probe, ToyProbe)
    assert probe.name == "toy:chats"


def test_it_is_calibrated(tmp_path: Path, toy_with) -> None:
    toy_with(probe="", runs="file", server="", address="")
    found = asyncio.run(Calibration([CalibrationTarget("toy", "toy", "", "")], "short", tmp_path, print).make())
    assert {figure.figure: figure.verdict for figure in found}["waits found"] == "pass"
    assert {(figure.engine, figure.source) for figure in found} == {("toy", "pod")}


def test_actions_maintain_it(tmp_path: Path) -> None:
    asyncio.run(maintain(ActionDatabase("toy", "toy", f"toy://{tmp_path}/t"), "VACUUM"))
    assert (tmp_path / "t.maintained").read_text() == "VACUUM"


def test_actions_on_servers_and_locks_are_feasible() -> None:
    text = (
        find_scenario("smoke").read_text()
        + "timeline:\n  - {do: hold, stage: steady, operation: chat.accept, for: 1s}\n"
    )
    text += "  - {do: resize, stage: steady, memory_mb: 64}\n"
    problems = problems_of_timeline(parse_scenario(text, "s"), text, "s", [Subject("toy:fast")], ())
    assert problems == []


def test_the_host_is_asked_for_what_it_needs() -> None:
    scenario = parse_scenario(find_scenario("smoke").read_text(), "s")
    choices = Choices(scenario, "", (Subject("toy:fast"),), 1, Path("runs"), 1, Generator())
    few = Host(10_000, 12 + 5 + 14 + 5 + 2 * 20 - 1, 10_000, 2, lambda *_: 10_000)
    (short,) = shortfalls(choices, few)
    assert "processes and threads: 76 needed, 75 available" in short


def test_plots_have_its_colours() -> None:
    styles = storage_styles(["toy", "toy:safe", "sqlite"])
    assert (styles["toy"].light, styles["toy:safe"].dark) == ("#123456", "#bcdefa")


def test_a_pod_process_serves_it(tmp_path: Path, toy_processes) -> None:
    toy_processes(runs="file", server="", address="", probe="")
    reading, writing = os.pipe()
    dsn = {"LOADTESTS_DSN": f"toy://{tmp_path / 'pod.sqlite'}", "LOADTESTS_TOKEN_SECRET": "s"}
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.pod", "--storage", "toy", "--ready-fd", str(writing)],
        pass_fds=[writing],
        env={**os.environ, **dsn, "LOADTESTS_CONTROL_TOKEN": "c"},
    )
    os.close(writing)
    with os.fdopen(reading) as ready:
        settings = json.loads(ready.readline())["settings"]
    process.send_signal(signal.SIGTERM)
    assert (settings["engine"], process.wait()) == ("toy", 0)


OWN = {"engines.py", "postgres", "mariadb", "mysql", "redis", "sqlite", "memory", "innodb", "jsonlog"}


def _is_own(path: Path) -> bool:
    """Whether the file belongs to one engine, by its name or its folder's."""
    return any(part.partition("_")[0].removesuffix(".py") in OWN or part in OWN for part in path.parts)


def _names_in_tables(path: Path) -> set[str]:
    """Names of engines that are keys, members of a set, or compared with."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            found += node.keys
        elif isinstance(node, ast.Set):
            found += node.elts
        elif isinstance(node, ast.Compare):
            found += [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            found.append(node.value)
    leaves = [leaf for one in found if one is not None for leaf in ast.walk(one)]
    names = engines.ENGINES.keys() - {"memory"}  # a word of its own
    return {leaf.value for leaf in leaves if isinstance(leaf, ast.Constant) and leaf.value in names}


def test_no_module_but_the_table_decides_by_the_name_of_an_engine() -> None:
    rooms = [Path(loadtests.__file__).parent, Path(reports.__file__).parent]
    shared = [path for room in rooms for path in room.rglob("*.py") if not _is_own(path.relative_to(room))]
    assert {str(path): names for path in shared if (names := _names_in_tables(path))} == {}
