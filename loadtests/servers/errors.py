"""What a server room raises."""


class ServerUnavailable(Exception):
    """A database server could not be found, made, started or stopped. Commands exit with 69."""
