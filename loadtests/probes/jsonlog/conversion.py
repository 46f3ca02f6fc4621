"""A wait from the log as a row of the table: object, chain, names. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from loadtests.probes import locknames, naming
from loadtests.probes.jsonlog.history import Part
from loadtests.probes.jsonlog.lines import LogEvent
from loadtests.probes.jsonlog.names import ProcessActivity, TransactionActivity
from loadtests.probes.jsonlog.waits import LoggedWait, LoggedWaits
from loadtests.probes.locknames import Named
from loadtests.probes.waits import Chain, Lock, Party, Wait


class Relations:
    """`bare`: object id → name without schema, as the log gives it."""

    def __init__(self) -> None:
        self.bare: dict[int, str] = {}
        self._ids: dict[int, str] = {}
        self._names: dict[str, str] = {}
        self._asked: set[int | str] = set()
        self._wanted: set[int | str] = set()

    def want(self, what: int | str | None) -> None:
        """Asks for a name by object id, or for the full name of a bare one."""
        if what is not None and what not in self._asked:
            self._wanted.add(what)

    def wanted(self) -> tuple[list[int], list[str]]:
        """The ids and names to query the server for, each once only."""
        wanted, self._wanted = self._wanted, set()
        self._asked |= wanted
        return [w for w in wanted if isinstance(w, int)], [w for w in wanted if isinstance(w, str)]

    def learn(self, rows: Iterable[Mapping[str, str | int]]) -> None:
        """Rows of `id`, `bare`, `name`. A bare name that several relations bear stays as it is."""
        found: dict[str, set[str]] = {}
        for row in rows:
            oid, bare, name = int(row["id"]), str(row["bare"]), str(row["name"])
            self.bare[oid], self._ids[oid] = bare, name
            found.setdefault(bare, set()).add(name)
        self._names |= {bare: next(iter(names)) for bare, names in found.items() if len(names) == 1}

    def of_id(self, oid: int) -> str:
        return self._ids.get(oid, f"relation {oid}")

    def of_name(self, bare: str) -> str:
        return self._names.get(bare, bare)

    def forget(self) -> None:
        """The server is another one now, and gives old ids to new relations."""
        for known in (self.bare, self._ids, self._names, self._asked, self._wanted):
            known.clear()


_STAMP_NS = 500_000
PREPARED_PID = 0
"""The process that the server names as the holder of a prepared transaction's locks."""


def see(event: LogEvent, names: ProcessActivity) -> None:
    """Records the operation that a session's own line names, for all of its transaction."""
    if event.kind in ("waiting", "acquired"):
        own = naming.is_own(event.operation, event.application, event.backend)
        transaction = event.session, event.transaction
        names.see(event.pid, TransactionActivity(transaction, event.began_ns, event.at_ns, event.operation, own))


def to_wait(
    wait: LoggedWait, waits: LoggedWaits, names: ProcessActivity, relations: Relations, here_ns: Callable[[int], int]
) -> Wait:
    """`here_ns` converts a moment from the server's clock. A wait that still lasts is reported as of the log's last
    line."""
    until_ns = wait.ended_ns or waits.now_ns
    event, part = wait.first_event, wait.longest(until_ns)
    named = _named(next((p for p in wait.parts if p.names_row), wait.parts[0]), relations)
    lock = Lock(
        session=wait.pid,
        tag=part.lock,
        kind=part.lock.split(" ", 1)[0],
        mode=part.mode,
        granted=False,
        operation=event.operation,
        pod=naming.pod(event.application),
        statement=naming.fingerprint(event.statement),
    )
    return Wait(
        lock=lock,
        object=named.object,
        name=named.lock,
        started_ns=here_ns(wait.started_ns),
        error_ns=_STAMP_NS,
        last_ns=here_ns(until_ns),
        hits=None,
        ended_ns=None if wait.ended_ns is None else here_ns(wait.ended_ns),
        known="event",
        outcome=wait.outcome,
        chains=Counter([_chain(wait, part, waits, names, until_ns)]),
    )


def _named(part: Part, relations: Relations) -> Named:
    """The object of a part; a wait for a transaction because of a row is a wait for that row."""
    if part.row and part.lock.startswith("transaction "):
        relation = relations.of_name(part.row.relation)
        if "index" in part.row.doing or "uniqueness" in part.row.doing:
            return locknames.key_of(relation, part.lock.split(" ", 1)[1])
        return locknames.row(relation, part.row.place)
    return locknames.logged(part.lock, relations.of_id)


def _chain(wait: LoggedWait, part: Part, waits: LoggedWaits, names: ProcessActivity, until_ns: int) -> Chain | None:
    """The chain of blockers for most of the longest part. A session named as a holder held the lock before
    it was waited for: that time identifies its transaction as well."""
    chains: dict[tuple[int, ...], list[int]] = defaultdict(list)
    since: dict[int, set[int]] = defaultdict(set)
    for at_ns, holders in waits.snapshots(wait, part, until_ns):
        chains[tuple(holder.pid for holder in holders)].append(at_ns)
        for holder in holders:
            since[holder.pid].add(holder.since_ns)
    found = max(chains, key=lambda chain: len(chains[chain]))
    if not found:
        return None
    ends = {pid: _party(pid, names, [*chains[found], *since[pid]]) for pid in {found[0], found[-1]}}
    return Chain(ends[found[0]], ends[found[-1]], len(found))


def _party(pid: int, names: ProcessActivity, moments: Sequence[int]) -> Party:
    if pid != PREPARED_PID:
        return Party(pid, names.operation(pid, moments))
    # Several may be prepared at once, all with this number: then none of their names is sure.
    return Party(pid, names.only_operation(pid, moments) or naming.PREPARED)
