"""The loop: ticks, deadlines, failed ticks, reconnecting. With probes made for it."""

import asyncio
import time
from pathlib import Path

import pyarrow as pa

from loadtests.probes.contract import BlindError, Rows
from loadtests.probes.loop import TableRecorder, Watch, run
from loadtests.records.rundirectory import RunDirectory


def clock() -> int:
    return time.monotonic_ns()


class Scripted:
    """Does at each tick what its script says; the last word holds."""

    name = "scripted"
    period_s = 0.01
    deadline_s = 0.05

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.opened = self.closed = 0
        self.done = asyncio.Event()

    async def open(self) -> None:
        self.opened += 1
        if self._next() == "no":
            raise ConnectionRefusedError("not there")

    async def sample(self) -> Rows:
        word = self._next()
        if word == "blind":
            raise BlindError("too dark")
        if word == "break":
            raise RuntimeError("lost it\nand more")
        if word == "hang":
            await asyncio.sleep(60)
        return {"resources": [(clock(), "pod", "a", 1, 1)]}

    async def close(self) -> None:
        self.closed += 1

    def rest(self) -> Rows:
        return {"resources": [(0, "pod", "rest", 1, 1)]}

    def _next(self) -> str:
        if len(self.script) == 1:
            self.done.set()
            return self.script[0]
        return self.script.pop(0)


def play(directory: Path, *script: str) -> tuple[Scripted, list[str | None], list[str]]:
    """The probe, its ticks' errors, and the names in its rows."""

    async def show() -> Scripted:
        probe, stop, recorder = Scripted(*script), asyncio.Event(), TableRecorder(RunDirectory(directory))
        watch = Watch(probe, clock)
        task = asyncio.create_task(run(watch, clock, recorder, stop))
        await asyncio.wait_for(probe.done.wait(), 30)
        stop.set()
        await task
        recorder.close()
        return probe

    probe = asyncio.run(show())
    run_directory = RunDirectory(directory)
    ticks = pa.Table.from_batches(list(run_directory.batches("ticks"))).to_pylist()
    rows = pa.Table.from_batches(list(run_directory.batches("resources"))).to_pylist()
    assert all(t["planned_ns"] <= t["started_ns"] <= t["ended_ns"] for t in ticks)
    assert [t["rows"] for t in ticks if t["error"]] == [0] * sum(1 for t in ticks if t["error"])
    return probe, [t["error"] for t in ticks], [r["name"] for r in rows]


def test_every_tick_has_a_row_and_the_rest_is_written(tmp_path: Path) -> None:
    probe, errors, names = play(tmp_path, "ok", "ok", "ok", "ok", "ok")
    assert set(errors) == {None}
    assert names[-1] == "rest"
    assert (probe.opened, probe.closed) == (1, 1)


def test_a_blind_tick_keeps_the_probe_open(tmp_path: Path) -> None:
    probe, errors, _ = play(tmp_path, "open", "ok", "blind", "ok", "ok")
    assert errors[:4] == [None, "too dark", None, None]
    assert probe.opened == 1


def test_a_broken_probe_is_opened_again_after_a_pause(tmp_path: Path) -> None:
    probe, errors, _ = play(tmp_path, "open", "ok", "break", "no", "open", "ok")
    assert errors[:2] == [None, "RuntimeError: lost it"]
    assert "ConnectionRefusedError: not there" in errors
    assert errors[-1] is None
    assert probe.opened == 3
    assert len(errors) > 6  # the pauses are ticks that saw nothing, not a silence


def test_a_tick_that_hangs_is_cut_off(tmp_path: Path) -> None:
    probe, errors, _ = play(tmp_path, "open", "hang", "open", "ok", "ok")
    assert errors[0] == "TimeoutError: no answer within 0.05 s"
    assert (probe.opened, errors[-1]) == (2, None)
