"""The recorder: one row an operation, nothing lost or the loss counted, with any fault of the disk."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.recorder import LEAST_RESERVED, Recorder, Totals
from loadtests.generator.rows import NO_KEY, NO_TIME, pack, to_batch, unpack
from loadtests.generator.sinks import FileSink, RemoteBuffer, RemoteRows
from loadtests.records import reservation
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.tables import OPERATIONS_TABLE, codes_of
from loadtests.records.vocabulary import ERRORS, OPERATIONS, OUTCOMES, TOPICS
from loadtests.users.recording import PushTimes, TopicPosition, Who

WHO = Who(pod=0, account=3, user=17, connection=42)
SCHEMA = OPERATIONS_TABLE.schema({"pod": ["pod-17"]})


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def recorder(directory: RunDirectory) -> Iterator[Recorder]:
    made = Recorder(FileSink(directory, 0, ["pod-17"]), origin_ns=0)
    yield made
    made.drain()


def written(directory: RunDirectory) -> list[dict[str, Any]]:
    """The rows, ordered by seq, codes as names."""
    batches = list(directory.batches("operations"))
    if not batches:
        return []
    codes = codes_of(batches[0].schema)
    rows = pa.Table.from_batches(batches).sort_by("seq").to_pylist()
    return [{name: codes[name][v] if name in codes else v for name, v in row.items()} for row in rows]


def test_row_has_user_operation_times_and_outcome(recorder: Recorder, directory: RunDirectory) -> None:
    planned = recorder.now_ns() - 5_000_000
    begun = recorder.begin(WHO, "chat.accept", 0xB, chat=0xA, planned_ns=planned)
    ended = recorder.end(begun, "refused", "already_accepted")
    recorder.drain()
    (row,) = written(directory)
    assert row.pop("started_ns") > planned
    assert row == {
        "seq": 0, "pod": "pod-17", "account": 3, "user": 17, "connection": 42, "operation": "chat.accept", "key": 0xB,
        "chat": 0xA, "outcome": "refused", "planned_ns": planned, "ended_ns": ended, "published_ns": None,
        "error": "already_accepted", "topic": "", "sequence": None,
    }  # fmt: skip


def test_what_was_not_planned_was_planned_when_it_started(recorder: Recorder, directory: RunDirectory) -> None:
    recorder.end(recorder.begin(WHO, "chat.offer", 1), "ok")
    recorder.end(recorder.begin(WHO, "chat.offer", 2, planned_ns=recorder.now_ns() + 10**12), "ok")
    recorder.drain()
    for row in written(directory):
        assert row["planned_ns"] == row["started_ns"] < row["ended_ns"]


def test_an_error_that_a_pod_made_up_is_a_bad_reply(recorder: Recorder, directory: RunDirectory) -> None:
    recorder.end(recorder.begin(WHO, "chat.offer", 1), "fail", "rate_limited")
    recorder.drain()
    assert written(directory)[0]["error"] == "bad_reply"


def test_a_push_has_a_row_whether_or_not_its_cause_is_known(recorder: Recorder, directory: RunDirectory) -> None:
    recorder.push(WHO, "event.deliver", 7, 8, PushTimes(ended_ns=50, published_ns=40))
    recorder.push(WHO, "event.deliver", 7, None, PushTimes(50, 40, planned_ns=10, started_ns=50))
    recorder.drain()
    unknown, known = written(directory)
    assert (unknown["planned_ns"], unknown["started_ns"], unknown["ended_ns"]) == (None, None, 50)
    assert (unknown["chat"], unknown["published_ns"]) == (8, 40)
    assert (known["chat"], known["planned_ns"], known["started_ns"]) == (None, 10, 50)
    assert known["ended_ns"] == 51, "nothing takes no time"


def test_subscriptions_and_pushes_have_topic_and_number(recorder: Recorder, directory: RunDirectory) -> None:
    recorder.end(recorder.begin(WHO, "subscription.create", 1), "ok", at=TopicPosition("queue", 41))
    recorder.push(WHO, "event.deliver", 7, 8, PushTimes(50, 40, at=TopicPosition("chat", 1)))
    recorder.drain()
    assert [(r["topic"], r["sequence"]) for r in written(directory)] == [("queue", 41), ("chat", 1)]


def test_draining_writes_what_is_under_way_as_unknown(recorder: Recorder, directory: RunDirectory) -> None:
    ended, open_ = recorder.begin(WHO, "chat.offer", 1), recorder.begin(WHO, "chat.accept", 2)
    recorder.end(ended, "ok")
    assert recorder.totals() == Totals(begun=2, written=0, in_flight=1, lost=0, error="")
    assert recorder.drain() == Totals(begun=2, written=2, in_flight=1, lost=0, error="")
    assert [(r["outcome"], r["error"]) for r in written(directory)] == [("ok", ""), ("unknown", "run_ended")]
    # Users that stop slowly change nothing any more.
    recorder.end(open_, "ok")
    recorder.end(recorder.begin(WHO, "chat.close", 3), "ok")
    recorder.push(WHO, "event.deliver", 7, None, PushTimes(50))
    assert recorder.drain() == Totals(begun=2, written=2, in_flight=1, lost=0, error="")
    assert len(written(directory)) == 2


def test_ending_twice_counts_once(recorder: Recorder, directory: RunDirectory) -> None:
    begun = recorder.begin(WHO, "chat.offer", 1)
    recorder.end(begun, "ok")
    recorder.end(begun, "fail", "internal")
    assert recorder.drain().written == 1
    assert written(directory)[0]["outcome"] == "ok"


def test_rows_are_written_without_being_asked_for(recorder: Recorder, directory: RunDirectory) -> None:
    recorder.end(recorder.begin(WHO, "chat.offer", 1), "ok")
    with gevent.Timeout(10):
        while not written(directory):
            gevent.sleep(0.05)
    assert recorder.totals().written == 1


class FullDisk:
    """A sink that takes one batch, and then says what a full disk says."""

    rows = 0

    def write(self, rows: Any) -> None:
        if self.rows:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.rows += len(rows)

    def reserve(self, number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_is_reported_once_and_losses_counted(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(FullDisk(), origin_ns=0)
    for key in range(6):
        recorder.end(recorder.begin(WHO, "chat.offer", key), "ok")
        recorder.flush()
    totals = recorder.drain()
    assert (totals.begun, totals.written, totals.lost) == (6, 1, 5)
    assert "No space left on device" in totals.error
    assert len(caplog.records) == 1


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("mounting a small file system needs root; the injected error above is the same test")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_table_on_a_full_disk_is_cut_cleanly(tiny_disk: Path) -> None:
    directory = RunDirectory(tiny_disk)
    recorder = Recorder(FileSink(directory, 0, ["pod-17"]), origin_ns=0)
    for key in range(3000):
        recorder.end(recorder.begin(WHO, "chat.offer", key), "ok")
        if key % 100 == 99:
            recorder.flush()
    totals = recorder.drain()
    assert totals.lost > 0
    assert totals.written + totals.lost == totals.begun == 3000
    assert "No space left on device" in totals.error
    assert len(written(directory)) == totals.written > 0


def test_a_crash_of_the_live_statistics_loses_no_row(directory: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    def broken(rows: object) -> None:
        raise RuntimeError("a bug in the statistics")

    recorder = Recorder(FileSink(directory, 0, ["pod-17"]), 0, broken)
    recorder.end(recorder.begin(WHO, "chat.offer", 1), "ok")
    assert recorder.drain().written == 1
    assert "a bug in the statistics" in caplog.text


def test_a_remote_workers_rows_come_once_and_in_order(directory: RunDirectory) -> None:
    buffer, receiver = RemoteBuffer(), RemoteRows(directory, ["pod-17"])
    recorder = Recorder(buffer, origin_ns=0)
    for key in range(4):
        recorder.end(recorder.begin(WHO, "chat.offer", key), "ok")
        recorder.flush()
    sent = dict(buffer.unacknowledged())
    assert list(sent) == [0, 1, 2, 3]
    assert recorder.totals().written == 0, "nothing is safe before it is acknowledged"
    assert receiver.receive(3, 1, sent[1], most=4) == -1, "what follows a gap waits"
    assert [receiver.receive(3, n, sent[n], most=4) for n in (0, 1, 1, 0, 2)] == [0, 1, 1, 1, 2]
    buffer.acknowledge(2)
    buffer.acknowledge(1)
    assert [number for number, _ in buffer.unacknowledged()] == [3]
    recorder.drain()
    for number, data in buffer.unacknowledged():
        receiver.receive(3, number, data, most=4)
    buffer.acknowledge(3)
    receiver.close()
    assert recorder.totals() == Totals(begun=4, written=4, in_flight=0, lost=0, error="")
    assert [r["key"] for r in written(directory)] == [0, 1, 2, 3]


def test_a_master_that_never_acknowledges_is_a_loss_not_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.generator.sinks.UNACKNOWLEDGED_BYTES", 1000)
    recorder = Recorder(RemoteBuffer(), origin_ns=0)
    for key in range(50):
        recorder.end(recorder.begin(WHO, "chat.offer", key), "ok")
        recorder.flush()
    totals = recorder.drain()
    assert totals.lost > 0
    assert "not acknowledged" in totals.error


def _bits(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << size) - 1)


_time = st.integers(-(1 << 63), (1 << 63) - 1)
_small = st.integers(-(1 << 31), (1 << 31) - 1)
_row = st.tuples(
    _bits(64), _bits(8), _small, _small, _small, st.integers(0, len(OPERATIONS) - 1), _bits(64), _bits(64),
    st.integers(0, len(OUTCOMES) - 1), _time, _time, _time, _time, st.integers(0, len(ERRORS) - 1),
    st.integers(0, len(TOPICS) - 1), _time,
)  # fmt: skip


@given(st.lists(_row, min_size=1, max_size=20))
def test_packed_rows_are_the_tables_rows(rows: list[tuple[int, ...]]) -> None:
    nulls = {"chat": NO_KEY, "planned_ns": NO_TIME, "started_ns": NO_TIME, "published_ns": NO_TIME, "sequence": NO_TIME}
    names = [c.name for c in OPERATIONS_TABLE.columns]
    batch = to_batch(unpack([pack(*row) for row in rows]), SCHEMA)
    batch.validate(full=True)
    expected = [{n: None if nulls.get(n) == v else v for n, v in zip(names, row, strict=True)} for row in rows]
    assert batch.to_pylist() == expected


def test_packing_rows_does_not_drag_pandas_in() -> None:
    """Importing it at the first flush made the load stand still for a quarter of a second."""
    code = (
        "import sys; from loadtests.generator import rows; from loadtests.records.tables import OPERATIONS_TABLE;"
        "rows.to_batch(rows.unpack([rows.pack(*range(16))]), OPERATIONS_TABLE.schema({'pod': ['p']}));"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([os.sys.executable, "-c", code], check=False).returncode == 0


_RESERVING = """
import mmap, sys
from pathlib import Path
import gevent
from loadtests.records.rundirectory import RunDirectory
from loadtests.generator.recorder import Recorder
from loadtests.users.recording import Who
from loadtests.generator.sinks import FileSink

recorder = Recorder(FileSink(RunDirectory(Path(sys.argv[1])), 0, ["pod-17"]), 0)
with open(sys.argv[2], "r+b") as file:
    count = mmap.mmap(file.fileno(), 8)

def announce():
    print(recorder.reserved, flush=True)
    while recorder.announce.wait():
        recorder.announce.clear()
        print(recorder.reserved, flush=True)

gevent.spawn(announce)
gevent.sleep(0)
for number in range(1, 10**9):
    begun = recorder.begin(Who(0, 0, 0, 0), "chat.offer", number)
    count[:] = number.to_bytes(8, "little")
    recorder.end(begun, "ok")
    if number % 20 == 0:
        gevent.sleep(0)
"""


def test_a_killed_worker_began_less_than_it_had_announced(tmp_path: Path, directory: RunDirectory) -> None:
    """Its own count, in memory that outlives it, is the truth: every row that it lost is within the bound."""
    truth = tmp_path / "begun"
    truth.write_bytes(bytes(8))
    with (tmp_path / "announced").open("w+b") as announced:
        worker = subprocess.Popen([sys.executable, "-c", _RESERVING, str(tmp_path), str(truth)], stdout=announced)
        try:
            with gevent.Timeout(30):
                while int.from_bytes(truth.read_bytes(), "little") < 20_000:
                    gevent.sleep(0.05)
        finally:
            worker.kill()
            worker.wait()
        announced.seek(0)
        reserved = int(announced.read().split()[-1])
    begun, rows = int.from_bytes(truth.read_bytes(), "little"), len(written(directory))
    assert begun - rows > 0, "the last rows were still in its memory"
    assert reserved - rows >= begun - rows
    assert reservation.reserved(directory.reservation_path("0")) >= begun  # also when the others were not used


def test_a_worker_that_drained_leaves_no_reservation(directory: RunDirectory, recorder: Recorder) -> None:
    assert reservation.reserved(directory.reservation_path("0")) == LEAST_RESERVED
    recorder.drain()
    assert not directory.reservation_path("0").exists()


def test_half_a_block_is_left_when_the_next_is_announced(recorder: Recorder) -> None:
    for key in range(5 * LEAST_RESERVED):
        before = recorder.reserved
        seq = recorder.begin(WHO, "chat.offer", key)[0]
        assert seq < before
        if recorder.announce.is_set():
            recorder.announce.clear()
            assert before - seq >= LEAST_RESERVED // 2
