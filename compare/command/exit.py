"""What the command lines share: exit codes, errors of one line, the JSON file."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch_models.imports import ended_at_once
from torch_models.memory import is_exhausted


def exit_code(program: str, work: Callable[[], bool]) -> int:
    """0 or 1 for what ``work`` found; another one, and a line on stderr, for what it raised."""
    with ended_at_once(program, signal.SIGINT):
        from compare.trial.errors import ComparisonError, ManualError
        from torch_models.mnist import DataError

    try:
        return 0 if work() else 1
    except ManualError as error:
        return _fail(program, 1, error)
    except (ComparisonError, DataError, NotWrittenError) as error:
        return _fail(program, 2, error)
    except (MemoryError, RuntimeError) as error:
        if is_exhausted(error):
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
