import errno
import socket
import ssl

import pytest

from loadtests.limits.exhaustion import resource_in, resource_of


@pytest.mark.parametrize(
    ("error", "resource"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "descriptors"),
        (OSError(errno.ENFILE, "Too many open files in system"), "descriptors"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "ports"),
        (OSError(errno.ENOBUFS, "No buffer space available"), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (ExceptionGroup("several", [ValueError(), OSError(errno.EMFILE, "")]), "descriptors"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), None),
        (RuntimeError("cannot schedule new futures after shutdown"), None),
        (socket.gaierror(socket.EAI_NONAME, "not known"), None),
        (ssl.SSLError(24, "numbers of OpenSSL are not the kernel's"), None),
    ],
)
def test_resource_that_ran_out(error: Exception, resource: str | None):
    assert resource_of(error) == resource


def test_resource_is_found_behind_the_error_of_a_library():
    library = ConnectionError("cannot connect")
    library.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert resource_of(library) == "descriptors"


@pytest.mark.parametrize(
    ("line", "resource"),
    [
        ('"message":"could not accept new connection: Too many open files"', "descriptors"),
        ("[ERROR] Error in accept: Too many open files", "descriptors"),
        ("[ERROR] Can't create thread to handle new connection(errno= 11)", "threads"),
        ("could not fork new process for connection: Resource temporarily unavailable", "threads"),
        ("could not fork new process for connection: Cannot allocate memory", "memory"),
        ("# Accepting client connection: accept: Too many open files", "descriptors"),
        ("[Note] InnoDB: Number of transaction pools: 1", None),
        ("canceling statement due to lock timeout", None),
    ],
)
def test_log_lines_of_servers(line: str, resource: str | None):
    assert resource_in(line) == resource
