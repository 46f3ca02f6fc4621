"""Which accounts belong to a share of so many percent: a pod that moves them and whoever counts them agree."""

import re
import zlib
from typing import Final

_GOLDEN_RATIO: Final = (5**0.5 - 1) / 2
_NUMBER = re.compile(r"([0-9]{1,9})$")


def bucket(account: str) -> float:
    """The account's place, from 0 to below 100: it belongs to every share that is larger.

    By the number at the end of its name, times the golden ratio: neighbouring numbers are spread as evenly as can be,
    so that of few accounts, too, a share takes about as many as it says. Without a number, by a checksum of the name.
    """
    number = _NUMBER.search(account)
    if number is None:
        return float(zlib.crc32(account.encode()) % 100)
    return int(number[1]) * _GOLDEN_RATIO % 1 * 100
