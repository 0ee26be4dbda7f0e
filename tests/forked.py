"""A command in a process of its own, forked from this one: nothing is imported again.

Where the start of a process is what is tested, it is started instead.
"""

import contextlib
import faulthandler
import importlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess


def fork() -> int:
    """As ``os.fork``: 0 in the new process."""
    with warnings.catch_warnings():
        # The other thread waits for what pytest-xdist sends, and holds no lock.
        warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
        return os.fork()


def forked(
    main: Callable[[list[str]], int],
    arguments: Sequence[object],
    before: Callable[[], object] = lambda: None,
) -> CompletedProcess[str]:
    """What ``main(arguments)`` ends with, and what it writes, after ``before`` in that process."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                faulthandler.disable()  # pytest's writes to the terminal
                before()
                _forget_modules_of_the_folder()
                sys.stdout, sys.stderr = _stream(1), _stream(2)
                code = _code(main, words)
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(OSError, ValueError, AttributeError):
                        stream.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return CompletedProcess(words, code, out.read().decode(), err.read().decode())


def _forget_modules_of_the_folder() -> None:
    """A test before this one may have imported another file of the same name."""
    importlib.invalidate_caches()
    for file in Path.cwd().glob("*.py"):
        sys.modules.pop(file.stem, None)


def _stream(number: int) -> io.TextIOWrapper | None:
    """As Python makes it: None of what is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    return open(number, "w", closefd=False)


def _code(main: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
