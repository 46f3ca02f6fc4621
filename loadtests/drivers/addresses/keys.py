"""The keys of an address's query: each is taken, or refused by name. Pure."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from loadtests.drivers.addresses.contract import AddressError

LONGEST_CONNECT_S: Final = 3600

_SETTING: Final = re.compile(r"[a-z][a-z0-9_.]*")


class Keys:
    """Keys are taken one by one; `finish` refuses those that are left."""

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        known: Collection[str],
        refused: Mapping[str, str],
        spellings: Mapping[str, str] | None = None,
        settings: bool = False,
    ) -> None:
        """`refused`: key → what to write instead. `spellings`: other spellings of known keys. `settings`: whether other
        keys are settings of the server, which it may refuse. Raises AddressError."""
        self._known = known
        self.settings: dict[str, str] = {}
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = (spellings or {}).get(name, name)
            if key in refused:
                raise AddressError(f"the key {name} is not understood: {refused[key]}")
            if key in known:
                self._add(self._values, key, value)
            elif settings and _SETTING.fullmatch(key) and not self._near(key):
                self._add(self.settings, key, value)
            else:
                raise AddressError(self._unknown(name))

    def _add(self, values: dict[str, str], key: str, value: str) -> None:
        if key in values:
            raise AddressError(f"the key {key} is given twice")
        if not value and key != "password":
            raise AddressError(f"the key {key} has no value")
        values[key] = value

    def _near(self, name: str) -> list[str]:
        return difflib.get_close_matches(name.lower(), self._known, n=1, cutoff=0.75)

    def _unknown(self, name: str) -> str:
        near = self._near(name)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"the key {name[:40]} is not understood{hint}; understood are {', '.join(sorted(self._known))}"

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def either(self, name: str, before: str) -> str:
        """A key's value, or what stands before the query. Raises AddressError when there are both."""
        value = self._values.get(name)
        if value is not None and before:
            raise AddressError(f"{name} is named twice: before the ? and behind it")
        return before if value is None else value

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        value = self._values.get(name, default)
        if value not in choices:
            raise AddressError(f"{name} is not one of {', '.join(choices)}")
        return value

    def seconds(self, name: str) -> float | None:
        value = self._values.get(name)
        if value is None:
            return None
        if value.isascii() and value.isdigit() and 0 < int(value) <= LONGEST_CONNECT_S:
            return float(value)
        raise AddressError(f"{name} is not a number of seconds from 1 to {LONGEST_CONNECT_S}")

    def file(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is not None and not value.startswith("/"):
            raise AddressError(f"{name} is not an absolute path")
        return value
