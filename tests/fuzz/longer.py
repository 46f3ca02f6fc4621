"""`python tests/fuzz/longer.py [MUTATIONS [FIRST]]`: mutates run directories and prints what is wrong with how they are
read. The exit code is 1 when anything is."""

import gc
import os
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent), str(Path(__file__).parents[2])]

from fuzz_base import STUDY, write_base  # noqa: E402
from fuzz_cases import run_case, warm_up  # noqa: E402

EVERY_PLOTS = 200
"""One in so many reports is drawn: that takes seconds."""


def main(mutations: int, first: int) -> int:
    os.environ["OMP_NUM_THREADS"] = "1"
    began, wrong = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="loadtests-fuzz-") as scratch:
        base = Path(scratch) / "base"
        base.mkdir()
        study = write_base(base)
        (study / "kept").symlink_to(next(path for path in study.iterdir() if path.name.startswith("01-")))
        workers = int(os.environ.get("WORKERS", os.cpu_count() or 1))
        with get_context("spawn").Pool(workers, _prepare, (str(base), scratch)) as pool:
            for number, lines in enumerate(pool.imap_unordered(_case, range(first, first + mutations)), 1):
                wrong += bool(lines)
                for line in lines:
                    print(line, flush=True)
                if number % 500 == 0:
                    print(f"{number:,} mutations, {wrong} wrong, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{mutations:,} mutations, {wrong} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


_places: tuple[Path, Path]


def _prepare(base: str, scratch: str) -> None:
    global _places  # noqa: PLW0603  of a worker process
    _places = Path(base), Path(scratch)

    gc.disable()  # a collection would copy every page that parent and child share
    warm_up(Path(base) / STUDY, Path(scratch) / f"warm-{os.getpid()}")


def _case(seed: int) -> list[str]:
    return run_case(*_places, seed, plots=seed % EVERY_PLOTS == 0)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*given, *(10_000, 0)[len(given) :]))
