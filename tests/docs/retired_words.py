"""Words of the project's former private language, where they are retired, and what to write instead.

To retire a word, add a line to `RETIRED`. `python tests/docs/retired_words.py [PATH…]` prints each use as FILE:LINE.
"""

import functools
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Retired(NamedTuple):
    """`name` matches an identifier in snake case; `text` matches prose, without regard to case. Either may be empty."""

    instead: str
    name: str = ""
    text: str = ""


def word(words: str, instead: str) -> Retired:
    """Retired both as a word of an identifier and in prose. `words` is a regular expression."""
    return Retired(instead, rf"(?:^|_)(?:{words})(?:_|$)", rf"\b(?:{words})\b")


def in_names(words: str, instead: str) -> Retired:
    """Retired as a word of an identifier. In prose it has an ordinary meaning."""
    return Retired(instead, rf"(?:^|_)(?:{words})(?:_|$)")


def in_text(words: str, instead: str) -> Retired:
    return Retired(instead, text=rf"\b(?:{words})\b")


RETIRED = [
    word("told|tells?|telling", "report, message, payload, figure; report, log, show, state"),
    word("heard|hears?|hearing", "received; receive, read"),
    word("heed(?:s|ed)?|obey(?:s|ed)?", "handle, apply, follow"),
    word(
        "whoever|whomever|nobody|somebody|someone|anybody|anyone|everybody|everyone", "client, user, process, session"
    ),
    in_text("whatever", "any, every, or the noun"),
    in_names("say|says|said|saying", "report, log, message"),
    in_text(r"says? so|said|saying|says nothing", "reported, stated, logged"),
    # `lookup`, `look up`, `look-ahead` and `looks like` are ordinary.
    Retired(
        "sample, observation; observe, read, check, search",
        r"(?:^|_)look(?:s|ed|ing|ers?)?(?:$|_(?!(?:up|ups|ahead|behind)(?:_|$)))",
        r"\blook(?:s|ed|ing|ers?)?\b(?!(?: |-)(?:it )?(?:ups?|like|ahead|behind)\b)",
    ),
    word("sights?|sighted", "observation, coverage"),
    word("stricken", "expected_down"),
    word("mortals?", "monitored process"),
    word("obituar(?:y|ies)|last(?: |_)words", "exit summary, log tail"),
    word("errands?", "main-thread queue, call on the main thread"),
    in_names("hands", "run control"),
    in_text(r"(?:lay|lays|laid|has|have|had|its|their|his) hands", "use, hold, control"),
    word("surroundings", "context"),
    in_names("around|ground", "context"),
    word("followers?", "load monitor"),
    in_names("followed", "load result"),
    in_names("attended", "external master"),
    in_text("(?:takes?|taking|took) (?:its |their )?leave", "needs shutdown, exits"),
    in_names("acts?|acting", "action, run"),
    in_text("(?:an|the|each|every|one|this|that|no|of) acts?", "action"),
    word("actors?", "action runner"),
    in_names("turns", "component locks"),
    word("mend(?:s|ed|ing)?", "revert, repair"),
    word("guardians?", "reaper (process groups), server supervisor"),
    in_names("tails", "exemplars (the rows around a percentile)"),
    word("lanes?", "interval index, lane → interval"),
    in_names("charges?|charged", "attribution"),
    word("burnt|burning|burns", "SLO breach, burn rate"),
    in_names("spots?", "topic position"),
    # `ring buffer` is ordinary.
    Retired("notify", r"(?:^|_)ring(?:s)?(?:$|_(?!buffer))", r"\b(?:rings?|rang|rung)\b(?! buffers?\b)"),
    in_names("relock(?:s|ed|ing)?", "switch locking"),  # in prose it is the name of an action
    in_names("give_back|gives_back|gave_back", "trim memory"),
    in_text("(?:give|gives|gave|given|giving) (?:[a-z]+ ){0,2}back", "trim memory, release, return"),
    word("held(?: |_)back", "client backlog"),
    in_names("bars", "tolerances, thresholds"),
    in_text("(?:miss(?:es|ed)?|keeps?|kept|within|meets?) (?:its|their|the|a|one|this|that) bars?", "tolerance"),
    in_text("locks?'s? doing|(?:its|their|whose|our|his) (?:own )?doing", "lock-related, caused by"),
    word("deaf|blindness", "not reading; gap in observation"),
    Retired("a noun", r"^(?!what_if)(?:what|who|whom|whose)_|_whom$"),
]

TEXTS = [(re.compile(r.text.replace(" ", r"\s+"), re.IGNORECASE), r.instead) for r in RETIRED if r.text]
ANY_TEXT = re.compile("|".join(pattern.pattern for pattern, _ in TEXTS), re.IGNORECASE)

#: Methods of libraries: `file.tell()`.
FOREIGN = {"tell"}

#: Names of file formats that scripts match.
FORMAT_NAMES = {"accepts_nobody_was_told", "acts_on_target"}

#: Values of file formats that scripts match, as whole string literals.
FORMAT_VALUES = {'"held back"', '"not told"'}

#: The operating system's user, and names of files and of the page that scripts match.
QUOTED = re.compile(r"`nobody`|\buser nobody\b|`held back`|`not told`")

PROSE = re.compile(r"[A-Za-z]{2,}[,;:.]? +[A-Za-z]{2,}")
TEXT_FILES = {".md", ".yaml", ".yml", ".sql", ".lua", ".j2", ".html", ".js", ".css", ".toml", ".json", ".sh", ".cfg"}
TEXT_NAMES = {"Makefile", "setup", "run"}
#: This list itself, what is generated from checked sources, and texts of others.
SKIPPED = re.compile(
    r"^(?:tests/docs/(?:test_docs_language|retired_words)\.py|docs/glossary\.md|\.venv/"
    r"|docs/cli\.md|docs/scenarios\.md|scenarios/schema\.json|requirements\.lock|deploy/supplychain\.lock|LICENSE)"
)


class Use(NamedTuple):
    path: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found} → {self.instead}"


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


@functools.cache
def retired_in_name(name: str) -> str | None:
    """What to write instead of a word in this identifier."""
    words = snake_case(name)
    return next((r.instead for r in RETIRED if r.name and re.search(r.name, words)), None)


def retired_in_text(text: str) -> Iterator[tuple[int, str, str]]:
    """Offset, words found, what to write instead."""
    text = QUOTED.sub(lambda m: " " * len(m[0]), text)
    if not ANY_TEXT.search(text):
        return
    for pattern, instead in TEXTS:
        for found in pattern.finditer(text):
            yield found.start(), found[0], instead


def uses_in_prose(path: str, text: str, first_line: int) -> Iterator[Use]:
    for offset, found, instead in retired_in_text(text):
        yield Use(path, first_line + text.count("\n", 0, offset), " ".join(found.split()), instead)


def uses_in_python(path: str, text: str) -> Iterator[Use]:
    """In identifiers, comments, and string literals of at least two words: docstrings and messages."""
    fstring = getattr(tokenize, "FSTRING_MIDDLE", -1)
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line = token.start[0]
        if token.type == tokenize.NAME:
            foreign = token.string in FORMAT_NAMES or (before == "." and token.string in FOREIGN)
            instead = None if foreign else retired_in_name(token.string)
            if instead:
                yield Use(path, line, token.string, instead)
        elif token.type == tokenize.COMMENT or (
            token.type in (tokenize.STRING, fstring)
            and PROSE.search(token.string)
            and token.string not in FORMAT_VALUES
        ):
            yield from uses_in_prose(path, token.string, line)
        before = token.string


def uses_in(path: str) -> Iterator[Use]:
    """Uses in the file at this path from the root of the repository, its name included."""
    for part in Path(path).with_suffix("").parts:
        instead = retired_in_name(part.replace("-", "_"))
        if instead:
            yield Use(path, 1, part, instead)
    text = (ROOT / path).read_text(encoding="utf-8")
    if path == "CHANGELOG.md":
        text = "\n## ".join(text.split("\n## ")[:2])  # up to Unreleased: released entries stay as they were
    yield from uses_in_python(path, text) if path.endswith(".py") else uses_in_prose(path, text, 1)


def files() -> list[str]:
    """Files of ours that hold names or prose, tracked or about to be, from the root of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [Path(name) for name in sorted(set(listed.stdout.splitlines()))]
    return [
        str(p)
        for p in paths
        if (ROOT / p).is_file()
        and (p.suffix in {".py", *TEXT_FILES} or p.name in TEXT_NAMES)
        and not SKIPPED.match(str(p))
    ]


def main(paths: list[str]) -> int:
    """Print the uses in these files and folders; 1 if there are any."""
    chosen = [path for path in files() if not paths or any(path == p or path.startswith(f"{p}/") for p in paths)]
    uses = [use for path in chosen for use in uses_in(path)]
    print(*uses, sep="\n")
    return int(bool(uses))


if __name__ == "__main__":
    sys.exit(main([path.rstrip("/") for path in sys.argv[1:]]))
