"""Checkpoints that are whole or not there: written aside, then renamed.

A file is renamed in one step or not at all, as long as both names are in one folder. So a training
that is killed while it saves, or that finds the disk full, leaves the checkpoint before this one as
it was, under its name.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from torch_models.sealed import DamagedError, regular, seal, verify

#: Where a run has the checkpoint of its last epoch.
LAST = Path("checkpoints", "last.ckpt")


class NotSavedError(Exception):
    """The run cannot be written; the message says what and why."""


class WrittenAside(TorchCheckpointIO):
    """Saves and loads as Lightning does, but for the above, and with a checksum."""

    #: Whether what was loaded last had a checksum.
    sealed = True

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            NotSavedError: the folder or the disk refuses it.
        """
        path = Path(path)
        aside = path.with_name(f".{path.name}-{os.getpid()}")
        try:
            # The run's own folder is there, or somebody has taken the run away while it ran.
            path.parent.mkdir(exist_ok=True)
            for left_over in path.parent.glob(f".{path.name}-*"):  # of a training that was killed
                left_over.unlink()
            with aside.open("w+b") as file:
                torch.save(checkpoint, file)
                seal(file)
                file.flush()
                os.fsync(file.fileno())  # else the name could be there before the bytes are
            os.replace(aside, path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            if _cause(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            if not isinstance(error, OSError | RuntimeError):
                raise
            cause = _cause(error, OSError)
            reason = getattr(cause, "strerror", None) or error
            raise NotSavedError(f"the checkpoint {path} cannot be written: {reason}") from error

    def load_checkpoint(
        self, path: str | os.PathLike, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The contents of ``path``, verified before they are used; nothing in them is executed.

        Raises:
            OSError, DamagedError: it cannot be read, or is not what was saved.
        """
        with regular(Path(path)) as file:
            self.sealed = verify(file)
            try:
                # weights_only: a pickle can run any code, this subset of it cannot.
                return torch.load(file, map_location=map_location, weights_only=True)
            except Exception as error:  # torch.load raises whatever the broken bytes lead to
                raise DamagedError("is not a checkpoint") from error


def what_is_left(run: Path) -> str:
    """What a run that has ended before its time has left to go on from, in words."""
    last = run / LAST
    if last.exists():
        return f"the last good checkpoint is {last}"
    if run.exists():  # taken away and made again by who still writes into it, for all we know
        return "there is no checkpoint to resume from"
    return f"{run} is gone, with its checkpoints"


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """What is behind it: torch.save, interrupted or out of space, complains of a wrong position."""
    while error is not None and not isinstance(error, kind):
        error = error.__context__
    return error


def checkpoints(logger: TensorBoardLogger) -> list[ModelCheckpoint]:
    """Keep ``best.ckpt`` (smallest validation loss) and ``last.ckpt`` in the run's folder.

    Saved when an epoch is over, its logging included: a training that is resumed starts with a
    whole epoch. They are two callbacks because one with ``save_last`` saves its last checkpoint
    only in epochs that are also the best so far.
    """
    return [
        ModelCheckpoint(
            # Given, it is made absolute: the run can then be resumed from another folder.
            dirpath=Path(logger.log_dir, "checkpoints"),
            filename=name,
            monitor=monitor,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        for name, monitor in (("best", "loss/val"), ("last", None))
    ]
