"""Files of a run directory from elsewhere: what is not as documented is refused by name, in bounded time and memory."""

import contextlib
import json
import os
import socket
import stat
import struct

import pyarrow as pa
import pytest
from studies import NS, Op, healthy_end, healthy_ticks, write_run

from loadtests.records import rundirectory
from loadtests.records.conformity import LONGEST_NS
from loadtests.records.documents import MOST_BYTES, read_document
from loadtests.records.files import UnreadableError, entries, open_regular
from loadtests.records.messages import MOST_RATIO, read_header
from loadtests.records.rundirectory import RunDirectory, run_directories
from loadtests.records.streams import TableWriter, read_batches, read_schema
from loadtests.records.strictjson import parse_json
from loadtests.records.tables import OPERATIONS_TABLE, TICKS_TABLE

SCHEMA = TICKS_TABLE.schema()


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "study" / "01-sqlite")
    run.path.mkdir(parents=True)
    return run


def device(path):
    if os.geteuid():
        pytest.skip("only root makes a device")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # as /dev/zero


def bound_socket(path):
    directory = os.open(path.parent, os.O_RDONLY)  # a socket's path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)


KINDS = {
    "a symbolic link": lambda path: path.symlink_to("/dev/zero"),
    "a FIFO": os.mkfifo,
    "a device": device,
    "a socket": bound_socket,
    "a directory": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["end.json", "ticks.arrows", "scenario.yaml"])
def test_nothing_but_a_regular_file_is_opened(run, kind, name):
    KINDS[kind](run.path / name)
    read = {
        "end.json": lambda: run.read("end"),
        "ticks.arrows": lambda: list(run.batches("ticks")),
        "scenario.yaml": lambda: run.read_text("scenario.yaml"),
    }[name]
    with pytest.raises(UnreadableError, match=f"01-sqlite/{name} is {kind}; expected a regular file"):
        read()


def test_link_within_the_study_is_refused_too(run):
    (run.path.parent / "end.json").write_text("{}")
    (run.path / "end.json").symlink_to("../end.json")
    with pytest.raises(UnreadableError, match="a symbolic link"):
        run.read("end")


def test_run_that_is_a_link_is_a_run_that_cannot_be_read(run, tmp_path):
    other = write_run(tmp_path / "elsewhere", "01-sqlite")
    (run.path.parent / "02-sqlite").symlink_to(other.path)
    runs = run_directories(run.path.parent)
    assert [each.name for each in runs] == ["01-sqlite", "02-sqlite"]
    with pytest.raises(UnreadableError, match="02-sqlite is a symbolic link"):
        runs[1].read("manifest")
    with pytest.raises(UnreadableError, match="02-sqlite is a symbolic link"):
        runs[1].table_files("ticks")


def test_study_may_be_given_by_a_link(run, tmp_path):
    (tmp_path / "latest").symlink_to(run.path.parent)
    assert [each.name for each in run_directories(tmp_path / "latest")] == ["01-sqlite"]
    assert run_directories(tmp_path / "latest")[0].read("end") is None


def test_file_that_has_become_another_is_not_read(run, monkeypatch):
    """Between the check of its kind and the opening."""
    (run.path / "end.json").write_text("{}")
    real = (run.path / "end.json").stat()
    (run.path / "end.json").unlink()
    os.mkfifo(run.path / "end.json")
    monkeypatch.setattr(os, "stat", lambda *_, **__: real)
    with pytest.raises(UnreadableError, match="a FIFO"):
        open_regular(run.path / "end.json")


def test_large_document_is_not_read_whole(run):
    with (run.path / "end.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnreadableError, match=f"more than {MOST_BYTES:,} bytes"):
        run.read("end")


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("[" * 100_000, "more than 32 levels"),
        ("[" * 33 + "]" * 33, "more than 32 levels"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": -Infinity}', "-Infinity is no number of JSON"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": 1000000000000000000000000000000}', "has more than 64 bits"),
        ('{"a": ' + "9" * 5000 + "}", "has more than 64 bits"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is there twice"),
        ("{", "no valid JSON"),
        ("", "no valid JSON"),
        (b"\xff\xfe{}", "not UTF-8 text"),
        (b"\xff", "not UTF-8 text"),
    ],
)
def test_json_that_is_none_is_refused(text, states):
    with pytest.raises(UnreadableError, match=states):
        parse_json(text, "end.json")


def test_messages_have_printable_characters_only(tmp_path):
    path = tmp_path / "01-\x1b[31m"
    path.mkdir()
    (path / "end.json").write_text('{"\x07": 1, "\\u001b": 2, "\\u001b": 3}')
    for content in ('{"\\u001b": 2, "\\u001b": 3}', "{", '{"reason": "\\u001b\\u202e"}', '{"rows": {"\\u001b": -1}}'):
        (path / "end.json").write_text(content)
        try:
            RunDirectory(path).read("end")
        except UnreadableError as error:
            assert str(error).isprintable()


@pytest.mark.parametrize(
    ("document", "change", "states"),
    [
        ("end", {"reason": 7}, "reason: Input should be a valid string"),
        ("end", {"ended_ns": "16"}, "ended_ns: Input should be a valid integer"),
        ("end", {"ended_ns": LONGEST_NS + 1}, "ended_ns: Input should be less than or equal"),
        ("end", {"rows": {"ticks": -1}}, "rows.ticks: Input should be greater than or equal to 0"),
        ("end", {"operations": {"lost": "0"}}, "operations.lost"),
        ("end", {"operations": {"lost": -1}}, "operations.lost"),
        ("end", {"operations": []}, r"operations: Input should be a valid dictionary \(got a list of 0\)"),
        ("end", {"generator": {"saturated": 0}}, "generator.saturated: Input should be a valid boolean"),
        ("end", {"observer": {"blind_s": -1.0}}, "observer.blind_s"),
        ("manifest", {"stages": [{"name": "x"}]}, "stages.0.starts_s: Field required"),
        (
            "manifest",
            {"stages": [{"name": "x", "starts_s": 0, "duration_s": 1e9, "judge": True}]},
            "stages.0.duration_s",
        ),
        ("manifest", {"format": "1"}, "format: Input should be a valid integer"),
        ("manifest", {"target": {"pods": [{"name": 1}]}}, "target.pods.0.name"),
        ("ledger", {"checks": {}}, "checks: Input should be a valid list"),
    ],
)
def test_values_of_another_type_are_named(tmp_path, document, change, states):
    run = write_run(tmp_path)
    path = run.path / f"{document}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UnreadableError, match=rf"01-sqlite/{document}.json: {states}"):
        run.read(document)


def test_stage_that_began_after_the_end_is_read(tmp_path):
    """Older runs that ended early have its negative length."""
    run = write_run(tmp_path, end={"load": {"stages": [{"name": "steady", "lasted_s": -0.592}]}})
    assert run.read("end")["load"]["stages"][0]["lasted_s"] == -0.592


def test_documents_of_other_versions_are_read(tmp_path):
    run = write_run(tmp_path, manifest={"new": {"x": [1]}}, end={"new": None})
    assert run.read("manifest")["new"] == {"x": [1]}
    (run.path / "end.json").unlink()
    old = {key: healthy_end({})[key] for key in ("format", "reason", "ended_ns")}
    (run.path / "end.json").write_text(json.dumps(old))
    assert run.read("end") == old


def ticks(*rows, schema=SCHEMA, **columns):
    """A table of ticks with some columns replaced."""
    given = list(zip(*(rows or healthy_ticks(until_s=1.0)), strict=True))
    arrays = {field.name: pa.array(values, field.type) for field, values in zip(SCHEMA, given, strict=True)} | columns
    fields = [
        schema.field(n).with_type(a.type) if n in schema.names else pa.field(n, a.type) for n, a in arrays.items()
    ]
    return pa.table(list(arrays.values()), schema=pa.schema(fields, metadata=schema.metadata))


def write(run, table, file="ticks", **options):
    path = run.table_path(file)
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema, **options) as stream:
        stream.write_table(table)
    return path


def refused(path, states):
    with pytest.raises(UnreadableError, match=states):
        list(read_batches(path))


N = 10


@pytest.mark.parametrize(
    ("columns", "states"),
    [
        ({"rows": pa.array(range(N), pa.int64())}, "the column rows is int64; expected int32"),
        ({"started_ns": pa.array([0.5] * N)}, "the column started_ns is double; expected int64"),
        ({"probe": pa.array(["x"] * N, pa.large_string())}, "the column probe is large_string; expected string"),
        ({"probe": pa.array(["x"] * N).dictionary_encode()}, "the column probe is dictionary"),
        ({"probe": pa.array([None] * N, pa.string())}, "column probe: a value is missing"),
        ({"started_ns": pa.array([LONGEST_NS + 1] * N)}, "column started_ns: .* at most"),
        ({"started_ns": pa.array([-(2**63)] * N)}, "column started_ns: .* at most"),
        ({"period_ns": pa.array([0] * N)}, "column period_ns: 0 ns; expected a period"),
        ({"error": pa.array(["x" * (1 << 21)] * N)}, "column error: a longer text"),
        ({"strange": pa.array(["x"] * N).dictionary_encode()}, "has a dictionary where a record batch was expected"),
    ],
)
def test_columns_of_another_kind_are_refused(run, columns, states):
    refused(write(run, ticks(**columns)), f"01-sqlite/ticks.arrows.*{states}")


def test_missing_and_repeated_columns_are_refused(run):
    refused(write(run, ticks().drop_columns(["error"])), "has no column error")
    refused(write(run, ticks().append_column("error", pa.array(["x"] * N))), "has the column error 2 times")


def test_columns_that_this_version_does_not_know_are_left_out(run):
    path = write(run, ticks(new=pa.array([{"x": [1]}] * N)))
    assert [batch.schema.names for batch in read_batches(path)] == [SCHEMA.names]
    assert read_schema(path).names == SCHEMA.names


def operations(run, codes, **changes):
    schema = OPERATIONS_TABLE.schema({"pod": ["p"]})
    row = dict(zip(schema.names, Op("chat.accept").row(0), strict=True)) | changes
    arrays = [pa.array([row[field.name]], field.type) for field in schema]
    table = pa.table(arrays, schema=schema)
    named = json.loads(schema.metadata[b"codes"]) | codes
    return write(run, table.replace_schema_metadata({b"codes": json.dumps(named).encode()}), "operations-0")


@pytest.mark.parametrize(
    ("codes", "changes", "states"),
    [
        ({}, {"outcome": 4}, "column outcome: the code 4; expected less than 4"),
        ({}, {"pod": 1}, "column pod: the code 1; expected less than 1"),
        ({"error": []}, {}, "the codes of error have no name ''"),
        ({"pod": ["p", ""]}, {}, "the codes of pod have an empty name"),
        ({"outcome": ["ok", "fail", "unknown", "refusal"]}, {}, "the codes of outcome have no name 'refused'"),
        ({"outcome": ["ok", "ok"]}, {}, "the codes of outcome have no 256 distinct names"),
        ({"outcome": None}, {}, "the names of codes are no lists"),
        ({"outcome": [1]}, {}, "the names of codes are no lists"),
    ],
)
def test_codes_without_a_name_are_refused(run, codes, changes, states):
    refused(operations(run, codes, **changes), states)


def test_indices_out_of_a_dictionary_are_never_looked_up(run):
    words = pa.DictionaryArray.from_arrays(pa.array([2**31 - 1] * N, pa.int32()), pa.array(["x"]), safe=False)
    refused(write(run, ticks(probe=words)), "the column probe is dictionary")


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_table_is_read_within_a_ratio(run, compression):
    options = {"options": pa.ipc.IpcWriteOptions(compression=compression)}
    assert sum(batch.num_rows for batch in read_batches(write(run, ticks(), **options))) == N
    bomb = ticks(*[("x", 0, 0, 0, 0, "x" * 10_000, 1)] * 3_000)
    path = write(run, bomb, **options)
    assert bomb.nbytes > MOST_RATIO * path.stat().st_size
    refused(path, "takes more than [0-9,]+ bytes in memory")


def test_announced_sizes_are_compared_with_the_file_first(run):
    """A batch that says that its compressed buffers hold 2 GiB each is refused before anything is allocated."""
    path = write(run, ticks(), options=pa.ipc.IpcWriteOptions(compression="lz4"))
    raw = bytearray(path.read_bytes())
    at = 8 + int.from_bytes(raw[4:8], "little")  # of the batch, behind the schema
    body = at + 8 + int.from_bytes(raw[at + 4 : at + 8], "little")
    header = read_header(bytes(raw[at + 8 : body]))
    assert header.compressed
    for offset, length in header.buffers:
        raw[body + offset : body + offset + min(length, 8)] = (1 << 31).to_bytes(8, "little")[: min(length, 8)]
    path.write_bytes(raw)
    refused(path, "a record batch of [0-9,]+ bytes; the most is 256 MiB")


def without_word_of_compression(raw):
    """The stream with the field `compression` taken out of the header of its batch."""
    at = 8 + int.from_bytes(raw[4:8], "little")
    start, end = at + 8, at + 8 + int.from_bytes(raw[at + 4 : at + 8], "little")
    for place in range(start, end - 1):
        changed = bytearray(raw)
        changed[place : place + 2] = bytes(2)
        with contextlib.suppress(struct.error, IndexError, ValueError):
            found, kept = read_header(bytes(changed[start:end])), read_header(bytes(raw[start:end]))
            if found == kept._replace(compressed=False):
                return bytes(changed)
    raise AssertionError


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_batch_that_hides_its_compression_is_refused(run, compression):
    """Arrow before 1.0 named the codec in the metadata of the message only, and Arrow still reads that."""
    version = pa.ipc.MetadataVersion.V4
    options = pa.ipc.IpcWriteOptions(compression=compression, metadata_version=version)
    bomb = ticks(*[("x", 0, 0, 0, 0, "x" * 10_000, 1)] * 3_000)
    path = run.table_path("ticks")
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, bomb.schema, options=options) as stream:
        codec = {"ARROW:experimental_compression": compression}
        stream.write_batch(bomb.combine_chunks().to_batches()[0], custom_metadata=codec)
    path.write_bytes(without_word_of_compression(path.read_bytes()))
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        assert stream.read_all().num_rows == 3_000
    before = pa.default_memory_pool().max_memory()
    refused(path, "a message of an Arrow before 1.0")
    assert pa.default_memory_pool().max_memory() == before


def test_table_of_many_tiny_batches_is_read_in_few_pieces(run):
    with TableWriter(run.table_path("ticks"), SCHEMA) as writer:
        for row in healthy_ticks(until_s=200.0):
            writer.write([row])
    pieces = [batch.num_rows for batch in run.batches("ticks")]
    assert (sum(pieces), len(pieces)) == (2_000, 2)


def test_sparse_table_is_worth_no_more_than_its_data(run):
    path = write(run, ticks())
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    assert sum(batch.num_rows for batch in read_batches(path)) == N


@pytest.mark.parametrize("raw", [b"garbage garbage", b"\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(64), b"PAR1" * 9])
def test_other_files_are_no_tables(run, raw):
    run.table_path("ticks").write_bytes(raw)
    refused(run.table_path("ticks"), "no Arrow IPC stream")


@pytest.mark.parametrize("place", range(8, 700, 7))
def test_damaged_table_is_refused_or_cut_and_nothing_else(run, place):
    raw = bytearray(write(run, ticks()).read_bytes())
    raw[place] ^= 0xFF
    run.table_path("ticks").write_bytes(raw)
    try:
        assert sum(batch.num_rows for batch in run.batches("ticks")) in (0, N)
    except UnreadableError as error:
        assert str(error).isprintable()


def test_number_of_files_is_bounded(run, monkeypatch):
    monkeypatch.setattr(rundirectory, "MOST_WRITERS", 2)
    monkeypatch.setattr(rundirectory, "MOST_RUNS", 2)
    monkeypatch.setattr("loadtests.records.files.MOST_ENTRIES", 4)
    for number in range(3):
        run.create_table("operations", str(number), pod=["p"]).close()
        (run.path.parent / f"0{number}-memory").mkdir()
    with pytest.raises(UnreadableError, match="has 3 files of operations; the most is 2"):
        run.table_files("operations")
    with pytest.raises(UnreadableError, match="study has 4 runs; the most is 2"):
        run_directories(run.path.parent)
    (run.path.parent / "one").touch()
    with pytest.raises(UnreadableError, match="more than 4 entries"):
        list(entries(run.path.parent))


def test_unreadable_file_is_reported(run, monkeypatch):
    (run.path / "end.json").write_text("{}")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadableError, match=r"01-sqlite/end.json cannot be read: Permission denied"):
        read_document(run.path / "end.json")


def test_moment_of_a_pod_with_another_clock_is_read(tmp_path):
    stamp_s = -55 * 365 * 86_400.0
    run = write_run(tmp_path, operations=[Op("event.deliver", None, ended_s=6.0, published_s=stamp_s)])
    (batch,) = run.batches("operations")
    assert batch.column("published_ns").to_pylist() == [round(stamp_s) * NS]
