"""Mutations of a run directory, each made by a seeded random generator.

A mutation returns what it did, in words, and whether a verdict `pass` would be wrong afterwards: because something
that a pass needs is missing, unreadable or inconsistent. One that may only have made the data better, or other, cannot
be recognised by a reader.
"""

import hashlib
import json
import os
import random
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fuzz_tables import mutate_table
from fuzz_values import JSON_RAW, JSON_VALUES, TEXTS, YAML, dumped

NEEDED_FILES = ("manifest.json", "end.json", "ledger.json", "timeline.arrows", "ticks.arrows", "operations-0.arrows",
                "operations-1.arrows", "scenario.yaml")  # fmt: skip
NEEDED_KEYS = {
    "manifest.json": ("format", "round", "stages.1.judge", "stages.0.duration_s", "scenario", "scenario.sha256"),
    "end.json": ("reason", "ended_ns", "operations", "operations.written", "operations.lost", "rows", "generator",
                 "generator.saturated", "observer", "observer.blind_s"),
    "ledger.json": ("checks", "checks.0", "checks.0.check", "checks.0.verdict", "checks.0.count"),
}  # fmt: skip
"""Without a value of the right type for these nothing passes."""
_WRONG: tuple[Any, ...] = (1e300, "1", [1], {"x": 1}, 10**30, float("nan"), -(10**30))


class Mutation(NamedTuple):
    words: str
    must_not_pass: bool = False


def mutate(run: Path, seed: int) -> Mutation:
    """Changes one thing of the run; the same one for the same seed."""
    chance = random.Random(seed)
    kinds, weights = zip(*_KINDS, strict=True)
    (kind,) = chance.choices(kinds, weights)
    return kind(run, chance)


def _files(run: Path) -> list[Path]:
    return sorted(path for path in run.iterdir() if path.is_file())


def _flip(run: Path, chance: random.Random) -> Mutation:
    path = chance.choice(_files(run))
    raw = bytearray(path.read_bytes())
    places = [chance.randrange(len(raw)) for _ in range(chance.choice((1, 1, 2, 8, 64)))]
    for place in places:
        raw[place] = chance.choice((raw[place] ^ (1 << chance.randrange(8)), 0, 255, 127))
    path.write_bytes(raw)
    return Mutation(f"flipped bytes {places[:8]} of {path.name}")


def _cut(run: Path, chance: random.Random) -> Mutation:
    path = chance.choice(_files(run))
    raw = path.read_bytes()
    size = chance.randrange(max(len(raw) - 200, 1)) if chance.random() < 0.8 else len(raw) - chance.randrange(8)
    path.write_bytes(raw[:size])
    needed = path.name in NEEDED_FILES and size < len(raw) - 200
    return Mutation(f"cut {path.name} from {len(raw)} to {size} bytes", needed)


def _grow(run: Path, chance: random.Random) -> Mutation:
    path = chance.choice(_files(run))
    raw = path.read_bytes()
    more = chance.choice(
        (b"\x00" * 4096, raw, b"\xff" * 64, b"x", chance.randbytes(512), b"\xff\xff\xff\xff\xff\xff\xff\x7f")
    )
    place = chance.choice((0, len(raw), chance.randrange(len(raw))))
    path.write_bytes(raw[:place] + more + raw[place:])
    return Mutation(f"put {len(more)} bytes into {path.name} at {place}")


def _replace_json(run: Path, chance: random.Random) -> Mutation:
    path = run / chance.choice(("manifest.json", "end.json", "ledger.json", "calibration.json"))
    text = chance.choice(JSON_RAW)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return Mutation(f"wrote {text[:20]!r} to {path.name}", path.name in NEEDED_FILES)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _places(below, (*place, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _change_json(run: Path, chance: random.Random) -> Mutation:
    path = run / chance.choice(("manifest.json", "end.json", "ledger.json", "calibration.json"))
    content = json.loads(path.read_text())
    *above, key = chance.choice([place for place in _places(content) if place])
    parent = _at(content, tuple(above))
    words = f"{path.name}: {'.'.join(map(str, (*above, key)))}"
    how = chance.choice(("value", "value", "value", "delete", "key", "twice"))
    if how == "value":
        parent[key] = chance.choice(JSON_VALUES)
        words += f" = {str(parent[key])[:30]!r}"
    elif how == "delete":
        del parent[key]
        words += " deleted"
    elif isinstance(parent, dict) and how == "key":
        parent[chance.choice(TEXTS)] = parent.pop(key)
        words += " renamed"
    text = dumped(content)
    if how == "twice" and isinstance(content, dict):
        text = f'{{"{next(iter(content))}": {dumped(chance.choice(JSON_VALUES))}, {text[1:]}'
        words = f"{path.name}: a key is there twice"
    path.write_text(text)
    return Mutation(words, how == "twice" and path.name in NEEDED_FILES)


def _break_needed_key(run: Path, chance: random.Random) -> Mutation:
    name = chance.choice(sorted(NEEDED_KEYS))
    path = run / name
    content = json.loads(path.read_text())
    dotted = chance.choice(NEEDED_KEYS[name])
    *above, key = [int(part) if part.isdigit() else part for part in dotted.split(".")]
    parent, wrong = _at(content, tuple(above)), chance.choice(_WRONG)
    if dotted in ("scenario.sha256", "reason", "checks.0.check", "checks.0.verdict") and isinstance(wrong, str):
        wrong = 1
    parent[key] = wrong
    path.write_text(dumped(content))
    empty = dotted in ("rows", "scenario", "generator", "observer", "operations") and isinstance(wrong, dict)
    return Mutation(f"{name}: {dotted} = {wrong!r}", not empty)


def _replace_kind(run: Path, chance: random.Random) -> Mutation:
    path = chance.choice(_files(run))
    kinds: list[Callable[[], object]] = [
        lambda: None,
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/etc/passwd"),
        lambda: path.symlink_to(path.name),
        lambda: shutil.copyfile(run.parent / "kept" / path.name, run.parent / "other") and path.symlink_to("../other"),
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)),
        lambda: path.write_bytes(b""),
    ]
    if os.geteuid() == 0:
        kinds.append(lambda: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)))
        kinds.append(lambda: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(5, 0)))
    number = chance.randrange(len(kinds))
    path.unlink()
    kinds[number]()
    return Mutation(f"replaced {path.name} by kind {number}", path.name in NEEDED_FILES)


def _sparse(run: Path, chance: random.Random) -> Mutation:
    path = chance.choice(_files(run))
    size = chance.choice((10**12, 10**9, 70 << 20))
    with path.open("r+b") as file:
        file.truncate(size)
    return Mutation(f"made {path.name} sparse, {size:,} bytes", path.suffix == ".json" and path.name in NEEDED_FILES)


def _many(run: Path, chance: random.Random) -> Mutation:
    """Many files, many runs, or names that no writer makes."""
    how = chance.choice(("tables", "some tables", "entries", "runs", "name", "writer", "link to a run"))
    source = run / "operations-1.arrows"
    if how in ("tables", "some tables"):
        for number in range(1_100 if how == "tables" else 300):
            os.link(source, run / f"operations-{number + 2}.arrows")
    elif how == "entries":
        for number in range(10_050):
            (run / f"x{number}").touch()
    elif how == "runs":
        for number in range(2, 1_050 if chance.random() < 0.5 else 60):
            (run.parent / f"{number:02}-sqlite").mkdir()
    elif how == "name":
        name = chance.choice(
            ("01-\x1b[31m\x07", "01-=cmd", "01-\u202e", "01-" + "9" * 200, "9" * 200 + "-x", "01-<b>&\n")
        )
        run.rename(run.parent / name)
        return Mutation(f"renamed the run to {name!r}")
    elif how == "writer":
        name = chance.choice(("=cmd()", "\x1b[31m", "<b>", "a\nb", "\u202e", "x" * 200))
        (run / "transactions-pod-1.arrows").rename(run / f"transactions-{name}.arrows")
    else:
        (run.parent / "02-sqlite").symlink_to(run.parent / "kept")
    return Mutation(f"many: {how}", how in ("tables", "some tables", "runs", "entries", "link to a run"))


def _yaml(run: Path, chance: random.Random) -> Mutation:
    """Another scenario, of which the manifest has the sha256; or other objectives."""
    path = run / chance.choice(("scenario.yaml", "objectives.yaml"))
    text = path.read_text()
    if chance.random() < 0.5:
        text = chance.choice(YAML)
    else:
        lines = text.splitlines()
        place = chance.randrange(len(lines))
        value = chance.choice((*YAML, "1e30", "10" * 40, "-1", ".inf", "0", "999999h", "1000000", "''", "=x"))
        lines[place] = lines[place].partition(":")[0] + ": " + value if chance.random() < 0.7 else value
        text = "\n".join(lines)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    if path.name == "scenario.yaml":
        manifest = json.loads((run / "manifest.json").read_text())
        manifest["scenario"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (run / "manifest.json").write_text(json.dumps(manifest))
    return Mutation(f"{path.name}: {text[:40]!r}")


_KINDS: tuple[tuple[Callable[[Path, random.Random], Mutation], int], ...] = (
    (_flip, 20),
    (_cut, 8),
    (_grow, 6),
    (_replace_json, 5),
    (_change_json, 25),
    (_break_needed_key, 8),
    (lambda run, chance: Mutation(*mutate_table(run, chance)), 35),
    (_replace_kind, 8),
    (_sparse, 3),
    (_many, 2),
    (_yaml, 8),
)
