"""Files that prove who is who: what OpenSSL and libpq would leave out in silence is refused by name."""

from pathlib import Path

import pytest
from driver_certificates import Authority

from loadtests.drivers.addresses import parse_address
from loadtests.drivers.addresses.contract import AddressError, Place, Tls
from loadtests.drivers.contexts import context
from loadtests.drivers.postgres import password_of
from loadtests.tls import problems_of_trust

DB = Place("db.example", 5432)


def test_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    (problem,) = problems_of_trust({"SSL_CERT_FILE": "/no/where.pem"})
    assert problem == "SSL_CERT_FILE names /no/where.pem, which cannot be read: No such file or directory"
    assert problems_of_trust({"SSL_CERT_DIR": "/no/where"}) == ["SSL_CERT_DIR names /no/where, which is no directory"]


def test_file_without_a_certificate_is_refused_by_name(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing\n")
    assert problems_of_trust({"SSL_CERT_FILE": str(empty)}) == [
        f"SSL_CERT_FILE names {empty}, which holds no certificate in PEM form"
    ]
    with pytest.raises(AddressError, match="the file of the certificate authority"):
        context(Tls("verify-full", ca=str(empty)))


def test_authorities_that_can_be_read_are_taken(tmp_path: Path) -> None:
    file = Authority(tmp_path).file
    assert problems_of_trust({"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(tmp_path)}) == []
    assert problems_of_trust({}) == []


def test_authorities_of_this_machine_have_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/where.pem")
    with pytest.raises(AddressError, match=r"SSL_CERT_FILE names /no/where\.pem"):
        context(Tls("verify-full", ca="system"))


def _password(passfile: Path, text: str, mode: int = 0o600, place: Place = DB) -> str:
    passfile.write_text(text)
    passfile.chmod(mode)
    return password_of(parse_address("postgres", f"postgresql://u@h/d?passfile={passfile}"), place)


def test_passfile_has_the_first_line_that_fits(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    lines = "# u\nother:*:*:*:no\ndb.example:5432:d:u:p\\:\\\\w\n*:*:*:*:last\n"
    assert _password(file, lines) == "p:\\w"
    assert _password(file, lines, place=Place("db.example", 1)) == "last"
    assert _password(file, "localhost:5432:d:u:here\n", place=Place("/run/pg", 5432)) == "here"


def test_passfile_that_is_of_no_use_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    with pytest.raises(AddressError, match="can be read by others: set its mode to 0600"):
        _password(file, "*:*:*:*:hunter2\n", 0o644)
    with pytest.raises(AddressError, match=r"has no line for db\.example:5432") as refused:
        _password(file, "other:*:*:*:hunter2\n")
    assert "hunter2" not in str(refused.value)
    file.unlink()
    with pytest.raises(AddressError, match="cannot be read: No such file"):
        password_of(parse_address("postgres", f"postgresql://u@h/d?passfile={file}"), Place("h", 1))
