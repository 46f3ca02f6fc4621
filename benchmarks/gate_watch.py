"""How often `loadtests-gate --watch` is wrong when it checks after every block, and how long a fault stays unseen.

`python -m benchmarks.gate_watch [--times N]`. Runs are simulated. In each, the share of bad attempts of a block is
drawn anew around its mean, so that attempts of one block fail together (a beta distribution of concentration 4: with
5 % bad, half of the blocks have less than 1 %, and one in twenty more than 26 %). What is promised holds for blocks
that are independent of each other; bursts that last for three blocks show what it is worth where they are not.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks._figures import show
from reports.gate.inputs.counting import BLOCK_NS
from reports.gate.inputs.evidence import BlockCount
from reports.gate.judging.sequential import ALPHA, decide
from reports.gate.judging.verdicts import Verdict

BLOCK_S = BLOCK_NS / 1e9
HOUR = round(3600 / BLOCK_S)
CONCENTRATION = 4.0


class Pattern(NamedTuple):
    """A run of `length` blocks: the mean share of bad attempts is `before`, and `after` from block `changes_at` on.
    `burst` blocks at a time have one share."""

    rate_per_s: float
    before: float
    after: float
    length: int
    changes_at: int = 0
    burst: int = 1

    def simulate(self, rng: np.random.Generator) -> Sequence[BlockCount]:
        n = rng.poisson(self.rate_per_s * BLOCK_S, self.length)
        places = np.arange(self.length)
        means = np.where(places < self.changes_at, self.before, self.after)
        alpha, beta = np.maximum(means * CONCENTRATION, 1e-9), np.maximum((1 - means) * CONCENTRATION, 1e-9)
        bad = rng.binomial(n, rng.beta(alpha, beta)[places // self.burst * self.burst])
        return [BlockCount(0, int(a), int(b)) for a, b in zip(n, bad, strict=True)]


def verdicts(pattern: Pattern, target: float, times: int) -> list[tuple[Verdict, int]]:
    rng = np.random.default_rng(20240702)
    return [decide(pattern.simulate(rng), target) for _ in range(times)]


def share(found: Sequence[tuple[Verdict, int]], verdict: Verdict) -> float:
    return sum(one == verdict for one, _ in found) / len(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_watch", description=__doc__)
    parser.add_argument("--times", type=int, default=400, help="simulated runs for each figure")
    times, ok = parser.parse_args().times, True
    for rate, target in ((6.0, 0.95), (40 / 60, 0.99)):
        budget = 1 - target
        name = f"{rate * 60:.0f} attempts a minute, target {target:.0%}, an hour"
        for words, bad, burst, wrong, most in (
            ("at the target: failed", budget, 1, Verdict.FAIL, ALPHA),
            ("just below the target: passed", 1.01 * budget, 1, Verdict.PASS, ALPHA),
            ("half of the budget, bursts of 15 s: failed", budget / 2, 3, Verdict.FAIL, ALPHA),
            ("at the target, bursts of 15 s: failed", budget, 3, Verdict.FAIL, 1.0),
        ):
            found = share(verdicts(Pattern(rate, bad, bad, HOUR, burst=burst), target, times), wrong)
            ok &= show(f"{name}, {words}", found, "share", f"<= {most}" if most < 1 else "", found <= most)
    for words, rate, target, before, after, changes_at in (
        ("half of the attempts bad from the start", 6.0, 0.95, 0.5, 0.5, 0),
        ("all attempts bad after two good minutes", 6.0, 0.95, 0.0, 1.0, 24),
        ("20 % bad after two good minutes", 6.0, 0.95, 0.01, 0.2, 24),
        ("1 % becomes 2 %, 40 a minute", 40 / 60, 0.99, 0.02, 0.02, 0),
    ):
        found = verdicts(Pattern(rate, before, after, 8 * HOUR, changes_at), target, max(times // 4, 1))
        seen = [blocks - changes_at for verdict, blocks in found if verdict is Verdict.FAIL]
        minutes = float(np.median(seen)) * BLOCK_S / 60 if seen else float("nan")
        detected = len(seen) / len(found)
        ok &= show(f"{words}: failed", detected, "share", ">= 0.9", detected >= 0.9)
        show(f"{words}: median time until then", minutes, "min", "", True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
