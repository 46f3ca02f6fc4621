"""deploy/compose.yaml: as closed and as durable as the private servers."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from loadtests.servers.mariadb.server import configuration
from loadtests.servers.postgres.server import settings
from loadtests.servers.redis.server import configuration as redis_configuration
from loadtests.servers.size import Size

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
SERVICES: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text())["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_this_machines_alone_and_passwords_have_no_default(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    words = {k: v for k, v in service["environment"].items() if "PASSWORD" in k}
    assert len(words) == 2
    assert all(re.fullmatch(r"\$\{LOADTESTS_(OWNER|POD)_PASSWORD:\?.+\}", v) for v in words.values())
    assert "PASSWORD:" not in " ".join(service["command"])


def test_postgres_is_set_as_the_private_one() -> None:
    given = dict(word[2:].split("=") for word in SERVICES["postgres"]["command"] if word.startswith("-c"))
    private = settings(16, 5432, Path("/log"), Size())
    assert given == {name: private[name] for name in given}
    assert given.keys() >= {"fsync", "synchronous_commit", "full_page_writes", "max_connections"}


def test_mariadb_is_set_as_the_private_one() -> None:
    lines = configuration(Path("/usr"), (3306, 3307), Size()).splitlines()[1:]
    parts = [line.partition("=") for line in lines]
    private = {name.replace("_", "-"): value.strip("'") for name, _, value in parts}
    words = [word.removeprefix("--").partition("=") for word in SERVICES["mariadb"]["command"]]
    given = {name: value or "1" for name, _, value in words}
    given["innodb-buffer-pool-size"] = given["innodb-buffer-pool-size"].replace("128M", str(128 * 2**20))
    assert given == {name: private[name] for name in given}
    assert given.keys() >= {"innodb-flush-log-at-trx-commit", "innodb-doublewrite", "extra-port"}


def test_redis_is_set_as_the_private_one() -> None:
    digests = {"loadtests": "x", "pod": "y"}
    private = redis_configuration(6379, "always", Size(), digests).splitlines()
    given = shlex.split(SERVICES["redis"]["command"][2].partition(" |\n")[0].replace("\\\n", " "))[2:]
    chosen = [line for line in given if not line.startswith(("dir", "user loadtests", "user pod"))]
    assert [line for line in chosen if line not in private] == []
    assert {"appendonly yes", "appendfsync always"} <= set(chosen)
    rights = next(line for line in private if line.startswith("user pod")).partition("~*")[2]
    assert given[-1].endswith(rights)
