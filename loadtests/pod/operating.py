"""Operators' requests to the pod's storage: moving accounts, switching the locking, sweeping orphans."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from loadtests.accounts import MODES
from loadtests.pod.control import BadBody, NotPossible
from loadtests.pod.service import Service
from loadtests.pod.storage.contract import Preparable, Relockable, Storage
from loadtests.pod.storage.dual.storage import DualStorage

LOCKINGS: Final = ("pessimistic", "optimistic", "none")
CHANGE_WITHIN_S: Final = 60.0
"""How long a move, a switch or a sweep may take until its caller gets no reply."""


class Operating:
    """One pod's storage in its operator's hands. `engine` names the database of a storage that has only one.

    Bodies are checked here: every method raises BadBody, NotPossible and StorageError.
    """

    def __init__(self, service: Service, engine: str) -> None:
        self._service, self._storage, self._engine = service, service.storage, engine
        self._changing = ""

    async def move(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        _only(body, "to", "share")
        to, share = _one_of(MODES, body, "to"), _share(body)
        if not isinstance(self._storage, DualStorage):
            raise NotPossible(f"{self._storage.name} is one storage system: accounts move between the two of dual(…)")
        with self._alone("a move"):
            moved = await self._storage.move_accounts(to, share)
        done = {"moved": moved.accounts, "share": share, "to": to}
        return {**done, "copied_rows": moved.copied_rows, "diverged": dict(moved.diverged)}

    async def switch_locking(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without `database`: on every one that has a locking to switch."""
        _only(body, "locking", "database")
        locking = _one_of(LOCKINGS, body, "locking")
        there = self._databases()
        asked = [_one_of(tuple(there), body, "database")] if "database" in body else list(there)
        able = {name: storage for name in asked if isinstance(storage := there[name], Relockable)}
        if not able:
            names = " and ".join(f"{there[name].name} ({name})" for name in asked)
            raise NotPossible(f"no locking to switch in {names}: only postgres and mariadb have one")
        with self._alone("a switch of the locking"):
            for storage in able.values():
                await storage.switch_locking(locking)
        return {"locking": locking, "databases": list(able)}

    async def prepare(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without `database`: all of them."""
        _only(body, "database")
        there = self._databases()
        asked = [_one_of(tuple(there), body, "database")] if "database" in body else list(there)
        for name in asked:
            storage = there[name]
            if isinstance(storage, Preparable):
                await storage.prepare()
        return {"databases": asked}

    async def sweep(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        _only(body)
        return {"swept": await self._service.sweep()}

    def _databases(self) -> Mapping[str, Storage]:
        if isinstance(self._storage, DualStorage):
            return {str(side): storage for side, storage in self._storage.sides.items()}
        return {self._engine: self._storage}

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        if self._changing:
            raise NotPossible(f"{self._changing} is under way: ask again when it is done")
        self._changing = what
        try:
            yield
        finally:
            self._changing = ""


def _only(body: Mapping[str, Any], *names: str) -> None:
    if unknown := sorted(body.keys() - set(names)):
        expected = " and ".join(f'"{name}"' for name in names) or "nothing"
        raise BadBody(f"expected {expected} in the body, not {', '.join(unknown)[:60]!r}")


def _one_of(values: tuple[str, ...], body: Mapping[str, Any], name: str) -> Any:
    value = body.get(name)
    if not isinstance(value, str) or value not in values:
        raise BadBody(f'expected "{name}" to be one of {", ".join(values)}')
    return value


def _share(body: Mapping[str, Any]) -> float:
    share = body.get("share", 100)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 100:
        raise BadBody('expected "share" to be a number of percent from 0 to 100')
    return share
