"""One trial, in a process of its own: `python -m benchmarks.campaign.trial PLACE JSON` prints the outcome.

Becomes the parent of the processes that its run leaves (a child subreaper), so that each is counted and killed.
"""

import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import psutil

from benchmarks.campaign.checks import ENDED_WITHIN_S, Facts, violations
from benchmarks.campaign.faults import DISK_MB, FAULTS, NEEDS_DISK, free_limit, limit
from benchmarks.campaign.plan import Trial
from benchmarks.campaign.scene import Scene, start
from loadtests.records.rundirectory import RunDirectory

HERE = Path(__file__).parent
PREPARED_WITHIN_S = 60.0
STOPPED_S = 8.0
"""How long a stopped conductor stays stopped: only the conductor can end a run."""

SETTLES_WITHIN_S = 6.0
"""How long reaper and supervisors may take to clean up after a killed conductor."""

_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    place, trial = Path(sys.argv[1]), Trial(**json.loads(sys.argv[2]))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a run that was started with nohup ignores it, as it should
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    place.mkdir(parents=True)
    with _disk(place, trial):
        facts = conduct(place, trial)
    print(json.dumps({**asdict(facts), "violations": violations(facts)}))
    return 0


@contextmanager
def _disk(place: Path, trial: Trial) -> Iterator[None]:
    """A small file system of the trial's own where the fault is the disk's."""
    if trial.fault not in NEEDS_DISK:
        yield
        return
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(DISK_MB << 20 if trial.storage in ("sqlite", "redis") else 6 * DISK_MB << 20)
    # Without a journal the kernel turns it read-only at once.
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, place], check=True)
    place.chmod(0o755)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        image.unlink()


def conduct(place: Path, trial: Trial) -> Facts:
    """Start the run, inject the fault, wait for the end and collect the facts."""
    scene = start(place, trial.storage, HERE / "scenario.yaml", limit(trial.fault, trial.target))
    try:
        return _conduct(scene, trial)
    finally:
        _kill_all(scene)
        free_limit()


def _conduct(scene: Scene, trial: Trial) -> Facts:
    limited = trial.fault in ("few_descriptors", "little_memory")
    role = "" if limited or trial.fault in NEEDS_DISK else trial.target
    injected = limited or scene.wait_until(lambda: scene.reached(trial.moment, role), PREPARED_WITHIN_S)
    if injected:
        FAULTS[trial.fault](scene, trial.target)
    began = time.monotonic()
    if trial.fault == "STOP" and trial.target == "conductor":
        time.sleep(STOPPED_S)
        scene.process.send_signal(18)
        began = time.monotonic()
    # A limit applies from the start, so that the whole run has its planned time in addition.
    within_s = ENDED_WITHIN_S + PREPARED_WITHIN_S
    ended = not scene.wait_until(lambda: False, within_s) and not scene.is_running
    ended_s = time.monotonic() - began - (PREPARED_WITHIN_S if limited else 0.0)
    return _collect(scene, Facts(trial, injected, ended_s if ended else None, scene.process.poll(), None, 2, 0))


def _collect(scene: Scene, facts: Facts) -> Facts:
    left = _cleaned(scene) if facts.trial.target == "everything" else _settled(scene)
    run = scene.run()
    end = damaged = None
    if run is not None:
        damaged = list(_damaged(run))
        with suppress(OSError, ValueError):
            end = run.read("end")
    return replace(
        facts,
        end=end,
        left=left,
        damaged=damaged or [],
        gate=_gate(scene, run),
        missing=_missing(run) if run is not None else 0,
        stderr=(scene.place / "err").read_text(encoding="utf-8", errors="replace")[-4000:],
    )


def _settled(scene: Scene) -> list[str]:
    """Leftovers after the time for reaper and supervisors."""
    until = time.monotonic() + SETTLES_WITHIN_S
    while (left := list(scene.left())) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def _cleaned(scene: Scene) -> list[str]:
    """Leftovers of `loadtests clean`, where reaper and supervisors were killed as well."""
    command = [sys.executable, "-m", "loadtests", "clean", "--runs", str(scene.runs)]
    subprocess.run(command, capture_output=True, timeout=30, check=False)
    return list(scene.left())


def _damaged(run: RunDirectory) -> Iterator[str]:
    """Files that cannot be read. A table that was cut is readable up to the cut."""
    for path in sorted(run.path.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            yield f"{path.name}: {error}"
    for table in ("operations", "transactions", "timeline", "ticks", "lock_waits"):
        try:
            for _ in run.batches(table):
                pass
        except Exception as error:
            yield f"{table}: {type(error).__name__}: {error}"


def _missing(run: RunDirectory) -> int:
    """Requests that the pod served, by its own table, and that no row of the load has."""
    try:
        rows = {key for batch in run.batches("operations") for key in batch["key"].to_pylist()}
        served = {key for batch in run.batches("transactions") for key in batch["key"].to_pylist() if key is not None}
    except Exception:
        return 0
    return len(served - rows)


def _gate(scene: Scene, run: RunDirectory | None) -> int:
    """The gate's exit code for the study; 2 where there is none to judge."""
    if run is None:
        return 2
    gate = Path(sys.executable).with_name("loadtests-gate")
    command = [gate, str(run.path.parent), "--objectives", HERE / "objectives.yaml"]
    with scene.place.with_suffix(".gate").open("wb") as out:
        return subprocess.run(command, stdout=out, stderr=out, timeout=60, check=False).returncode


def _kill_all(scene: Scene) -> None:
    scene.observe()
    for process in scene.seen.values():
        with suppress(psutil.Error):
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        scene.process.wait(5)


if __name__ == "__main__":
    sys.exit(main())
