"""The folder of a run: made for one training alone, or the one that its checkpoint lies in."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


class RefusedError(Exception):
    """The command cannot be carried out; the message is the one line that the user gets."""


@contextmanager
def run_folder(log_dir: str, name: str, checkpoint: Path | None) -> Iterator[Path]:
    """Within it, the folder ``<log_dir>/<name>/version_N`` is this training's alone.

    It is the one that ``checkpoint`` was saved in, or a new one; a new one that nothing was put
    into is taken away again.

    Raises:
        RefusedError: the folder cannot be written, or another training writes into it.
    """
    from torch_models.ranks import is_first

    if not is_first():
        # What the first of several processes claims is its affair: the others write nothing.
        yield Path(log_dir, name, "version_0")
        return
    if checkpoint and checkpoint.absolute().parent.name == "checkpoints":
        run = checkpoint.absolute().parent.parent
    else:
        run = claim(Path(log_dir, name))
    require_writable(run)
    with _alone_in(run):
        try:
            yield run
        finally:
            with contextlib.suppress(OSError):
                run.rmdir()  # which takes away empty folders only


def claim(runs: Path) -> Path:
    """Make the folder of the next version. It cannot be made twice, so two trainings get two."""
    require_writable(runs)
    versions = [re.fullmatch(r"version_(\d+)", path.name) for path in runs.iterdir()]
    for number in count(max((int(version[1]) + 1 for version in versions if version), default=0)):
        with contextlib.suppress(FileExistsError):
            run = runs / f"version_{number}"
            run.mkdir()
            return run
    raise AssertionError("numbers do not end")


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    """Refuse a folder that another training is in; a lock ends with its process, even killed."""
    if os.name != "posix":
        yield
        return
    import fcntl

    lock = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RefusedError(f"another training is writing to {run}: wait for it to end") from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(lock)


def require_writable(folder: Path) -> None:
    """Raises RefusedError unless files can be made in the folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RefusedError(
            f"--log-dir: {folder} cannot be written ({error.strerror}): choose another folder"
        ) from error
