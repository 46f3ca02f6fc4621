"""Memory that big arrays left behind."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Returns freed memory to the system, where the C library can: what is left of one stage's big arrays lies between
    small ones that stay, and the next stage's do not fit in."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
