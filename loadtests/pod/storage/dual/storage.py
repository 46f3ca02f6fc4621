"""The storage contract on two storage systems: each account is on the legacy side, on the upgraded one, or on both."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from loadtests.accounts import Mode, read_from
from loadtests.pod.storage.contract import (
    Accepted,
    AccountCopy,
    AlreadyAccepted,
    Call,
    ConnectionRow,
    Done,
    Resumed,
    Statistics,
    Storage,
    StorageError,
    StorageRefusal,
    Subscribed,
)
from loadtests.pod.storage.dual.calls import Calls
from loadtests.pod.storage.dual.moving import Moved
from loadtests.protocols.serverhalf import Event
from loadtests.storagenames import SIDES, Policy, Side, weaker

T = TypeVar("T")


class DualStorage:
    """`starts_on` is every account's mode until it is moved. Calls about one account wait while it is being moved."""

    def __init__(self, name: str, legacy: Storage, upgraded: Storage, starts_on: Mode, policy: Policy) -> None:
        self.name = name
        self.promises = weaker(legacy.promises, upgraded.promises)
        self.sides: Mapping[Side, Storage] = {"legacy": legacy, "upgraded": upgraded}
        self._policy = policy
        self._calls = Calls(self.sides, starts_on, policy)

    async def start(self) -> None:
        """Starts both sides. Raises StorageUnavailable, and then neither is."""
        for side in SIDES:
            try:
                await self.sides[side].start()
            except StorageError as error:
                await self.stop()
                raise type(error)(f"{side}: {error}") from error

    async def stop(self) -> None:
        await self._calls.finish()
        for side in SIDES:
            await self.sides[side].stop()

    async def settings(self) -> Mapping[str, str]:
        """Each side's own, its name in front of theirs."""
        read = {side: dict(await self.sides[side].settings()) for side in SIDES}
        versions = (f"{side} {of['engine']} {of.get('version', '')}".rstrip() for side, of in read.items())
        each = {f"{side}.{name}": value for side, of in read.items() for name, value in of.items()}
        return {
            "engine": "dual",
            "version": ", ".join(versions),
            "starts_on": self._calls.accounts.plan.start,
            "when_upgraded_fails": self._policy,
            **each,
        }

    async def open_connection(self, call: Call, row: ConnectionRow) -> Done:
        answer = await self._calls.write(call, lambda side: side.open_connection(call, row))
        self._calls.accounts.enter(row.connection, call.account)
        return answer

    async def resume_connection(
        self, call: Call, connection: str, resume_token: str, silent_since_ns: int
    ) -> Resumed | StorageRefusal:
        answer = await self._calls.write(
            call, lambda side: side.resume_connection(call, connection, resume_token, silent_since_ns)
        )
        if isinstance(answer, Resumed):
            self._calls.accounts.enter(connection, call.account)
        return answer

    async def close_connection(self, call: Call, connection: str) -> Done | StorageRefusal:
        answer = await self._calls.write(call, lambda side: side.close_connection(call, connection))
        if isinstance(answer, Done):
            self._calls.accounts.leave(connection)
        return answer

    async def touch_connections(self, connections: Sequence[str], now_ns: int) -> None:
        by_side = self._calls.accounts.touched(connections)
        await self._calls.on_each(
            lambda side: self.sides[side].touch_connections(by_side[side], now_ns), [s for s in SIDES if s in by_side]
        )

    async def reap_connections(self, call: Call, silent_since_ns: int, limit: int) -> Sequence[str]:
        """At most `limit` on each side: what an account left behind where it is not served any more is closed too, and
        reported is the answer of the side that serves the account."""
        reaped: dict[Side, Sequence[str]] = {}

        async def reap(side: Side) -> None:
            reaped[side] = await self.sides[side].reap_connections(call, silent_since_ns, limit)

        async with self._calls.changing:
            try:
                await self._calls.on_each(reap)
            except StorageError:
                if not any(reaped.values()):  # what one side has closed must be returned
                    raise
            await self._close_on_upgraded(set(reaped.get("legacy", ())) - set(reaped.get("upgraded", ())))
        accounts = self._calls.accounts
        gone = [c for side, some in reaped.items() for c in some if read_from(accounts.mode_of(c)) == side]
        for connection in gone:
            accounts.leave(connection)
        return gone

    async def _close_on_upgraded(self, connections: set[str]) -> None:
        """The two sides stamp at different moments: who is reaped on one goes on the other now, not a while later."""
        for connection in sorted(connections):
            account = self._calls.accounts.of_connection(connection)
            if account and account.mode == "dual":
                call = Call("maintenance", "", account.name)
                await self._calls.second(self.sides["upgraded"].close_connection(call, connection))

    async def subscribe(self, call: Call, connection: str, topic: str, limit: int) -> Subscribed | StorageRefusal:
        return await self._calls.write(call, lambda side: side.subscribe(call, connection, topic, limit))

    async def unsubscribe(self, call: Call, connection: str, topic: str) -> Done | StorageRefusal:
        return await self._calls.write(call, lambda side: side.unsubscribe(call, connection, topic))

    async def offer_chat(self, call: Call, connection: str, chat: str, subject: str) -> Done | StorageRefusal:
        return await self._calls.write(call, lambda side: side.offer_chat(call, connection, chat, subject))

    async def accept_chat(self, call: Call, connection: str, chat: str) -> Accepted | AlreadyAccepted | StorageRefusal:
        return await self._calls.write(call, lambda side: side.accept_chat(call, connection, chat))

    async def send_message(self, call: Call, connection: str, chat: str, text: str) -> Done | StorageRefusal:
        return await self._calls.write(call, lambda side: side.send_message(call, connection, chat, text))

    async def close_chat(self, call: Call, connection: str, chat: str) -> Done | StorageRefusal:
        return await self._calls.write(call, lambda side: side.close_chat(call, connection, chat))

    async def events_after(self, account: str, topic: str, sequence: int, limit: int) -> Sequence[Event]:
        return await self._read(account, lambda side: side.events_after(account, topic, sequence, limit))

    async def copy_account(self, account: str) -> AccountCopy:
        return await self._read(account, lambda side: side.copy_account(account))

    async def _read(self, account: str, ask: Callable[[Storage], Awaitable[T]]) -> T:
        async with self._calls.serving(account) as mode:
            return await ask(self.sides[read_from(mode)])

    async def replace_account(self, call: Call, copy: AccountCopy) -> None:
        await self._calls.write(call, lambda side: side.replace_account(call, copy))

    async def statistics(self, silent_since_ns: int) -> Statistics:
        """Of the sides that serve: while both do, an account that has been on both is counted on both."""
        counted = [await self.sides[side].statistics(silent_since_ns) for side in self._calls.accounts.read()]
        names = ("connections", "subscriptions", "chats", "messages", "orphans")
        return Statistics(*(sum(getattr(one, name) for one in counted) for name in names))

    async def sweep_orphans(self, call: Call, silent_since_ns: int, limit: int) -> int:
        """At most `limit` on each side; returns the larger number, for what is on both is one."""
        swept = [0]

        async def sweep(side: Side) -> None:
            swept.append(await self.sides[side].sweep_orphans(call, silent_since_ns, limit))

        async with self._calls.changing:
            await self._calls.on_each(sweep)
        return max(swept)

    async def move_accounts(self, to: Mode, share: float) -> Moved:
        """Moves the accounts so that `share` (0 to 100) of them are on `to` and the others where they came from; one
        that is not known yet follows when it is. Raises StorageError when an account could not be moved: it stays
        where it was, and asking again goes on from there."""
        return await self._calls.move(to, share)

    def progress(self) -> Mapping[str, Mapping[str, int]]:
        """How many of the accounts seen are in which mode, and how often which kind of divergence was found."""
        return {"modes": dict(self._calls.accounts.modes()), "divergences": dict(self._calls.divergences)}
