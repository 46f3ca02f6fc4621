"""A storage of each engine, empty."""

from pathlib import Path

import pytest
import storages
from ledgers import manifest

from loadtests.records.rundirectory import RunDirectory


@pytest.fixture(params=storages.ENGINES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> storages.Storage:
    return storages.a_storage(request.param, request, tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    manifest(directory)
    return directory
