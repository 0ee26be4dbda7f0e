"""Exit codes, and errors of one line."""

import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from compare.command.writing import NotWrittenError
from torch_models import extras
from torch_models.printable import one_line
from torch_models.streams import kept, streams
from torch_models.threads import use, wait_briefly
from torch_models.too_little_memory import is_exhausted
from torch_models.while_importing import ended_at_once

#: Neither right nor wrong: what was asked came to no answer.
NOT_JUDGED = 3

NOT_DONE = "2: an option or a file is wrong; 3: it could not be judged; 130: interrupted."
EXIT_CODES = f"Exit code 0: they agree; 1: they do not; {NOT_DONE}"


def exit_code(
    program: str,
    work: Callable[[], bool],
    *,
    threads: int | None = None,
    most_threads: int | None = None,
    foreign: bool = False,
) -> int:
    """0 or 1 for what ``work`` found; another one, and a line on stderr, for what it raised.

    Args:
        program: how the command is called.
        work: what it does; returns whether that passed.
        threads: what ``--threads`` says.
        most_threads: as many as there is work for.
        foreign: whether it runs code that others wrote. A KeyboardInterrupt of theirs is not
            Ctrl-C.
    """
    wait_briefly()
    with ended_at_once(program, signal.SIGINT):
        from compare.trial.errors import ComparisonError, ManualError, UnjudgedError
        from torch_models.mnist import DataError

        use(threads, most_threads)
    with kept() as ours, _ctrl_c() as asked:
        try:
            with extras.named():
                code = 0 if work() else 1
        except ManualError as error:
            return fail(program, 1, error)
        except UnjudgedError as error:
            return fail(program, NOT_JUDGED, error)
        except (ComparisonError, DataError, NotWrittenError, extras.MissingExtraError) as error:
            return fail(program, 2, error)
        except KeyboardInterrupt as error:
            if foreign and not asked:
                return fail(program, NOT_JUDGED, not_judged(error))
            return fail(program, 130, "interrupted")
        except BaseException as error:
            if isinstance(error, MemoryError | RuntimeError) and is_exhausted(error):
                return fail(program, 2, "not enough memory: choose smaller sizes")
            if sys.flags.dev_mode:
                traceback.print_exc()
            return fail(program, NOT_JUDGED, not_judged(error))
        if ours.out.error is not None:
            return fail(program, 2, f"stdout cannot be written: {ours.out.error.strerror}")
        return code


def fail(program: str, code: int, error: object) -> int:
    """``code``, after one line on stderr."""
    streams().err.write(f"{program}: error: {one_line(error)}\n")
    return code


def not_judged(error: BaseException) -> str:
    """What nobody expected, in one line: what it is and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return (
        f"could not be judged, {type(error).__name__}: {error}{where}; "
        f"python -X dev shows the traceback"
    )


@contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """Within it, a list that has something in it once somebody has pressed Ctrl-C."""
    asked: list[int] = []

    def interrupt(number: int, frame: object) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second time must not disturb the first
        asked.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's, or not in the main thread
        yield asked
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
