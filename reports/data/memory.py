"""Memory management of big arrays."""

import ctypes
from contextlib import suppress


def trim_memory() -> None:
    """Return freed memory to the system, where the C library supports it. Otherwise the memory freed by one step is
    fragmented by small arrays that remain, and the next step's big arrays do not fit in."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
