"""The accounts that this pod has seen, each with its mode and its gate, and the connections that it knows of them.

Through an account's gate its calls pass in parallel, until a move needs the account exclusively.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from loadtests.accounts import MigrationPlan, Mode, read_from, written_on
from loadtests.storagenames import Side


class Gate:
    """Calls that arrive while it is closed wait; none is lost."""

    def __init__(self) -> None:
        self._inside = 0
        self._open, self._empty = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._empty.set()

    @property
    def closed(self) -> bool:
        return not self._open.is_set()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        while self.closed:
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Begins when those inside have left."""
        while self.closed:
            await self._open.wait()
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()


class DualAccount:
    """One account. `late`: connections that were touched while the account was being moved."""

    def __init__(self, name: str, mode: Mode) -> None:
        self.name, self.mode = name, mode
        self.gate = Gate()
        self.late: set[str] = set()


class DualAccounts:
    """An account that was not seen yet is where all of them started."""

    def __init__(self, start: Mode) -> None:
        self.plan = MigrationPlan(start)
        self._accounts: dict[str, DualAccount] = {}
        self._of_connection: dict[str, DualAccount] = {}

    def __iter__(self) -> Iterator[DualAccount]:
        return iter(tuple(self._accounts.values()))

    def find(self, name: str) -> DualAccount | None:
        return self._accounts.get(name)

    def add(self, name: str) -> DualAccount:
        account = self._accounts[name] = DualAccount(name, self.plan.start)
        return account

    def enter(self, connection: str, account: str) -> None:
        """From now on it is known whose connection this is: calls about all accounts do not say."""
        self._of_connection[connection] = self._accounts[account]

    def leave(self, connection: str) -> None:
        self._of_connection.pop(connection, None)

    def of_connection(self, connection: str) -> DualAccount | None:
        return self._of_connection.get(connection)

    def mode_of(self, connection: str) -> Mode:
        account = self._of_connection.get(connection)
        return account.mode if account else self.plan.start

    def touched(self, connections: Sequence[str]) -> Mapping[Side, Sequence[str]]:
        """The connections by the sides that are to know; remembers those of accounts that are being moved."""
        by_side: dict[Side, list[str]] = {}
        for connection in connections:
            account = self._of_connection.get(connection)
            if account and account.gate.closed:
                account.late.add(connection)
            for side in written_on(self.mode_of(connection)):
                by_side.setdefault(side, []).append(connection)
        return by_side

    def modes(self) -> Mapping[str, int]:
        """Mode → how many accounts are in it."""
        return Counter(account.mode for account in self._accounts.values())

    def read(self) -> Sequence[Side]:
        """The sides whose answers any account gets."""
        modes = self.modes() or {self.plan.start: 0}
        return sorted({read_from(mode) for mode in modes})  # type: ignore[arg-type]
