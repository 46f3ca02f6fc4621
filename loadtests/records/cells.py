"""Text in CSV files, which spreadsheets open: a cell that begins like a formula is computed, wherever it came from."""

import re
from typing import Final

FORMULA: Final = r"^[\s\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n\x00]"
"""How a cell begins that a spreadsheet may compute: also with wide signs, and behind spaces."""

CONTROL: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
"""Characters that no spreadsheet shows, and some take for the end of the file."""

_FORMULA, _CONTROL = re.compile(FORMULA), re.compile(CONTROL)


def text_cell(text: str) -> str:
    """The text with an apostrophe in front where it could be taken for a formula, and without control characters."""
    clean = _CONTROL.sub("\ufffd", text)
    return f"'{clean}" if _FORMULA.match(text) else clean
