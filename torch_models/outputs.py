"""Files that a command writes: whole or not at all."""

import contextlib
import errno
import os
import stat
import sys
import tempfile
from pathlib import Path


class NotWrittenError(Exception):
    """The message names the option, the file and the reason."""


def require_writable(path: Path) -> None:
    """Find out, before the work is done, what can be known.

    Raises:
        OSError: It cannot be written.
    """
    mode = _mode(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if mode is None or (stat.S_ISREG(mode) and _stream(path) is None):
        tempfile.TemporaryFile(dir=_target(path).parent).close()
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write(path: Path, content: bytes, option: str) -> None:
    """Write aside and rename, so that nobody reads half a file; a link stays, and its target is it.

    What is no regular file, such as a pipe or a device, cannot be replaced and is written into.

    Raises:
        NotWrittenError: It cannot be written; the message names the option.
    """
    try:
        mode = _mode(path)
        if (number := _stream(path)) is not None:
            _append(number, content)
        elif mode is None or stat.S_ISREG(mode):
            _replace(_target(path), content, mode)
        else:
            with path.open("wb", buffering=0) as file:
                _append(file.fileno(), content)
    except OSError as error:
        reason = error.strerror or error
        raise NotWrittenError(f"{option} {path} cannot be written: {reason}") from error


def _replace(path: Path, content: bytes, mode: int | None) -> None:
    # A short name: the file's own may be as long as names can be.
    descriptor, aside = tempfile.mkstemp(prefix=".aside-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        # A temporary file is for its owner alone.
        os.chmod(aside, 0o666 & ~_umask() if mode is None else stat.S_IMODE(mode))
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def _append(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _mode(path: Path) -> int | None:
    """Of what is there, behind all links; None where nothing is."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    """What is at the end of all links."""
    return Path(os.path.realpath(path))


def _stream(path: Path) -> int | None:
    """1 or 2 if the file is our own stdout or stderr: what is in it already stays."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(number)):
                with contextlib.suppress(Exception):
                    stream.flush()
                return number
    return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
