"""Passwords of MySQL's own kind, by a stand-in for a server: Debian has MariaDB only."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from driver_certificates import Authority
from opened import session
from secured_servers import PASSWORD

from loadtests.drivers.addresses.contract import Place
from loadtests.drivers.addresses.uri import build

SALT = bytes(range(1, 21))
NUMBER = 77
_CAPABILITIES = 0x81FFF7FF & ~0x01000000  # all of MySQL 8's but DEPRECATE_EOF
_SSL = 0x800
_OK = b"\x00\x00\x00\x02\x00\x00\x00"


class MysqlServer:
    """Speaks as much of MySQL's protocol as opens a session of a user of caching_sha2_password, not cached yet."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.password = b""
        """What came, decrypted."""
        self.was_encrypted = False

    def serve(self, listening: socket.socket) -> None:
        """Serves one client."""
        client, _ = listening.accept()
        with contextlib.suppress(OSError):
            self._serve(client)
        client.close()

    def _serve(self, client: socket.socket) -> None:
        flags = _CAPABILITIES | (_SSL if self._tls else 0)
        greeting = b"\x0a8.4.0\0" + struct.pack("<I", NUMBER) + SALT[:8] + b"\0" + struct.pack("<H", flags & 0xFFFF)
        greeting += struct.pack("<BHHB", 255, 2, flags >> 16, 21) + bytes(10) + SALT[8:] + b"\0"
        send(client, 0, greeting + b"caching_sha2_password\0")
        number, answer = receive(client)
        if self._tls and len(answer) == 32:
            client = self._tls.wrap_socket(client, server_side=True)
            self.was_encrypted = True
            number, answer = receive(client)
        self._authenticate(number, answer, client)
        while True:
            answer_query(client, receive(client)[1])

    def _authenticate(self, number: int, answer: bytes, client: socket.socket) -> None:
        assert scrambled(PASSWORD.encode()) in answer
        send(client, number + 1, b"\x01\x04")  # full authentication
        number, asked = receive(client)
        if self.was_encrypted:
            self.password = asked
        else:
            assert asked == b"\x02"
            public = self._key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            send(client, number + 1, b"\x01" + public)
            number, encrypted = receive(client)
            oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
            mixed = self._key.decrypt(encrypted, oaep)
            self.password = bytes(byte ^ SALT[i % 20] for i, byte in enumerate(mixed))
        send(client, number + 1, _OK)


def scrambled(password: bytes) -> bytes:
    one = hashlib.sha256(password).digest()
    two = hashlib.sha256(hashlib.sha256(one).digest() + SALT).digest()
    return bytes(a ^ b for a, b in zip(one, two, strict=True))


def send(client: socket.socket, number: int, packet: bytes) -> None:
    client.sendall(struct.pack("<I", len(packet))[:3] + bytes([number]) + packet)


def receive(client: socket.socket) -> tuple[int, bytes]:
    """A packet's number and content: no byte more is read, as TLS may follow."""
    head = exactly(client, 4)
    return head[3], exactly(client, int.from_bytes(head[:3], "little"))


def exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := client.recv(size - len(data))):
            raise ConnectionResetError
        data += more
    return data


def answer_query(client: socket.socket, query: bytes) -> None:
    """Of the question for the session's number; anything else is done."""
    if b"CONNECTION_ID" not in query:
        send(client, 1, _OK)
        return
    eof = b"\xfe\x00\x00\x02\x00"
    column = b"\x03def\0\0\0\x01c\x01c\x0c\xff\x00\x40\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
    row = b"".join(bytes([len(value)]) + value for value in (str(NUMBER).encode(), b"MySQL Community Server"))
    for at, packet in enumerate((b"\x02", column, column, eof, row, eof), 1):
        send(client, at, packet)


@contextlib.asynccontextmanager
async def mysql(tls: ssl.SSLContext | None) -> AsyncIterator[tuple[MysqlServer, int]]:
    stand_in = MysqlServer(tls)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=stand_in.serve, args=(listening,), daemon=True)
        thread.start()
        yield stand_in, int(listening.getsockname()[1])
        await asyncio.to_thread(thread.join, 20)


@pytest.mark.parametrize("encrypted", [False, True], ids=["by the server's key", "by TLS"])
async def test_caching_sha2_password_is_sent_encrypted(encrypted: bool, tmp_path: Path) -> None:
    tls = None
    if encrypted:
        pair = Authority(tmp_path).issue("mysql")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pair.certificate, pair.key)
    async with mysql(tls) as (stand_in, port):
        dsn = build("mysql", [Place("127.0.0.1", port)], user="pod", password=PASSWORD, path="pod")
        async with session("mariadb", dsn) as made:
            assert made.get_server_info() == "8.4.0"
    assert stand_in.password == PASSWORD.encode() + b"\0"
    assert stand_in.was_encrypted == encrypted
