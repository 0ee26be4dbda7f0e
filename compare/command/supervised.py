"""A command that runs code of others, in a process of its own.

That code may end the process by ``os._exit(0)``, by a crash or through ``atexit``. So the exit code
is not what the process ends with, but what it has told the one that waits for it: its verdict.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable

from compare.command.exit import NOT_JUDGED, fail, not_judged

# As they are now, before any code of others can replace them.
_exit, _write = os._exit, os.write

#: Sent to this process alone, they are meant for the other.
_FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} if os.name == "posix" else set()
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_PAUSE_HARD = 2  # omp_pause_hard of OpenMP 5.0


def fork() -> int:
    """As ``os.fork``, but with OpenMP's threads ended first: the new process would wait for them.

    They do not live on in it, and GNU's OpenMP does not know. Both processes start their own again.
    """
    with contextlib.suppress(AttributeError):  # not loaded yet, or another OpenMP, which does know
        ctypes.CDLL(None).omp_pause_resource_all(_PAUSE_HARD)
    return os.fork()


def supervised(program: str, main: Callable[[], int]) -> int:
    """What ``main`` returns, or 3 and a line on stderr if its process ended before that.

    Where processes cannot be forked (Windows), ``main`` runs in this one.
    """
    if not hasattr(os, "fork"):
        return main()
    reader, writer = os.pipe()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    child = fork()
    if child == 0:
        os.close(reader)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        _tell(program, main, writer)
    os.close(writer)
    try:
        return _verdict(program, child, reader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _verdict(program: str, child: int, reader: int) -> int:
    status, seen = _wait(child)
    os.set_blocking(reader, False)  # what it has started may hold the other end open
    with contextlib.suppress(BlockingIOError):
        if told := os.read(reader, 1):
            return told[0]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in seen:  # as it was asked to
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
        return 128 + os.WTERMSIG(status)  # which it does not come to where the signal ends it
    if signal.SIGINT in seen:
        return 130
    return fail(program, NOT_JUDGED, f"could not be judged, {_ended(status)}")


def _tell(program: str, main: Callable[[], int], writer: int) -> None:
    """Run it, say what it returns and end, without waiting for threads and handlers of others."""
    code = NOT_JUDGED
    try:
        code = main()
    except SystemExit as end:  # of argparse
        code = end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        code = fail(program, NOT_JUDGED, not_judged(error))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        with contextlib.suppress(BaseException):
            _write(writer, bytes([code]))
        _exit(code)


def _wait(child: int) -> tuple[int, set[int]]:
    """What it ended with, and the signals that came meanwhile.

    A terminal sends Ctrl-C to both; what a process sent to this one, the other gets from here.
    Where nobody can tell who sent it (macOS), the other may get it twice, and minds the first.
    """
    seen: set[int] = set()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, seen
        number, by_a_process = _next({*_FORWARDED, signal.SIGCHLD})
        if number != signal.SIGCHLD:
            seen.add(number)
            if by_a_process:
                os.kill(child, number)


def _next(signals: set[signal.Signals]) -> tuple[int, bool]:
    """The next of these that comes, and whether a process sent it, not the terminal."""
    if hasattr(signal, "sigwaitinfo"):
        came = signal.sigwaitinfo(signals)
        return came.si_signo, bool(came.si_pid)
    return signal.sigwait(signals), True


def _ended(status: int) -> str:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"the process was ended by {name} before there was a verdict"
    return f"the process ended itself (exit code {os.WEXITSTATUS(status)}) before a verdict"
