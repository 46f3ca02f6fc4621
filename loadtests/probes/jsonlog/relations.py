"""Names of relations by object id, asked of the server once each. Pure: others do the asking."""

from collections.abc import Iterable, Mapping


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
