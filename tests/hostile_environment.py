"""An environment, a home and a working directory made for other programs, each of which would break a run."""

from pathlib import Path

VARIABLES = {
    **{"PGHOST": "db.example.com", "PGPORT": "6543", "PGUSER": "x", "PGPASSWORD": "y", "PGDATABASE": "z"},
    **{"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGPASSFILE": "/etc/shadow", "PGSERVICE": "prod"},
    **{"PGTARGETSESSIONATTRS": "standby", "PGOPTIONS": "-c statement_timeout=1", "PGDATA": "/nowhere"},
    **{"MYSQL_HOME": "/nowhere", "MYSQL_TCP_PORT": "1", "MYSQL_UNIX_PORT": "/nowhere", "MYSQL_PWD": "y", "UMASK": "0"},
    **{"REDISCLI_AUTH": "y", "NOTIFY_SOCKET": "/nowhere"},
    **{"LOCUST_TAGS": "other", "LOCUST_HEADLESS": "true", "LOCUST_MODE_WORKER": "true", "LOCUST_RUN_TIME": "1s"},
    **{"LOCUST_HOST": "http://example.com", "LOCUST_SKIP_MONKEY_PATCH": "1", "LOCUST_LOCUSTFILE": "other.py"},
    **{"GEVENT_LOOP": "nonsense", "GEVENT_RESOLVER": "nonsense", "GEVENT_THREADPOOL": "nonsense"},
    **{"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"},
    **{"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""},
    **{"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONASYNCIODEBUG": "1", "PYTHONSTARTUP": "/nowhere"},
    **{"PYTHONHASHSEED": "1", "PYTHONIOENCODING": "ascii"},
    **{"MPLBACKEND": "nonsense", "MPLCONFIGDIR": "/etc/shadow", "MATPLOTLIBRC": "/etc/shadow"},
    **{"OPENSSL_CONF": "/nowhere", "SSLKEYLOGFILE": "/nowhere/keys", "WEBSOCKETS_MAX_LINE_LENGTH": "10"},
    **{"PYZMQ_BACKEND": "nonsense", "PANDAS_FUTURE_INFER_STRING": "nonsense", "FLASK_DEBUG": "1"},
    **{"LC_ALL": "de_DE.UTF-8", "LANG": "ja_JP.eucJP", "LANGUAGE": "de", "TZ": "America/St_Johns"},
    **{"COLUMNS": "1", "LINES": "1", "TERM": "nonsense", "FORCE_COLOR": "1"},
    **{"GIT_DIR": "/nowhere", "GIT_CEILING_DIRECTORIES": "/", "MAKEFLAGS": "n -j --jobserver-auth=90,91"},
    **{"XDG_CONFIG_HOME": "/etc/shadow", "XDG_CACHE_HOME": "/etc/shadow"},
}

LOCUST = "tags = other\nusers = 3\nrun-time = 1s\nhost = http://example.com\nworker = true\nmy-plugin-option = 1\n"
HOME_FILES = {
    ".locust.conf": LOCUST,
    ".pgpass": "*:*:*:*:wrong\n",
    ".pg_service.conf": "[prod]\nhost=db.example.com\n",
    ".postgresql/root.crt": "no certificate\n",
    ".postgresql/postgresql.crt": "no certificate\n",
    ".postgresql/postgresql.key": "no key\n",
    ".my.cnf": "[mysqld\nno group\n!includedir /nowhere\n",
    ".gitconfig": "[core\n",
    ".config/matplotlib/matplotlibrc": "backend: nonsense\n",
}
DIRECTORY_FILES = {
    "locust.conf": LOCUST,
    "pyproject.toml": '[tool.locust]\ntags = ["other"]\nrun-time = "1s"\n',
    "matplotlibrc": "backend: nonsense\n\xff",
    "secrets.py": "raise SystemExit('a module of the working directory was imported')\n",
    "gevent.py": "raise SystemExit('a module of the working directory was imported')\n",
    "locust.py": "raise SystemExit('a module of the working directory was imported')\n",
}


def make(directory: Path) -> tuple[Path, dict[str, str]]:
    """A working directory below `directory`, and the variables, HOME included."""
    home, working = directory / "home", directory / "elsewhere"
    for place, files in ((home, HOME_FILES), (working, DIRECTORY_FILES)):
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="latin-1")
    return working, {**VARIABLES, "HOME": str(home)}
