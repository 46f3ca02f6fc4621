"""How hard the load generator had it, in the words of `end.json`."""

from collections.abc import Mapping
from typing import Any


def strain(end: Mapping[str, Any]) -> str:
    """`its busiest worker used 97% of a processor, 30 of 638 arrivals (4.7%) began more than 100 ms late`."""
    workers = (end.get("generator") or {}).get("workers") or ()
    shares = [w["cpu_share"] for w in workers if w.get("cpu_share") is not None]
    late = end.get("late_starts") or {}
    told = [f"its busiest worker used {max(shares):.0%} of a processor"] if shares else []
    if late.get("of"):
        share = f"{late['count'] / late['of']:.1%}"
        told.append(f"{late['count']:,} of {late['of']:,} arrivals ({share}) began more than 100 ms late")
    return ", ".join(told)
