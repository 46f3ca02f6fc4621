"""A certificate for 127.0.0.1 that lasts a day."""

import ssl
import subprocess
from pathlib import Path


def certificate(directory: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    """What a gevent server takes to show it, and a context that trusts it."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    files = {"certfile": str(certificate), "keyfile": str(key)}
    return files, ssl.create_default_context(cafile=str(certificate))
