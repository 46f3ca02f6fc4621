"""Rows of `counters`, once a second, of totals whose growth in the judged seconds, 5 to 15, is known."""

from studies import NS


def counters(totals, engine="mariadb", database="mariadb", at=range(17)):
    """Each counter's total second by second: numbers a second, or a list of totals (None: missing)."""
    totals = {
        name: [total * second for second in at] if isinstance(total, int) else list(total)
        for name, total in totals.items()
    }
    return [
        (second * NS, engine, database, name, values[place])
        for place, second in enumerate(at)
        for name, values in totals.items()
        if values[place] is not None
    ]


def thread(**busy_us_per_s):
    """A Redis whose commands took the given microseconds of each second, with 100 calls of each."""
    calls = {f"command_calls:{name}": 100 for name in busy_us_per_s}
    return counters({f"command_us:{name}": us for name, us in busy_us_per_s.items()} | calls, "redis", "redis")
