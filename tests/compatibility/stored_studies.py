"""The studies that version 0.3.0 wrote, each with the figures that report and gate stated about it.

`STUDIES` lists them; archives and figures are in `stored`. `python
tests/compatibility/stored_studies.py [NAME…]` writes figures anew: only after a change that is meant to change them.
"""

import functools
import json
import lzma
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from study_figures import Pair, study_figures

STORED = Path(__file__).parent / "stored"


class StoredStudy(NamedTuple):
    """A study in an archive. `pair`: the storage systems that its second verdict compares, baseline and candidate."""

    archive: str
    pair: Pair | None = None
    change: Callable[[Path], None] = lambda study: None
    """What is done to it after it is extracted."""


def damage(study: Path) -> None:
    """Cut a stream of the first run, remove the end of the second, and the table of lock waits of the third."""
    first, second, third = sorted(path for path in study.iterdir() if path.is_dir())[:3]
    operations = first / "operations-0.arrows"
    whole = operations.read_bytes()
    operations.write_bytes(whole[: len(whole) // 2])
    (second / "end.json").unlink()
    (third / "lock_waits.arrows").unlink()


COMPARED = "postgres:optimistic", "postgres:pessimistic"

STUDIES = {
    "plain": StoredStudy("study-0.3.0", ("sqlite", "postgres:optimistic")),
    "compare": StoredStudy("compare", COMPARED),
    "damaged": StoredStudy("compare", COMPARED, damage),
    "outage": StoredStudy("outage"),
    "target": StoredStudy("target"),
    "migration": StoredStudy("migration"),
    "engines": StoredStudy("engines", ("mariadb:pessimistic", "redis:always")),
    "calm": StoredStudy("calm"),
}


def extract(name: str, to: Path) -> Path:
    """The directory of a stored study, in an empty directory."""
    stored = STUDIES[name]
    with tarfile.open(STORED / f"{stored.archive}.tar.xz") as archive:
        archive.extractall(to, filter="data")
    (study,) = to.iterdir()
    stored.change(study)
    return study


def figures_now(name: str) -> dict[str, Any]:
    """What today's code states about a stored study."""
    with tempfile.TemporaryDirectory() as scratch:
        return study_figures(extract(name, Path(scratch)), STUDIES[name].pair)


@functools.cache
def stored_documents(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lzma.decompress((STORED / f"{name}.figures.json.xz").read_bytes()))
    return found


def store_figures(name: str) -> None:
    text = json.dumps(figures_now(name), indent=1, allow_nan=False)
    (STORED / f"{name}.figures.json.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    for chosen in sys.argv[1:] or STUDIES:
        store_figures(chosen)
