"""How calls reach the sides: through the account's gate, on the side that is read first, on the other one after it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from loadtests.accounts import Mode, read_from
from loadtests.pod.storage.contract import AlreadyAccepted, Call, OutcomeUnknown, Storage, StorageError, StorageRefusal
from loadtests.pod.storage.dual import moving
from loadtests.pod.storage.dual.accounts import DualAccount, DualAccounts
from loadtests.pod.storage.dual.comparison import difference
from loadtests.pod.storage.dual.moving import Moved
from loadtests.storagenames import SIDES, Policy, Side

T = TypeVar("T")

STOP_TIMEOUT_S: Final = 10.0


class Calls:
    """`divergences` counts, by kind, how often the upgraded side did not follow."""

    def __init__(self, sides: Mapping[Side, Storage], starts_on: Mode, policy: Policy) -> None:
        self.accounts = DualAccounts(starts_on)
        self.divergences: Counter[str] = Counter()
        self.changing = asyncio.Lock()
        """Held for one account's move, and for what changes all accounts at once."""
        self._sides, self._policy = sides, policy
        self._under_way: set[asyncio.Future[Any]] = set()

    async def finish(self) -> None:
        """Waits for what is under way, for a bounded time."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=STOP_TIMEOUT_S)

    @asynccontextmanager
    async def serving(self, name: str) -> AsyncIterator[Mode]:
        """The account's mode, which does not change before the caller is done."""
        account = self.accounts.find(name)
        if account is None:
            account = self.accounts.add(name)
            await self._arrive(account)
        async with account.gate.passing():
            yield account.mode

    async def _arrive(self, account: DualAccount) -> None:
        """An account that a wave has passed over before it was seen follows it, or stays where it is."""
        try:
            await self._settle(account)
        except StorageError:
            self.divergences["not_moved"] += 1

    async def write(self, call: Call, ask: Callable[[Storage], Awaitable[T]]) -> T:
        """A caller that is cancelled leaves it to end by itself: between the two sides is no place to stop."""
        return await self._finished(self._write(call, ask))

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _write(self, call: Call, ask: Callable[[Storage], Awaitable[T]]) -> T:
        async with self.serving(call.account) as mode:
            try:
                answer = await ask(self._sides[read_from(mode)])
            except OutcomeUnknown:
                if mode == "dual":
                    self.divergences["first_unknown"] += 1
                raise
            # What the legacy side refused is not requested of the other: another agent could win there.
            if mode == "dual" and not isinstance(answer, StorageRefusal | AlreadyAccepted):
                await self.second(ask(self._sides["upgraded"]), answer)
            return answer

    async def second(self, asked: Awaitable[Any], first: Any = None) -> None:
        """A change that the legacy side made, on the upgraded one; `first` is what the legacy side answered.

        Raises OutcomeUnknown by the policy `fail`: the change was made, though not everywhere.
        """
        try:
            async with asyncio.timeout(moving.UPGRADED_WITHIN_S):
                answer = await asked
        except TimeoutError:
            self._diverged("second_unknown", f"no answer within {moving.UPGRADED_WITHIN_S:g} s")
            return
        except StorageError as error:
            kind = "second_unknown" if isinstance(error, OutcomeUnknown) else "second_failed"
            self._diverged(kind, str(error))
            return
        if first is not None and (found := difference(first, answer)):
            self._diverged(found, f"it answered {type(answer).__name__}, the legacy side {type(first).__name__}")

    def _diverged(self, kind: str, why: str) -> None:
        self.divergences[kind] += 1
        if self._policy == "fail":
            raise OutcomeUnknown(f"made on the legacy side, not on the upgraded one ({kind}): {why}")

    async def on_each(self, ask: Callable[[Side], Awaitable[None]], sides: Sequence[Side] = SIDES) -> None:
        """What concerns all accounts, on one side after the other.

        A side that fails is counted where it only follows, and ignored where it serves no account. Raises the
        StorageError of one that serves, once the other was asked too."""
        raised: StorageError | None = None
        for side in sides:
            serves = side in self.accounts.read()
            try:
                async with asyncio.timeout(None if serves else moving.UPGRADED_WITHIN_S):
                    await ask(side)
            except (StorageError, TimeoutError) as error:
                if serves and isinstance(error, StorageError):
                    raised = error
                elif "dual" in self.accounts.modes():
                    self.divergences["second_failed"] += 1
        if raised:
            raise raised

    async def move(self, to: Mode, share: float) -> Moved:
        """As `DualStorage.move_accounts`."""
        self.accounts.plan = self.accounts.plan.then(to, share)
        total = Moved()
        for account in self.accounts:
            try:
                total.add(await self._settle(account))
            except StorageError as error:
                raise type(error)(
                    f"{total.accounts} accounts were moved, then {account.name} was not: {error}"
                ) from error
        return total

    async def _settle(self, account: DualAccount) -> Moved:
        """Brings the account into the mode that the plan says, alone."""
        async with self.changing, account.gate.alone():
            to = self.accounts.plan.mode(account.name)
            if account.mode == to:
                return Moved()
            moved = await moving.move(self._sides, account, to)
        if moved.diverged:
            self.divergences["left_differs"] += moved.diverged.total()
        return moved
