"""stdout and stderr as the process was given them, whatever becomes of ``sys.stdout`` later."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stream:
    """Where lines for people go. To write never raises: there is nobody left to tell.

    A reader who goes away early (``| head -1``), or a stream that was closed from the start
    (``>&-``), wants no more lines, and that is no error. Anything else is kept in ``error``.
    """

    def __init__(self, given: Any, original: Any) -> None:
        self.error: OSError | None = None
        self._given, self._descriptor = given, -1
        if given is not None and given is original:
            # One of our own: imported code may close or replace the other.
            with contextlib.suppress(OSError, ValueError):
                self._descriptor = os.dup(given.fileno())

    @property
    def encoding(self) -> str:
        """Of what is written."""
        return getattr(self._given, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether people look at it."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return os.isatty(self._descriptor) if self._descriptor >= 0 else self._given.isatty()
        return False

    def write(self, text: str) -> int:
        """All of it at once, after what others have written."""
        try:
            if self._descriptor >= 0:
                with contextlib.suppress(Exception):
                    self._given.flush()
                rest = text.encode(self.encoding, "backslashreplace")
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            elif self._given is not None:
                self._given.write(text)
                self._given.flush()
        except BrokenPipeError:
            self.close()
        except ValueError:  # closed
            self.close()
        except OSError as error:
            self.error = error
            self.close()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """From now on write nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._given, self._descriptor = None, -1


class Streams:
    """Both."""

    def __init__(self) -> None:
        self.out = Stream(sys.stdout, sys.__stdout__)
        self.err = Stream(sys.stderr, sys.__stderr__)


_kept: list[Streams] = []


@contextmanager
def kept() -> Iterator[Streams]:
    """Within it, ``streams`` gives those that there are now."""
    _fill()
    _kept.append(Streams())
    try:
        yield _kept[-1]
    finally:
        streams = _kept.pop()
        streams.out.close()
        streams.err.close()


def streams() -> Streams:
    """Those that are kept, else those of the moment."""
    return _kept[-1] if _kept else Streams()


def _fill() -> None:
    """Let no file that is opened later become number 0, 1 or 2, where libraries write."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
