"""What the command lines share: exit codes, errors of one line, the JSON file."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


def exit_code(program: str, work: Callable[[], bool]) -> int:
    """0 or 1 for what ``work`` found; another one, and a line on stderr, for what it raised."""

    def end_at_once(number: int, frame: object) -> NoReturn:
        os.write(2, f"{program}: error: interrupted\n".encode())
        os._exit(130)

    # These take seconds. Nothing has begun: who presses Ctrl-C is obeyed wherever they are.
    before = signal.signal(signal.SIGINT, end_at_once)
    from compare.case import ComparisonError, ManualError
    from torch_models.mnist import DataError

    signal.signal(signal.SIGINT, before)
    try:
        return 0 if work() else 1
    except ManualError as error:
        return _fail(program, 1, error)
    except (ComparisonError, DataError, NotWrittenError) as error:
        return _fail(program, 2, error)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate" in str(error):  # of either memory
            return _fail(program, 2, "this takes more memory than there is: choose smaller sizes")
        raise
    except KeyboardInterrupt:
        return _fail(program, 130, "interrupted")


def _fail(program: str, code: int, error: object) -> int:
    sys.stderr.write(f"{program}: error: {' '.join(str(error).split())}\n")
    return code


class NotWrittenError(Exception):
    """The message names the file and the reason."""


def write_json(path: Path, content: dict[str, Any]) -> None:
    """``content`` as strict JSON; see ``write_text``."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text, "--json")


def write_text(path: Path, text: str, option: str) -> None:
    """Write aside and rename, so that nobody reads half a file.

    Raises:
        NotWrittenError: It cannot be written; the message names the option.
    """
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as file:
            aside = Path(file.name)
            file.write(text)
        try:
            aside.chmod(0o666 & ~_umask())  # a temporary file is for its owner alone
            os.replace(aside, path)
        except OSError:
            aside.unlink()
            raise
    except OSError as error:
        raise NotWrittenError(f"{option} {path} cannot be written: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
