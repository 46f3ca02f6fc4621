"""Values that readers of run directories have to expect from strangers."""

import json
from typing import Any

TEXTS: tuple[str, ...] = (
    "", "=1+1", "+cmd", "-1", "@sum", "\t=1", "\r=1", " =1", "\uff1d1", "\x00", "\x1b[31mred\x1b]0;t\x07",
    "\ufffe\uffff", "\u202e\u2066", "<script>alert(1)</script>]]>", "'\"`|\n# x", "x" * 70_000, "../../etc/passwd",
    "NaN", "{{7*7}} $x^2$", r"$\frac{",
)  # fmt: skip

JSON_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**30), 1e300, 2**53, 2**63, 2**64, 10**18, -(2**63), float("nan"),
    float("inf"), [], {}, [None], [[]], [1, "x", None], {"x": {"y": []}}, {"name": 5}, "\ud800", [0] * 3000,
    {str(n): n for n in range(2000)}, *TEXTS,
)  # fmt: skip

JSON_RAW: tuple[str, ...] = (
    "[" * 100_000, '{"a":' * 5_000, "[" * 900 + "]" * 900, '{"a": 1, "a": 2}', "NaN", "-Infinity", "1e9999",
    "9" * 5_000, "9" * 300, "\ufeff{}", '"\\ud800"', "", "null", "[]", "7", '"x"', "{}", "\x00",
)  # fmt: skip

YAML: tuple[str, ...] = (
    "a: &a [x]\nb: [*a, *a]\n",
    "a: &a {x: y}\n" + "".join(f"b{n}: &b{n} [{', '.join(['*a'] * 9)}]\n" for n in range(9)),
    "{" * 3_000, "[" * 60_000, "- " * 20_000 + "x", "!!python/object/apply:os.system ['true']", "? [a, b]\n: c\n",
    "\x00", "name: [", "%YAML 9.9\n---\n", "---\n" * 20_000, "a: " + "9" * 60_000, "a: .nan",
    "x" * 65_000, "x" * 100_000, "<<: *x", "2026-99-99", "a: 1e999999999", "\ufeffa: 1", "a:\n\t- b",
)  # fmt: skip

INTEGERS: tuple[int, ...] = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**62, 10**18, 10**15, -(10**15), 255)


def dumped(value: Any) -> str:
    """JSON as it should not be: with NaN and lone surrogates."""
    return json.dumps(value)
