"""Text as sequences of bytes, each with the byte that follows each of its bytes."""

import hashlib
import sysconfig
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from torch_models.mnist import DataError

#: What the names of files of text end with.
SUFFIXES = (".txt", ".md", ".rst", ".py")
#: Bytes of text that are read: each takes eight in memory.
MOST = 2**28
#: Below Python's standard library, what is not it, and its tests, which some systems leave out.
NOT_THE_LIBRARY = {"site-packages", "dist-packages", "test", "tests", "idle_test"}


class Text(NamedTuple):
    """Sequences that do not overlap, int64 (n, length), and what follows each byte of them."""

    sequences: Tensor
    following: Tensor
    digest: str
    """Of the files' contents: who goes on with a training must have the same."""


def load(folder: Path | str | None, length: int) -> Text:
    """The text of all files below a folder, in the order of their names.

    Args:
        folder: ``None`` for Python's standard library, its tests left out.
        length: of a sequence, in bytes.

    Raises:
        DataError: a file cannot be read, or all together are shorter than a sequence or
            longer than ``MOST``.
    """
    where = Path(sysconfig.get_path("stdlib") if folder is None else folder)
    try:
        files = _files(where, folder is None)
        size = sum(path.stat().st_size for path in files)
        if size > MOST:
            raise DataError(
                f"{where} has {size:,} bytes of text, expected {MOST:,} at most: choose "
                "a smaller folder with --text-dir"
            )
        content = b"".join(path.read_bytes() for path in files)
    except OSError as error:
        raise DataError(f"{error.filename or where} cannot be read: {error.strerror}") from error
    n = (len(content) - 1) // length
    if n < 1:
        raise DataError(
            f"{where} has {len(content)} bytes of text, expected at least {length + 1}: choose "
            f"another --text-dir; text files end in {', '.join(SUFFIXES)}"
        )
    text = torch.frombuffer(bytearray(content), dtype=torch.uint8).long()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Text(text[: n * length].view(n, -1), text[1 : n * length + 1].view(n, -1), digest)


def _files(where: Path, library: bool) -> list[Path]:
    suffixes = (".py",) if library else SUFFIXES
    files = (path for path in where.rglob("*") if path.suffix in suffixes and path.is_file())
    if library:
        files = (path for path in files if NOT_THE_LIBRARY.isdisjoint(path.parts))
    return sorted(files)
