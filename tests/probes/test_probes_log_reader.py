"""A log that is followed: by its clock, through silence and rotation, with bad lines, beside a sampler."""

import time
from collections import Counter
from pathlib import Path

import pytest
from log_lines import T0_NS, acquired, at, line, waiting

from loadtests.probes.clocks import ServerClock
from loadtests.probes.contract import ServerClockOffset
from loadtests.probes.jsonlog.log_reader import LogReader
from loadtests.probes.wait_samples import WaitSample
from loadtests.probes.waits import Lock, Wait

MS = 1_000_000
MINUTES_NS = 7 * 60 * 10**9


class Scene:
    """A log reader beside a server whose clock stands at T0 at our moment 0, and is wrong by minutes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        clock = ServerClock(lambda: time.time_ns() - T0_NS + MINUTES_NS)
        clock.learn(ServerClockOffset(MINUTES_NS, 1000))
        self.log = LogReader(clock)
        self.log.database = "pod"

    def follow(self) -> None:
        self.log.follow(self.path, 10 * MS, 0)

    def write(self, *lines: bytes, to: Path | None = None) -> None:
        with (to or self.path).open("ab") as file:
            file.writelines(one + b"\n" for one in lines)

    def beat(self, ms: int, arrives: bool = True, to: Path | None = None) -> None:
        words = self.log.beat(at(ms))
        if arrives:
            self.write(line(ms, 99, words), to=to)

    def reported(self) -> list[tuple[str, int | None, int]]:
        """How known, by whom, how long in ms."""
        waits = self.log.over()
        return [(w.known, w.lock.session, round(((w.ended_ns or 0) - w.started_ns) / MS)) for w in waits]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path / "postgres.json")
    made.follow()
    made.beat(0)
    made.log.read()
    assert made.log.why is None
    return made


WAIT = (waiting(110, 2, "transaction 9", 1), acquired(160, 2, "transaction 9", "60.000"))


def sampled(started_ns: int, last_ns: int) -> Wait:
    lock, samples = Lock(2, "x", "transactionid", "ShareLock", False), [WaitSample(started_ns, last_ns, 0)]
    return Wait(lock, "row of t", started_ns, 0, last_ns, 1, last_ns, chains=Counter([None]), samples=samples)


def test_times_are_ours_for_every_server_clock(scene: Scene) -> None:
    scene.write(*WAIT)
    scene.beat(3000)
    scene.log.read()
    (wait,) = scene.log.over()
    assert abs(wait.started_ns - (at(100) - T0_NS)) < 5 * MS


def test_wait_is_reported_once_the_log_is_read_past_it(scene: Scene) -> None:
    scene.log.reconciler.sampled([sampled(100 * MS, 150 * MS)])
    scene.write(WAIT[0])
    scene.beat(120)
    scene.log.read()
    assert scene.reported() == []
    scene.write(WAIT[1])
    scene.log.read()
    assert scene.reported() == []
    scene.beat(2000)
    scene.log.read()
    assert scene.reported() == [("event", 2, 60)]


def test_a_log_that_falls_silent_leaves_all_to_the_sampler(scene: Scene) -> None:
    scene.write(WAIT[0])
    scene.beat(1000, arrives=False)
    scene.beat(5000, arrives=False)
    assert "does not come here" in (scene.log.why or "")
    scene.log.reconciler.sampled([sampled(100 * MS, 150 * MS)])
    assert scene.reported() == [("sampled", 2, 50)]
    scene.beat(6000)
    scene.log.read()
    assert scene.log.why is None
    scene.write(waiting(6110, 3, "transaction 9", 1), acquired(6160, 3, "transaction 9", "60.000"))
    scene.beat(9000)
    scene.log.read()
    assert scene.reported() == [("event", 3, 60)]


def test_log_that_is_back_repeats_no_sampled_wait(scene: Scene) -> None:
    """The wait ends behind a beat that is out: until that is read, it is unknown whether the log will have it."""
    for ms in (1000, 2000, 3000, 4100):
        scene.beat(ms, arrives=False)
    assert "does not come here" in (scene.log.why or "")
    scene.beat(5100)
    scene.write(acquired(5200, 2, "transaction 9", "5000.000"))
    scene.log.reconciler.sampled([sampled(200 * MS, 5190 * MS)])
    assert scene.reported() == []
    scene.log.read()
    scene.beat(9000)
    scene.log.read()
    assert scene.reported() == [("event", 2, 5000)]


def test_a_beat_that_never_comes_keeps_no_wait_back_for_long(scene: Scene) -> None:
    for ms in (1000, 5000, 6000):
        scene.beat(ms, arrives=False)
    scene.log.reconciler.sampled([sampled(5200 * MS, 5300 * MS)])
    assert scene.reported() == []
    scene.beat(9000, arrives=False)
    assert scene.reported() == [("sampled", 2, 100)]


def test_a_file_that_is_not_this_servers_is_not_believed(tmp_path: Path) -> None:
    stranger = Scene(tmp_path / "postgres.json")
    stranger.follow()
    stranger.beat(0, arrives=False)
    stranger.write(*WAIT, line(5, 9, "loadtests observer of-another 1"))
    stranger.log.read()
    assert "does not come here" in (stranger.log.why or "")
    assert stranger.reported() == []


def test_rotation_loses_nothing(scene: Scene) -> None:
    scene.write(WAIT[0])
    old = scene.path.rename(scene.path.with_name("old.json"))
    scene.log.read()
    scene.write(b"", to=old)
    scene.write(WAIT[1])
    scene.beat(3000)
    scene.log.read()
    scene.log.read()
    assert scene.reported() == [("event", 2, 60)]


def test_renamed_log_is_read_from_its_beginning(scene: Scene) -> None:
    scene.write(WAIT[0])
    other = scene.path.with_name("other.json")
    scene.write(WAIT[1], to=other)
    scene.path = other
    scene.follow()
    scene.beat(3000)
    scene.log.read()
    assert scene.reported() == [("event", 2, 60)]


def test_bad_lines_are_reported_and_skipped(scene: Scene) -> None:
    scene.write(WAIT[0], WAIT[1][:80] + b'"message":"process 1', WAIT[1])
    scene.beat(3000)
    scene.log.read()
    assert scene.log.news() == "1 lines of the log could not be read"
    assert scene.log.news() is None
    assert scene.reported() == [("event", 2, 60)]


def test_other_databases_are_not_ours(scene: Scene) -> None:
    scene.log.database = "another"
    scene.write(*WAIT)
    scene.beat(3000)
    scene.log.read()
    assert scene.reported() == []


@pytest.mark.parametrize("read_after", [0, 200, 250, 300], ids="the line is read {} ms after it was written".format)
def test_the_sampler_sees_waits_end_that_no_line_ends(scene: Scene, read_after: int) -> None:
    scene.write(WAIT[0])
    sampled_at: dict[int, set[int | None]] = {50: set(), 200: {2}, 250: set(), 300: set(), 350: set()}
    for ms, waiting_then in sampled_at.items():
        if ms >= 110 + read_after:
            scene.log.read()
        scene.log.note_sample(at(ms), waiting_then)
    scene.beat(3000)
    scene.log.read()
    assert scene.reported() == [("event", 2, 125)]


def test_what_lasts_at_the_end_has_none(scene: Scene) -> None:
    scene.write(WAIT[0])
    scene.log.read()
    scene.log.note_sample(at(200), {2})
    assert scene.log.end("sampler") == []
    (wait,) = scene.log.end("log")
    assert (wait.known, wait.ended_ns) == ("event", None)


BACK_MS = -300_000


def after_the_clock_was_set_back(scene: Scene) -> list[tuple[str, float, float]]:
    """The server's clock goes back at our second 1, and is read anew at 2. All reported waits: how known, from and to
    which second."""
    scene.write(line(1000 + BACK_MS, 99, scene.log.beat(at(1000))))
    scene.log.read()
    assert scene.log.doubts_clock
    scene.log.learn_clock(ServerClockOffset(MINUTES_NS + BACK_MS * MS, 1000))
    assert not scene.log.doubts_clock
    waits = scene.log.over()
    scene.beat(2000 + BACK_MS)
    scene.log.read()
    scene.beat(9000 + BACK_MS)
    scene.log.read()
    waits += scene.log.over()
    return [(w.known, round(w.started_ns / 1e9, 2), round((w.ended_ns or 0) / 1e9, 2)) for w in waits]


def test_a_wait_from_before_the_clock_was_set_is_where_it_was(scene: Scene) -> None:
    scene.write(*WAIT)
    scene.log.reconciler.sampled([sampled(100 * MS, 150 * MS)])
    scene.beat(500)
    scene.log.read()
    assert scene.reported() == []
    assert after_the_clock_was_set_back(scene) == [("event", 0.1, 0.16)]
    assert "clock" in (scene.log.news() or "")


def test_a_wait_while_the_clock_was_set_is_the_samplers(scene: Scene) -> None:
    """Its lines may be of either clock."""
    scene.write(WAIT[0])
    scene.log.read()
    scene.beat(115)
    scene.log.read()
    scene.write(acquired(160 + BACK_MS, 2, "transaction 9", "60.000"))
    scene.log.reconciler.sampled([sampled(100 * MS, 150 * MS)])
    assert after_the_clock_was_set_back(scene) == [("sampled", 0.1, 0.15)]


def test_late_beat_is_no_set_clock(scene: Scene) -> None:
    """A beat of a busy server: the next reading of its clock shows it."""
    scene.write(*WAIT)
    scene.log.reconciler.sampled([sampled(100 * MS, 150 * MS)])
    scene.write(line(2000, 99, scene.log.beat(at(1000))))
    scene.log.read()
    assert (scene.log.doubts_clock, scene.reported()) == (True, [])
    scene.log.learn_clock(ServerClockOffset(MINUTES_NS, 2000))
    scene.log.read()
    assert (scene.log.doubts_clock, scene.reported()) == (False, [("event", 2, 60)])


def test_a_host_whose_clock_is_set_with_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two agree as before, and both are off from ours."""
    now_ns, clock = time.time_ns(), ServerClock(lambda: 0)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    clock.learn(ServerClockOffset(5, 1000))
    there_ns = clock.there(7)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + BACK_MS * MS)
    assert clock.here(there_ns) == 7
    assert clock.was_set(ServerClockOffset(5, 1000))
    clock.learn(ServerClockOffset(5, 1000))
    assert clock.there(7) == there_ns + BACK_MS * MS


def test_a_host_that_is_too_busy_to_read_its_two_clocks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something comes between nearly every time; the one time that nothing does counts."""
    now_ns, delays_ns = [0], iter([20 * MS] * 5 + [0] + [20 * MS] * 40)

    def ours() -> int:
        now_ns[0] += next(delays_ns)
        return now_ns[0]

    monkeypatch.setattr(time, "time_ns", lambda: now_ns[0] + T0_NS)
    clock = ServerClock(ours)
    clock.learn(ServerClockOffset(0, 1000))
    assert clock.there(0) == T0_NS
