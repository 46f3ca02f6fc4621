"""The strain of the load generator, from `end.json`."""

from collections.abc import Iterator, Mapping
from typing import Any

SMALL_RESOURCES = frozenset({"ports", "descriptors"})
"""Resources that a host may run out of without becoming slow."""


def strain(end: Mapping[str, Any]) -> str:
    """`its busiest worker used 97% of a processor, 30 of 638 arrivals (4.7%) began more than 100 ms late`."""
    return ", ".join(_strain(end, (end.get("generator") or {}).get("workers") or ()))


def _strain(end: Mapping[str, Any], workers: Any) -> Iterator[str]:
    if lacking := local_errors(end):
        yield f"this host had no {listed_errors(lacking)}"
    if shares := [w["cpu_share"] for w in workers if w.get("cpu_share") is not None]:
        allowed = min((w.get("cpu_allowed") or 1.0 for w in workers), default=1.0)
        of = "a processor" if allowed >= 1 else f"a processor, of which {allowed:.0%} are allowed"
        yield f"its busiest worker used {max(shares):.0%} of {of}"
    late = end.get("late_starts") or {}
    if late.get("of"):
        share = f"{late['count'] / late['of']:.1%}"
        yield f"{late['count']:,} of {late['of']:,} arrivals ({share}) began more than 100 ms late"
    for name, words in _SHARES.items():
        if (most := max((w.get(name) or 0.0 for w in workers), default=0.0)) >= 0.1:
            yield words.format(share=most)
    still_s = max((w.get("stood_still_s") or 0.0 for w in workers), default=0.0)
    if still_s >= 1:
        yield f"a worker stood still for {still_s:.1f} s"


_SHARES = {
    "run_queue_share": "a worker waited for a processor {share:.0%} of the time",
    "throttled_share": "the CPU quota stopped it {share:.0%} of the time",
}


def local_errors(end: Mapping[str, Any]) -> Mapping[str, int]:
    """Operations that failed because the generator's host had run out of a resource, by resource."""
    return (end.get("generator") or {}).get("local_errors") or {}


def listed_errors(found: Mapping[str, int]) -> str:
    """`ports for 1,204 operations, descriptors for 3 operations`."""
    return ", ".join(f"{resource} for {count:,} operations" for resource, count in found.items())


def slowed(end: Mapping[str, Any]) -> bool:
    """Whether a saturated generator may have been slow. One that ran out of ports or descriptors made less load, but
    was not slow."""
    generator = end.get("generator") or {}
    small = generator.get("reasons") == ["local_errors"] and local_errors(end).keys() <= SMALL_RESOURCES
    return bool(generator.get("saturated")) and not small


def exhausted(end: Mapping[str, Any]) -> str:
    """Processes of the run, except the load, that ran out of a resource of this host; empty when none did."""
    found = end.get("local_errors") or {}
    parts = [
        f"{name} had no {resource} ({count:,} times)"
        for name, counts in found.items()
        for resource, count in counts.items()
    ]
    return ", ".join(parts)


def untimed(end: Mapping[str, Any]) -> int:
    """Connections whose arrivals were timed on reading: the kernel did not stamp them."""
    workers = (end.get("generator") or {}).get("workers") or ()
    return sum(w.get("unstamped_connections") or 0 for w in workers)
