"""How hard the load generator had it, in the words of `end.json`."""

from collections.abc import Mapping
from typing import Any


def strain(end: Mapping[str, Any]) -> str:
    """`its busiest worker used 97% of a processor, 30 of 638 arrivals (4.7%) began more than 100 ms late`."""
    workers = (end.get("generator") or {}).get("workers") or ()
    shares = [w["cpu_share"] for w in workers if w.get("cpu_share") is not None]
    still_s = max((w.get("stood_still_s") or 0.0 for w in workers), default=0.0)
    late = end.get("late_starts") or {}
    told = [f"its busiest worker used {max(shares):.0%} of a processor"] if shares else []
    if late.get("of"):
        share = f"{late['count'] / late['of']:.1%}"
        told.append(f"{late['count']:,} of {late['of']:,} arrivals ({share}) began more than 100 ms late")
    if still_s >= 1:
        told.append(f"a worker stood still for {still_s:.1f} s")
    return ", ".join(told)
