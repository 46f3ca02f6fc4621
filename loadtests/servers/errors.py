"""What a server room raises."""

from loadtests.sanitize import sanitize_lines


class ServerUnavailable(Exception):
    """A database server could not be found, made, started or stopped. Commands exit with 69."""

    def __init__(self, message: str) -> None:
        super().__init__(sanitize_lines(message))


class GuardianGone(ServerUnavailable):
    """The supervisor of a database server has ended, and its server with it."""
