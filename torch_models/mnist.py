"""MNIST and Fashion-MNIST: the four gzip files as they were published, where torchvision has them.

Names, md5 sums and mirrors are torchvision's. The files are verified and read as they are: nothing
is unpacked beside them, so the folder may be read-only. A file that is there and is not the
original stops the work, in the hope that nobody trains on it, or loses it, without knowing.
"""

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torch_models import extras
from torch_models.download import DownloadError, download
from torch_models.sealed import DamagedError, regular

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

#: Images and labels in a file, by the start of its name. An IDX file begins with a magic number of
#: 4 bytes, its type and number of dimensions, and 4 bytes for each dimension's size.
COUNTS = {"train": 60_000, "t10k-": 10_000}

#: Bytes of a file at most: the largest, Fashion-MNIST's training images, has 26 million.
LARGEST = 2**25


class DataError(Exception):
    """The data cannot be had or cannot be trusted; the message says which, and what to do."""


class NoDataError(DataError):
    """Files are absent and could not be downloaded."""


def source(dataset: str) -> "type[MNIST]":
    """torchvision's class of the data set, imported only where one is asked for."""
    with extras.named():
        from torchvision.datasets import MNIST, FashionMNIST

    return {"mnist": MNIST, "fashion-mnist": FashionMNIST}[dataset]


def folder(dataset: str, data_dir: Path | str) -> Path:
    """Where the four files lie: ``<data_dir>/MNIST/raw`` or ``<data_dir>/FashionMNIST/raw``."""
    return Path(data_dir, source(dataset).__name__, "raw")


def load(dataset: str, data_dir: Path | str, download_absent: bool = True) -> list[Tensor]:
    """The four files' contents: training images and labels, test images and labels.

    Images are uint8 (n, 784), labels int64 (n,). Files that are there are verified before any
    that are not are downloaded.

    Raises:
        NoDataError: files are absent, and the download failed or was not wanted.
        DataError: a file is not the original, or cannot be read; the folder cannot be written.
    """
    where = folder(dataset, data_dir)
    files = source(dataset).resources
    contents = {name: _verified(where / name, md5) for name, md5 in files}
    for name, md5 in files:
        if contents[name] is None:
            if not download_absent:
                raise NoDataError(f"{where / name} is missing")
            _fetch(dataset, where, name, md5)
            contents[name] = _verified(where / name, md5)
    return [_tensor(name, contents[name]) for name, _ in files]


def _verified(path: Path, md5: str) -> bytes | None:
    """The file's bytes, or None where there is no such file."""
    try:
        with regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read() if size <= LARGEST else b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except DamagedError as error:
        raise DataError(f"{path} {error}: put the original in its place") from error
    if size > LARGEST:
        raise DataError(
            f"{path} is not the original: it has {size:,} bytes, and none has more than "
            f"{LARGEST:,}; delete it to have it downloaded again, or put the original in its place"
        )
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(
            f"{path} is damaged or not the original: its md5 is {found}, expected {md5}; "
            f"delete it to have it downloaded again, or put the original in its place"
        )
    return content


def _fetch(dataset: str, where: Path, name: str, md5: str) -> None:
    published = source(dataset)
    try:
        where.mkdir(parents=True, exist_ok=True)
        download([mirror + name for mirror in published.mirrors], where / name, md5)
    except OSError as error:
        raise DataError(
            f"{where} lacks {name} and cannot be written ({error.strerror}); "
            f"choose another folder with --data-dir"
        ) from error
    except DownloadError as error:
        files = ", ".join(name for name, _ in published.resources)
        raise NoDataError(
            f"{where} lacks {name}, and it could not be downloaded ({error}); "
            f"to work offline, put these four files into {where}: {files}"
        ) from error


def _tensor(name: str, content: bytes | None) -> Tensor:
    """What the file holds, taken for no more than it is even where its md5 was not in doubt."""
    assert content is not None
    magic, *shape = (
        (2051, COUNTS[name[:5]], 28, 28) if "images" in name else (2049, COUNTS[name[:5]])
    )
    size = 4 * (1 + len(shape)) + math.prod(shape)
    try:
        with gzip.open(io.BytesIO(content)) as file:
            # One byte more than it may have: a file that unpacks to gigabytes is not unpacked.
            numbers = bytearray(file.read(size + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is damaged: {error}") from error
    if len(numbers) != size:
        found = "more" if len(numbers) > size else f"{len(numbers):,}"
        raise DataError(f"{name} is damaged: it unpacks to {found} bytes, expected {size:,}")
    start = size - math.prod(shape)
    header = struct.unpack(f">{1 + len(shape)}i", numbers[:start])
    if header != (magic, *shape):
        raise DataError(f"{name} is damaged: it starts with {header}, expected {(magic, *shape)}")
    values = torch.frombuffer(numbers, dtype=torch.uint8, offset=start)
    if "images" in name:
        return values.view(-1, 28 * 28)
    if values.max() > 9:
        raise DataError(f"{name} is damaged: it has a label {int(values.max())}, expected 0 to 9")
    return values.long()
