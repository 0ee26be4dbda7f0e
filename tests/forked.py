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
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from compare.command.supervised import fork


def wait(condition: Callable[[], object]) -> None:
    """Until it holds, a minute at most."""
    limit = time.monotonic() + 60
    while not condition() and time.monotonic() < limit:
        time.sleep(0.001)


class Started:
    """``main(arguments)``, after ``before``, running in a process of its own."""

    def __init__(
        self,
        main: Callable[[list[str]], int],
        arguments: Sequence[object],
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self.words = [str(argument) for argument in arguments]
        self.out, self.err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115
        with warnings.catch_warnings():
            # The other thread waits for what pytest-xdist sends, and holds no lock.
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            self.pid = fork()
        if self.pid == 0:
            code = 1
            with contextlib.suppress(BaseException):
                os.dup2(self.out.fileno(), 1)
                os.dup2(self.err.fileno(), 2)
                faulthandler.disable()  # pytest's writes to the terminal
                before()
                _forget_modules_of_the_folder()
                sys.stdout, sys.stderr = _stream(1), _stream(2)
                code = _code(main, self.words)
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(OSError, ValueError, AttributeError):
                        stream.flush()
            os._exit(code)

    def said(self) -> str:
        """What it has written to its output until now."""
        # Its place in the file is the place where the process writes next: it is left alone.
        return os.pread(self.out.fileno(), os.fstat(self.out.fileno()).st_size, 0).decode()

    def end(self) -> CompletedProcess[str]:
        """What it ends with, and what it has written."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with self.out, self.err:
            self.err.seek(0)
            return CompletedProcess(self.words, code, self.said(), self.err.read().decode())


def forked(
    main: Callable[[list[str]], int],
    arguments: Sequence[object],
    before: Callable[[], object] = lambda: None,
) -> CompletedProcess[str]:
    """What ``main(arguments)`` ends with, and what it writes, after ``before`` in that process."""
    return Started(main, arguments, before).end()


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
    return open(number, "w", buffering=1, closefd=False)  # what it says is seen at once


def _code(main: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
