"""The accounts that this pod has seen, each with its mode and its gate, and the connections that it knows of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from loadtests.accounts import MigrationPlan, Mode, read_from, written_on
from loadtests.pod.storage.dual.gate import Gate
from loadtests.storagenames import Side


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
