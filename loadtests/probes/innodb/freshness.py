"""Whether InnoDB's copy of its lock tables is of now. Pure."""

_STALE_AFTER = 3
OLD = (
    "InnoDB's copy of its lock tables is old: somebody else reads it more than ten times a second, or does so all along"
)


class Freshness:
    """Holds what looks show against a counter that is never old. One difference may be chance, three in a row are not:
    InnoDB makes its copy anew only when nobody has read it for 100 ms."""

    def __init__(self) -> None:
        self._differ = 0

    def note(self, shown: int, counted: int) -> None:
        """Of one moment: how many sessions wait for a row by the copy, and by the counter."""
        self._differ = self._differ + 1 if bool(shown) != bool(counted) else 0

    @property
    def stale(self) -> bool:
        return self._differ >= _STALE_AFTER
