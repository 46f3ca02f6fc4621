"""Commands in a forked child: real streams, exit code, directory and environment, and no import again."""

import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

Main = Callable[[Sequence[str]], int | None]


def in_child(
    main: Main, *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What `main` printed and exited with. `environment` is added to this process's."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            _run(main, arguments, (output, errors), cwd, environment or {})
        _, status = os.waitpid(child, 0)
        printed = []
        for file in (output, errors):
            file.seek(0)
            printed.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, os.waitstatus_to_exitcode(status), *printed)


def _run(
    main: Main, arguments: Sequence[str], files: Sequence[IO[bytes]], cwd: Path | None, environment: Mapping[str, str]
) -> NoReturn:
    code: Any = 1
    try:
        for descriptor, file in enumerate(files, 1):
            os.dup2(file.fileno(), descriptor)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", errors="surrogateescape") for n in (1, 2))
        os.environ.update(environment)
        if cwd is not None:
            os.chdir(cwd)
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
