"""How an account comes from one mode into another, without concurrent use."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtests.accounts import Mode, read_from, written_on
from loadtests.pod.storage.contract import AccountCopy, Call, Storage, StorageError
from loadtests.pod.storage.dual.accounts import DualAccount
from loadtests.pod.storage.dual.comparison import differences, rows_of
from loadtests.storagenames import Side

UPGRADED_WITHIN_S = 10.0
"""How long the upgraded side is waited for where the legacy side has answered: longer than the limits that a storage
sets itself, but a server that stands still knows of none."""


@dataclass
class Moved:
    """What a move did. `diverged`: kind of row → how many differed between the two sides when `dual` was left."""

    accounts: int = 0
    copied_rows: int = 0
    diverged: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Moved") -> None:
        self.accounts += other.accounts
        self.copied_rows += other.copied_rows
        self.diverged += other.diverged


async def move(sides: Mapping[Side, Storage], account: DualAccount, to: Mode) -> Moved:
    """Moves the account, which is the caller's alone. Raises StorageError, and then it is where it was.

    A side that was not written on gets everything. An account that leaves `dual` is compared on both sides first: it is
    the legacy side's answers that were given, so the upgraded one is made to hold the same before it goes on alone."""
    account.late.clear()
    source = read_from(account.mode)
    copy = await sides[source].copy_account(account.name)
    moved = Moved(accounts=1)
    stale = [side for side in written_on(to) if side not in written_on(account.mode)]
    if account.mode == "dual":
        moved.diverged = await _compare(sides["upgraded"], copy, to)
        stale = ["upgraded"] if to == "upgraded" and moved.diverged else []
    for side in stale:
        await sides[side].replace_account(Call("maintenance", "", account.name), copy)
        moved.copied_rows += rows_of(copy)
    await _touch(sides, account, to)
    account.mode = to
    return moved


async def _compare(upgraded: Storage, copy: AccountCopy, to: Mode) -> Counter[str]:
    if to == "upgraded":
        return differences(copy, await upgraded.copy_account(copy.account))
    try:
        async with asyncio.timeout(UPGRADED_WITHIN_S):
            return differences(copy, await upgraded.copy_account(copy.account))
    except (StorageError, TimeoutError):
        return Counter(unread=1)  # an upgraded side that is gone or stalled is a reason to go back, not an obstacle


async def _touch(sides: Mapping[Side, Storage], account: DualAccount, to: Mode) -> None:
    """Connections that were active meanwhile were recorded on the old sides only."""
    while account.late:
        connections = [account.late.pop() for _ in range(len(account.late))]
        for side in written_on(to):
            await sides[side].touch_connections(connections, time.time_ns())
