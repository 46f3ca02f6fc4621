"""What a server room raises."""


class ServerUnavailable(Exception):  # noqa: N818  the name says it
    """A database server could not be found, made, started or stopped. Commands exit with 69."""
