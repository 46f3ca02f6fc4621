"""Run every benchmark, one after another, and show the figures with their limits.

Each benchmark prints JSON lines: `figure`, `value`, `unit`, `bar`, `ok`. Exit code 1 when a figure is outside its
limit.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


def scripts(names: list[str]) -> list[Path]:
    found = sorted(p for p in HERE.glob("*.py") if not p.name.startswith("_"))
    return [p for p in found if not names or p.stem in names]


def measure(script: Path) -> Iterator[dict[str, Any]]:
    """The figures that a benchmark prints; other output goes to standard error."""
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{script.stem}"], stdout=subprocess.PIPE, text=True
    ) as child:
        missed = False
        for line in child.stdout or ():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                sys.stderr.write(line)
                continue
            missed |= not row["ok"]
            yield row
    if child.returncode not in (0, 1) or (child.returncode == 1 and not missed):
        yield {"figure": f"{script.stem} did not finish", "value": None, "unit": "", "bar": "", "ok": False}


def main() -> int:
    table = Table("figure", "value", "unit", "bar", "")
    reached = True
    for script in scripts(sys.argv[1:]):
        sys.stderr.write(f"{script.stem} …\n")
        for row in measure(script):
            reached &= bool(row["ok"])
            value = "-" if row["value"] is None else f"{row['value']:.3g}"
            table.add_row(row["figure"], value, row["unit"], str(row["bar"]), "ok" if row["ok"] else "missed")
    Console(width=140).print(table)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
