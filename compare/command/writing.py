"""Files that a command writes: whole or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


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
