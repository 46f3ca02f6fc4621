"""Whether InnoDB's copy of its lock tables is of now. Pure."""

OLD = "InnoDB's copy of its lock tables is outdated: another client reads it repeatedly"


class Freshness:
    """InnoDB renews its copy only when no session has read it for 100 ms. It shows the reading session, too, in the
    statement that it was in when the copy was made: that identifies the sample for which it was made, or another
    client."""

    def __init__(self) -> None:
        self._made_for_us = False

    def fresh(self, mark: str, shown: str | None) -> bool:
        """`mark`: how the first statement of the sample begins. `shown`: in which one the copy shows us; None: in
        none, so it was made between two samples. That is current, unless the copy before was not made for us either:
        then it may be that one still."""
        before, self._made_for_us = self._made_for_us, shown is not None and shown.startswith(mark)
        return self._made_for_us or (shown is None and before)
