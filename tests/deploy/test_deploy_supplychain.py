"""Dependencies are pinned and hashed, and the tools report only what they know."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "deploy/supplychain.lock")
VULNERABLE = {"name": "leaky", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}]}
CLEAN = {"name": "sound", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "private", "skip_reason": "not found"}


@pytest.fixture
def supplychain() -> ModuleType:
    spec = importlib.util.spec_from_file_location("supplychain", ROOT / "deploy" / "supplychain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pinned_version_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    pinned = [entry for entry in entries if "==" in entry.partition("\n")[0]]
    assert len(pinned) > 20
    assert [entry for entry in pinned if "--hash=sha256:" not in entry] == []


def test_nothing_is_installed_without_hashes_or_built_from_source() -> None:
    installs = [
        line
        for file in ("deploy/setup", "Makefile")
        for line in (ROOT / file).read_text().splitlines()
        if "pip install" in line and "--editable" not in line
    ]
    assert len(installs) == 2
    assert all("--require-hashes" in line and "--only-binary :all:" in line for line in installs)


@pytest.mark.parametrize(
    ("document", "code", "unsure"),
    [
        ({"dependencies": [CLEAN]}, 0, False),
        ({"dependencies": [CLEAN, VULNERABLE]}, 1, False),
        ({"dependencies": [UNKNOWN, VULNERABLE]}, 1, True),
        ({"dependencies": [CLEAN, UNKNOWN]}, 69, True),
        ({"dependencies": []}, 69, True),
        (None, 69, True),
    ],
)
def test_advisories_that_could_not_be_asked_for_are_no_clean_bill(
    supplychain: ModuleType,
    document: object,
    *,
    code: int,
    unsure: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`pip-audit` itself ends with 0 when it could ask for none."""

    def asked(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, "" if document is None else json.dumps(document), "")

    monkeypatch.setattr(supplychain, "pinned_since", dict)
    monkeypatch.setattr(supplychain.subprocess, "run", asked)
    assert supplychain.audit() == code
    out, err = capsys.readouterr()
    assert ("leaky 1.0: PYSEC-2026-1, fixed in 1.1" in out) == (code == 1)
    assert ("could not be asked for" in err) == unsure
    assert ("no known advisory" in out) == (code == 0)


def test_what_only_developers_need_is_not_needed_at_run_time(supplychain: ModuleType) -> None:
    names = ("locust", "gevent", "ruff")
    document = {
        "components": [{"bom-ref": f"{name}==1", "name": name} for name in names],
        "dependencies": [{"ref": "locust==1", "dependsOn": ["gevent==1"]}, {"ref": "gevent==1"}, {"ref": "ruff==1"}],
    }
    assert set(supplychain.needed_at_run_time(document)) == {"locust==1", "gevent==1"}


def test_every_dependency_that_is_installed_has_a_licence(
    supplychain: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supplychain.print_licences() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 50
    assert [line for line in lines if line.endswith(": unknown")] == []
