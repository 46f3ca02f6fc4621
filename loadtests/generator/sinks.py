"""Where a worker's rows go: a file of the run directory, or numbered batches to the host that has it."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from loadtests.generator.rows import Rows, check, of_bytes, to_batch
from loadtests.records.reservation import Reservation
from loadtests.records.rundirectory import RunDirectory
from loadtests.records.streams import TableWriter

UNACKNOWLEDGED_BYTES: Final = 64 << 20
"""How much a remote worker keeps for a master that does not answer: minutes of load."""

MOST_ROWS: Final = 3000
"""Rows of one batch for another host: 81 bytes each, and the master takes messages of up to 256 KB."""


class FileSink:
    """The operations table of a worker on the conductor's host."""

    def __init__(self, directory: RunDirectory, worker: int, pods: Sequence[str]) -> None:
        """Raises FileExistsError when the worker has one already, OSError when the directory cannot be written."""
        self._path: Path = directory.table_path("operations", str(worker))
        self._writer: TableWriter = directory.create_table("operations", str(worker), pod=list(pods))
        self._whole_bytes = self._path.stat().st_size
        self._reservation = Reservation(directory.reservation_path(str(worker)))

    @property
    def rows(self) -> int:
        return self._writer.rows

    def write(self, rows: Rows) -> None:
        """Appends the rows as one batch, whole or, when the disk is full, not at all."""
        batch = to_batch(rows, self._writer.schema)
        try:
            self._writer.write_batch(batch)
        except OSError:
            self._cut()
            raise
        self._whole_bytes = self._path.stat().st_size

    def reserve(self, number: int) -> None:
        self._reservation.raise_to(number)

    def close(self) -> None:
        self._writer.close()
        self._reservation.close()

    def _cut(self) -> None:
        # Half a batch would hide behind the end mark that closing writes: leave a stream that is cut cleanly.
        with suppress(OSError):
            self._writer.close()
        with self._path.open("r+b") as file:
            file.truncate(self._whole_bytes)


class RemoteBuffer:
    """Batches of a worker on another host: numbered from 0, kept until the master has acknowledged them.

    Each is a part of the table in the form of `rows.of_bytes`, which has nothing that the master would have to parse.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._next = 0
        self._bytes = 0
        self._kept: deque[tuple[int, int, bytes]] = deque()

    def write(self, rows: Rows) -> None:
        """Keeps the rows for sending. Raises OSError when the master has not acknowledged for too long."""
        if self._bytes > UNACKNOWLEDGED_BYTES:
            raise OSError(f"the master has not acknowledged {self._bytes >> 20} MB of rows")
        for first in range(0, len(rows), MOST_ROWS):
            part = rows[first : first + MOST_ROWS]
            self._kept.append((self._next, len(part), part.tobytes()))
            self._next += 1
            self._bytes += part.nbytes

    def reserve(self, number: int) -> None:
        """Nothing to do: `Recorder.announce` has the number sent to the master."""

    def close(self) -> None:
        """What is kept stays kept until acknowledged."""

    def unacknowledged(self) -> Iterator[tuple[int, bytes]]:
        """The batches to send, or to send again, in order."""
        return ((number, data) for number, _, data in self._kept)

    def acknowledge(self, number: int) -> None:
        """The master has written every batch up to and with `number`; a repetition is harmless."""
        while self._kept and self._kept[0][0] <= number:
            _, rows, data = self._kept.popleft()
            self.rows += rows
            self._bytes -= len(data)


Sink = FileSink | RemoteBuffer
"""`rows` counts what is safely at its place; `write` and `close` raise OSError with the reason when they cannot. After
`reserve`, numbers of operations are given out below the number only."""


class RemoteRows:
    """The master's files of workers on other hosts: each batch of a `RemoteBuffer` is written once, in order."""

    def __init__(self, directory: RunDirectory, pods: Sequence[str]) -> None:
        self._directory, self._pods = directory, pods
        self._sinks: dict[int, FileSink] = {}
        """By worker, each opened at its first batch."""
        self._next: Counter[int] = Counter()

    def receive(self, worker: int, number: int, data: bytes, most: int) -> int:
        """Takes a batch and returns the number to acknowledge: the last one written, -1 when there is none.

        Batches that came before are not written again, and those that follow a gap wait to be sent again. `most` is how
        many rows the worker may have in all. Raises OSError when it cannot write, ValueError when `data` has no rows,
        more than that, or values that are none of the table.
        """
        sink = self._sinks.get(worker)
        if sink is None:
            sink = self._sinks[worker] = FileSink(self._directory, worker, self._pods)
        rows = of_bytes(data)
        if sink.rows + len(rows) > most:
            raise ValueError(f"more than {most}, which is more than it has begun operations")
        if number == self._next[worker]:
            check(rows, len(self._pods))
            sink.write(rows)
            self._next[worker] += 1
        return self._next[worker] - 1

    def close(self) -> None:
        for sink in self._sinks.values():
            sink.close()
