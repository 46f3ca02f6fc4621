"""Passwords from the file that `passfile` names, by the rules of libpq."""

import re
import stat
from pathlib import Path

from loadtests.drivers.addresses.contract import AddressError, DatabaseAddress, Place

_FIELDS = 5


def password_of(address: DatabaseAddress, place: Place) -> str:
    """That of the first line which fits host, port, database and user. Raises AddressError, which quotes no line."""
    assert address.passfile is not None
    host = "localhost" if place.is_socket else place.host
    wanted = (host, str(place.port), address.database, address.user)
    for line in _lines(Path(address.passfile)):
        *fields, password = line
        if all(field in ("*", value) for field, value in zip(fields, wanted, strict=True)):
            return password
    raise AddressError(f"the passfile {address.passfile} has no line for {place} and this database and user")


def _lines(path: Path) -> list[list[str]]:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise AddressError(f"the passfile {path} can be read by others: set its mode to 0600")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AddressError(f"the passfile {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AddressError(f"the passfile {path} is not UTF-8 text") from None
    lines = [_fields(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [line for line in lines if len(line) == _FIELDS]


def _fields(line: str) -> list[str]:
    """Between colons; a backslash keeps a colon or a backslash."""
    found = re.findall(r"(?:^|:)((?:\\.|[^\\:])*)", line)
    return [re.sub(r"\\(.)", r"\1", field) for field in found]
