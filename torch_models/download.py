"""Download one file from the first mirror that has it, with a limit to one's patience.

The transfer is torchvision's. It has no time-out, and those of sockets cover neither the look-up
of a name, nor the many addresses of one host, nor a server that sends a byte now and then. So it
runs in a thread, and the caller watches what it achieves: a file that grows too little in
``PATIENCE`` seconds is given up, whatever the reason.
"""

import contextlib
import hashlib
import io
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

#: Seconds in which a transfer must bring ``PACE`` bytes or end.
PATIENCE = 10.0
#: 26 kB/s; the largest file of MNIST then takes at most six minutes.
PACE = 256 * 1024


class DownloadError(Exception):
    """No mirror gave the file; the message has one ``URL: reason`` for each that was tried."""


def download(urls: Sequence[str], target: Path, md5: str) -> None:
    """Put the file with this md5 at ``target``, from the first of ``urls`` that gives it.

    It gets its name when it is complete and checked, so two downloads at once, or a killed one,
    leave no damaged file behind.

    Raises:
        DownloadError: all failed.
        OSError: the folder of ``target`` cannot be written.
    """
    failures = []
    for url in urls:
        sys.stderr.write(f"downloading {url}\n")
        with TemporaryDirectory(
            dir=target.parent, prefix=".download-", ignore_cleanup_errors=True
        ) as folder:
            part = Path(folder, target.name)
            try:
                _transfer(url, part)
            except _TransferError as failure:
                failures.append(f"{url}: {failure}")
                continue
            with part.open("rb") as file:
                found = hashlib.file_digest(file, _md5).hexdigest()
            if found != md5:
                failures.append(f"{url}: sent a file with md5 {found}, expected {md5}")
                continue
            os.replace(part, target)
            return
    raise DownloadError("; ".join(failures))


class _TransferError(Exception):
    """Why this mirror did not work."""


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _transfer(url: str, part: Path) -> None:
    from torchvision.datasets.utils import download_url  # whose names and mirrors got us here

    errors: list[Exception] = []

    def work() -> None:
        try:
            download_url(url, str(part.parent), part.name)
        except Exception as error:  # whatever it is, the next mirror may do better
            errors.append(error)

    # A daemon, since nothing can stop a thread: given up, it must not keep the process alive.
    worker = threading.Thread(target=work, daemon=True)
    with _bar_in_a_terminal_only():
        worker.start()
        size = 0
        while True:
            worker.join(PATIENCE)
            if not worker.is_alive():
                break
            before, size = size, part.stat().st_size if part.exists() else 0
            if size - before < PACE:
                raise _TransferError(f"timed out, {size - before:,} bytes in {PATIENCE:g} seconds")
    if errors:
        raise _TransferError(" ".join(str(errors[0]).split()) or type(errors[0]).__name__)


def _bar_in_a_terminal_only() -> contextlib.AbstractContextManager:
    """torchvision draws its progress bar on any stderr; elsewhere it would be control codes."""
    if sys.stderr.isatty():
        return contextlib.nullcontext()
    return contextlib.redirect_stderr(io.StringIO())
