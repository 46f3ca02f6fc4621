"""Mutations of tables: read by pyarrow, changed by column, written anew."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fuzz_values import INTEGERS, JSON_RAW, TEXTS

JUDGED = ("operations-0.arrows", "operations-1.arrows", "timeline.arrows")
"""Tables of which every column is needed. Of the rest some columns are of the report alone."""
_FILES = (*JUDGED, *JUDGED, "ticks.arrows", "lock_waits.arrows", "sessions.arrows", "counters.arrows",
          "resources.arrows", "host.arrows", "transactions-pod-1.arrows")  # fmt: skip
_TYPES = (
    pa.float64(),
    pa.int8(),
    pa.large_string(),
    pa.binary(),
    pa.bool_(),
    pa.null(),
    pa.timestamp("ns"),
    pa.uint64(),
)
_REPEAT = {"few": 3, "many": 3_000}

Words = tuple[str, bool]


def mutate_table(run: Path, chance: random.Random) -> Words:
    """What was done, and whether nothing may pass by it."""
    path = run / chance.choice(_FILES)
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    change = chance.choice(_CHANGES)
    words, must_not_pass = change(path, table, chance)
    return f"{path.name}: {words}", must_not_pass and path.name in JUDGED


def _write(path: Path, table: pa.Table, chance: random.Random, compression: str | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    rows = chance.choice((None, 1, 7))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema, options=options) as stream:
        for batch in table.to_batches(rows):
            stream.write_batch(batch)


def _column(table: pa.Table, chance: random.Random) -> int:
    return chance.randrange(table.num_columns)


def _drop(path: Path, table: pa.Table, chance: random.Random) -> Words:
    place = _column(table, chance)
    name = table.schema.names[place]
    _write(path, table.remove_column(place), chance)
    return f"without {name}", name not in ("topic", "sequence")


def _rename(path: Path, table: pa.Table, chance: random.Random) -> Words:
    names = list(table.schema.names)
    place = _column(table, chance)
    old, names[place] = names[place], chance.choice((*names, *TEXTS))
    changed = names[place] != old
    _write(path, table.rename_columns(names), chance)
    return f"{old} renamed to {names[place][:20]!r}", changed and old not in ("topic", "sequence")


def _twice(path: Path, table: pa.Table, chance: random.Random) -> Words:
    place = _column(table, chance)
    _write(path, table.append_column(table.schema.field(place), table.column(place)), chance)
    return f"{table.schema.names[place]} is there twice", True


def _retype(path: Path, table: pa.Table, chance: random.Random) -> Words:
    place, kind = _column(table, chance), chance.choice(_TYPES)
    field = table.schema.field(place)
    if field.type == kind:
        return "nothing", False
    try:
        column = table.column(place).cast(kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        column = pa.chunked_array([pa.nulls(len(table), kind)])
    _write(path, table.set_column(place, pa.field(field.name, kind), column), chance)
    return f"{field.name} as {kind}", True


def _dictionary(path: Path, table: pa.Table, chance: random.Random) -> Words:
    place = _column(table, chance)
    field = table.schema.field(place)
    words = pa.array(["x" * chance.choice((1, 100_000)), "y"])
    indices = pa.array([chance.choice((0, 1, 2, 100, -1)) for _ in range(len(table))], pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, words, safe=False)
    _write(path, table.set_column(place, pa.field(field.name, column.type), pa.chunked_array([column])), chance)
    return f"{field.name} as dictionary", True


def _values(path: Path, table: pa.Table, chance: random.Random) -> Words:
    """Hostile values in a share of the rows."""
    place = _column(table, chance)
    field, share = table.schema.field(place), chance.choice((0.01, 0.3, 1.0))
    values = table.column(place).to_pylist()
    new = (
        [chance.choice((*TEXTS, *JSON_RAW[4:8])) for _ in range(5)]
        if field.type == pa.string()
        else _integers(field.type)
    )
    one = chance.choice(new)
    for row in range(len(values)):
        if chance.random() < share:
            values[row] = one if chance.random() < 0.5 else chance.choice(new)
    column = pa.chunked_array([pa.array(values, field.type)])
    _write(path, table.set_column(place, field, column), chance)
    return f"{field.name}: {str(one)[:20]!r} in {share:.0%}", False


def _integers(kind: pa.DataType) -> list[int]:
    bounds = np.iinfo(kind.to_pandas_dtype())
    return [n for n in INTEGERS if bounds.min <= n <= bounds.max]


def _nulls(path: Path, table: pa.Table, chance: random.Random) -> Words:
    place = _column(table, chance)
    field = table.schema.field(place)
    column = pa.chunked_array([pa.nulls(len(table), field.type)])
    _write(path, table.set_column(place, field.with_nullable(True), column), chance)
    return f"{field.name}: nulls", not field.nullable and field.name not in ("topic", "sequence")


def _codes(path: Path, table: pa.Table, chance: random.Random) -> Words:
    codes = json.loads((table.schema.metadata or {}).get(b"codes", b"{}"))
    raw: Any = chance.choice(JSON_RAW)
    if codes and chance.random() < 0.8:
        name = chance.choice(sorted(codes))
        codes[name] = chance.choice(
            ([], None, "x", [1], codes[name][:1], [*TEXTS], ["ok"] * 300, codes[name][::-1], {})
        )
        raw = json.dumps(codes)
    _write(path, table.replace_schema_metadata({b"codes": raw.encode("utf-8", "surrogatepass")}), chance)
    return f"codes {raw[:40]!r}", False


def _unrelated(path: Path, table: pa.Table, chance: random.Random) -> Words:
    """Unknown columns, nested and large."""
    words = [[{"x": [n] * 9}] for n in range(len(table))]
    _write(path, table.append_column(chance.choice(TEXTS), pa.array(words)), chance)
    return "an unknown column", False


def _bomb(path: Path, table: pa.Table, chance: random.Random) -> Words:
    """Few bytes that become many."""
    rows, compression = chance.choice((300_000, 3_000_000)), chance.choice(("zstd", "lz4"))
    row = table.slice(0, 1)
    columns = [pa.chunked_array([pa.repeat(c[0], rows)]) for c in row.columns] if len(row) else table.columns
    _write(
        path,
        pa.table(columns, schema=table.schema.remove_metadata().with_metadata(table.schema.metadata)),
        _Whole(),
        compression,
    )
    return f"{rows:,} rows by {compression}", True


class _Whole(random.Random):
    def choice(self, _: Any) -> Any:
        return None


def _repeated(path: Path, table: pa.Table, chance: random.Random) -> Words:
    often = chance.choice(sorted(_REPEAT))
    many = pa.concat_tables([table] * _REPEAT[often])
    if often == "many" and many.num_rows > 600_000:
        many = many.slice(0, 600_000)
    options = pa.ipc.IpcWriteOptions()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, many.schema, options=options) as stream:
        stream.write_table(many)
    return f"repeated {often}", True


def _compressed(path: Path, table: pa.Table, chance: random.Random) -> Words:
    _write(path, table, chance, chance.choice(("zstd", "lz4")))
    return "compressed", False


def _shuffled(path: Path, table: pa.Table, chance: random.Random) -> Words:
    order = list(range(len(table)))
    chance.shuffle(order)
    _write(path, table.take(pa.array(order, pa.int64())), chance)
    return "shuffled", False


def _distinct(path: Path, table: pa.Table, chance: random.Random) -> Words:
    """As many names as rows, and many rows."""
    texts = [place for place, field in enumerate(table.schema) if field.type == pa.string()]
    if not texts:
        return "nothing", False
    place = chance.choice(texts)
    many = pa.concat_tables([table] * (20_000 // max(len(table), 1) + 1)).combine_chunks()
    names = pa.array([f"name {n}" for n in range(len(many))])
    _write(path, many.set_column(place, many.schema.field(place), names), chance)
    return f"{table.schema.names[place]}: all distinct", False


_CHANGES: tuple[Callable[[Path, pa.Table, random.Random], Words], ...] = (
    _drop, _rename, _twice, _retype, _dictionary, _values, _values, _values, _values, _nulls, _codes, _unrelated, _bomb,
    _repeated, _compressed, _shuffled, _distinct,
)  # fmt: skip
