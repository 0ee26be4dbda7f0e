"""A checksum in a checkpoint, verified before anything in it is used.

torch.save writes a zip archive, and such an archive may end with a comment, which torch.load passes
over. The comment here is the SHA-256 of all bytes before it. An archive without comment, as
torch.save alone leaves it, has a CRC-32 of each record: that is verified instead.
"""

import hashlib
import os
import stat
import struct
import zipfile
from io import BufferedRandom, BufferedReader
from pathlib import Path

#: Stands before 64 hexadecimal digits.
MARK = b"sha256 "
_DIGITS = 64
# A zip archive ends with this, then 18 bytes of which the last two are the comment's length.
_END, _END_SIZE = b"PK\5\6", 22
# Beside the contents of a record, an archive has its name thrice, its sizes, and what aligns it.
_AROUND = 1024


class DamagedError(Exception):
    """The file is not what was saved; the message says what it is instead."""


def seal(file: BufferedRandom) -> None:
    """Add the checksum to what torch.save has written; ``file`` is open to read and write."""
    file.seek(-2, os.SEEK_END)
    file.write(struct.pack("<H", len(MARK) + _DIGITS) + MARK)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0, os.SEEK_END)
    file.write(digest.encode("ascii"))


def regular(path: Path) -> BufferedReader:
    """The file, open to read.

    Raises:
        OSError: It cannot be read.
        DamagedError: It is a folder, a pipe or a device, which might never end.
    """
    # What is no file must not keep us waiting for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedError("is not a file")
    return open(descriptor, "rb")


def verify(file: BufferedReader) -> bool:
    """Whether it had a checksum of ours; else the records' own were verified.

    Raises:
        DamagedError: It is truncated, has other bytes than were saved, or is not a checkpoint.
    """
    size = os.fstat(file.fileno()).st_size
    sealed = _is_sealed(file, size)
    try:
        _require_plausible(file, size)
        if not sealed and (name := zipfile.ZipFile(file).testzip()):
            raise DamagedError(f"is damaged: the checksum of {name} is wrong")
    except (DamagedError, OSError):
        raise
    except Exception as error:  # zipfile raises whatever the broken bytes lead to
        raise DamagedError("is truncated, damaged or not a checkpoint") from error
    if sealed:
        file.seek(0)
        found, left = hashlib.sha256(), size - _DIGITS
        while left and (piece := file.read(min(left, 2**20))):
            found.update(piece)
            left -= len(piece)
        if found.hexdigest().encode("ascii") != file.read():
            raise DamagedError("is damaged: its checksum is wrong")
    file.seek(0)
    return sealed


def _is_sealed(file: BufferedReader, size: int) -> bool:
    """By its last bytes, before any others are read."""
    comment = len(MARK) + _DIGITS
    file.seek(max(0, size - _END_SIZE - comment))
    tail = file.read()
    if tail[:4] == _END and tail[_END_SIZE - 2 :].startswith(struct.pack("<H", comment) + MARK):
        return True
    if tail[-_END_SIZE:][:4] == _END and tail[-2:] == b"\0\0":
        return False
    raise DamagedError("is truncated, damaged or not a checkpoint")


def _require_plausible(file: BufferedReader, size: int) -> None:
    """An archive that is as large as its records, none of them compressed: nothing unpacks."""
    records = zipfile.ZipFile(file).infolist()
    total = sum(record.file_size for record in records)
    if any(
        r.compress_type != zipfile.ZIP_STORED or r.file_size != r.compress_size for r in records
    ):
        raise DamagedError("is not a checkpoint: its records are compressed")
    if not 0 <= size - total <= _AROUND * (len(records) + 1):
        raise DamagedError("is not a checkpoint: it is larger than its records")
