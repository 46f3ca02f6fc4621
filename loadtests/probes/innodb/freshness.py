"""Whether InnoDB's copy of its lock tables is of now. Pure."""

OLD = "InnoDB's copy of its lock tables is not of now: somebody else reads it again and again"


class Freshness:
    """InnoDB makes its copy anew only when nobody has read it for 100 ms. It shows the looking session, too, in the
    statement that it was in when the copy was made: that tells for which look it was made, or for somebody else."""

    def __init__(self) -> None:
        self._made_for_us = False

    def fresh(self, mark: str, shown: str | None) -> bool:
        """`mark`: how the statement begins that the look began with. `shown`: in which one the copy shows us; None: in
        none, so it was made between two looks. That is of now, unless the copy before was not made for us either: then
        it may be that one still."""
        before, self._made_for_us = self._made_for_us, shown is not None and shown.startswith(mark)
        return self._made_for_us or (shown is None and before)
