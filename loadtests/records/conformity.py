"""Whether a table file is as its table is documented: columns, types, codes, times, and how much there is of it."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

import pyarrow as pa

from loadtests.records.files import UnreadableError
from loadtests.records.messages import MessageBudget
from loadtests.records.tables import TABLES, Column, Table, codes_of
from loadtests.records.vocabulary import LATER_NAMES
from loadtests.sanitize import sanitize

LONGEST_S: Final = 30 * 86_400
"""How far from the run's origin a moment may be: the length of the longest run that is read."""

LONGEST_NS: Final = LONGEST_S * 1_000_000_000

FARTHEST_STAMP_NS: Final = 2**62
"""The same of stamps of a pod, whose clock may be set to another century."""

MOST_TEXT_BYTES: Final = 1 << 20
"""The longest text in a cell."""

MOST_CODES: Final = 256
_OTHER_CLOCK: Final = frozenset({"published_ns"})
_DURATIONS: Final = frozenset({"cpu_ns"})


def table_of(stem: str) -> Table | None:
    """The table that a file of this name, without its ending, holds."""
    name = stem.partition("-")[0]
    return TABLES.get(stem) or (TABLES[name] if name in TABLES and TABLES[name].per_writer else None)


class Conformity:
    """Of one file: the columns that this version knows, or some of them, and a check of each batch of them."""

    def __init__(self, table: Table | None, schema: pa.Schema, name: str, some: Collection[str] = ()) -> None:
        """Raises UnreadableError when the schema is not the table's."""
        self._name = name
        self._columns = {column.name: column for column in table.columns} if table else {}
        self._most_rows = table.most_rows if table else 0
        self._rows = self._bytes = 0
        self._names: dict[str, set[str]] = defaultdict(set)
        if table is None:
            raise UnreadableError(f"{name} has the name of no table")
        self._refuse_other_columns(schema)
        self._codes = self._named_codes(schema)
        known = [name for name in self._columns if not some or name in some]
        self.included = sorted(place for name in known for place in schema.get_all_field_indices(name))
        self.schema = pa.schema([schema.field(place) for place in self.included], metadata=schema.metadata)

    def _refuse_other_columns(self, schema: pa.Schema) -> None:
        for name, column in self._columns.items():
            places = schema.get_all_field_indices(name)
            if len(places) > 1:
                raise UnreadableError(f"{self._name} has the column {name} {len(places)} times")
            if not places and not column.later:
                raise UnreadableError(f"{self._name} has no column {name}")
            if places and schema.field(places[0]).type != column.type:
                found = sanitize(str(schema.field(places[0]).type))
                raise UnreadableError(f"{self._name}: the column {name} is {found}; expected {column.type}")

    def _named_codes(self, schema: pa.Schema) -> dict[str, int]:
        """Code column → how many names its codes have."""
        try:
            named = codes_of(schema)
        except UnreadableError as error:
            raise UnreadableError(f"{self._name}: {error}") from None
        found = {}
        for name, column in self._columns.items():
            if column.codes is None or not schema.get_all_field_indices(name):
                continue
            names = named.get(name)
            if names is None:
                raise UnreadableError(f"{self._name} has no names for the codes of its column {name}")
            if len(names) > MOST_CODES or len(set(names)) < len(names):
                raise UnreadableError(f"{self._name}: the codes of {name} have no {MOST_CODES} distinct names at most")
            if not column.codes and "" in names:  # tables of the report have an empty name for all pods together
                raise UnreadableError(f"{self._name}: the codes of {name} have an empty name")
            missing = [code for code in column.codes if code not in LATER_NAMES.union(names)]
            if missing:
                raise UnreadableError(f"{self._name}: the codes of {name} have no name {missing[0]!r}")
            found[name] = len(names)
        return found

    def check(self, batch: pa.RecordBatch, budget: MessageBudget) -> None:
        """Raises UnreadableError, or pyarrow.ArrowInvalid, when the batch is not as it should be, or one too many."""
        batch.validate(full=True)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        budget.check(self._bytes)
        if self._rows > self._most_rows:
            raise UnreadableError(f"{self._name} has more than {self._most_rows:,} rows, which is the most")
        for field, values in zip(batch.schema, batch.columns, strict=True):
            self._check_column(self._columns[field.name], values)

    def _check_column(self, column: Column, values: Any) -> None:
        may_be_null = column.nullable or (column.later and column.type != pa.int64())
        if values.null_count and not may_be_null:
            raise self._wrong(column, "a value is missing", "a value in each row")
        if not len(values) - values.null_count:
            return
        if column.name in self._codes:
            most = int(values.to_numpy(zero_copy_only=False).max())
            if most >= self._codes[column.name]:
                raise self._wrong(column, f"the code {most}", f"less than {self._codes[column.name]}")
        elif column.type == pa.string():
            import pyarrow.compute as pc  # for readers: importing it takes writers a fifth of their start

            if pc.max(pc.binary_length(values)).as_py() > MOST_TEXT_BYTES:
                raise self._wrong(column, "a longer text", f"at most {MOST_TEXT_BYTES:,} bytes")
            if column.most_names is not None:
                self._count_names(column, column.most_names, values)
        elif column.name.endswith("_ns") and column.name not in _DURATIONS:
            self._check_times(column, values)

    def _count_names(self, column: Column, most: int, values: Any) -> None:
        names = self._names[column.name]
        found = values.unique()
        if len(found) <= most:
            names.update(found.drop_null().to_pylist())
        if len(found) > most + 1 or len(names) > most:
            raise self._wrong(column, f"more than {most:,} different names", "fewer")

    def _check_times(self, column: Column, values: Any) -> None:
        import pyarrow.compute as pc

        most = FARTHEST_STAMP_NS if column.name in _OTHER_CLOCK else LONGEST_NS
        bounds = pc.min_max(values).as_py()
        farthest = max((bounds["min"], bounds["max"]), key=abs)
        if abs(farthest) > most:
            raise self._wrong(column, f"{farthest:,} ns", f"at most {most:,} ns from the run's origin")
        if column.name == "period_ns" and bounds["min"] <= 0:
            raise self._wrong(column, f"{bounds['min']:,} ns", "a period")

    def _wrong(self, column: Column, got: str, expected: str) -> UnreadableError:
        return UnreadableError(f"{self._name}: column {column.name}: {got}; expected {expected}")
