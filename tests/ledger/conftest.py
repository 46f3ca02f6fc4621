"""A storage of each engine, empty."""

from pathlib import Path

import pytest
import storages
from ledgers import manifest

from loadtests.records.rundirectory import RunDirectory


@pytest.fixture(params=storages.ENGINES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> storages.Storage:
    return a_storage(request.param, request, tmp_path)


def a_storage(engine: str, request: pytest.FixtureRequest, directory: Path) -> storages.Storage:
    if engine == "sqlite":
        return storages.sqlite(directory / "storage.sqlite")
    database = request.getfixturevalue(f"{engine}_database")
    make = {"postgres": storages.postgres, "mariadb": storages.mariadb, "redis": storages.redis_at}[engine]
    return make(database.dsn)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    manifest(directory)
    return directory
