"""JSON documents of a run directory: written once, atomically, never half."""

import json
import os
from pathlib import Path
from typing import Any


def write_document(path: Path, document: Any) -> None:
    """Writes `document` to `path` whole or not at all. Raises FileExistsError when it is there already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            json.dump(document, file, indent=2, sort_keys=False, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def read_document(path: Path) -> Any | None:
    """The document, or None when it was never written: a missing file is a state."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
