"""What another thread asks the conductor's own to do: it alone starts processes and knows who may die."""

import asyncio
import concurrent.futures
import os
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """A queue that wakes whoever waits on `descriptor`."""

    def __init__(self) -> None:
        self.descriptor, self._waker = os.pipe()
        for end in (self.descriptor, self._waker):
            os.set_blocking(end, False)
        self._todo: deque[tuple[Callable[[], Any], concurrent.futures.Future[Any]]] = deque()
        self._open = True

    def wake(self) -> None:
        """From any thread. A full pipe wakes as well."""
        if self._open:
            try:
                os.write(self._waker, b"\n")
            except (BlockingIOError, OSError):
                return

    async def ask(self, errand: Callable[[], T]) -> T:
        """From an event loop of another thread: what the errand returned, or raised."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._todo.append((errand, future))
        self.wake()
        # An errand that was asked for is done, and waited for, also when whoever asked is cancelled meanwhile.
        done = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait({done})
            raise

    def run(self) -> None:
        """On the conductor's thread: everything that was asked for until now."""
        try:
            while os.read(self.descriptor, 4096):
                pass
        except BlockingIOError:
            pass
        while self._todo:
            errand, future = self._todo.popleft()
            try:
                future.set_result(errand())
            except Exception as error:
                future.set_exception(error)

    def close(self) -> None:
        self._open = False
        os.close(self.descriptor)
        os.close(self._waker)
