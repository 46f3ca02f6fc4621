"""Tests that do not depend on the developer's settings for other programs.

Imported before the libraries that read such variables; what tests start inherits the rest.
"""

import os

_PREFIXES = ("PG", "MYSQL", "REDISCLI", "LOCUST_", "GEVENT_", "MPL", "MATPLOTLIB", "GIT_", "WEBSOCKETS_", "OPENSSL_")
_NAMES = {"SSLKEYLOGFILE", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONASYNCIODEBUG", "UMASK", "COLUMNS", "FORCE_COLOR"}
_NAMES |= {"PYTHONDONTWRITEBYTECODE"}  # compiling this project again takes each process of a test 0.1 s and more

for _name in list(os.environ):
    if _name.startswith(_PREFIXES) or _name in _NAMES or _name.upper().endswith("_PROXY"):
        del os.environ[_name]
