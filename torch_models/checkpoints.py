"""Checkpoints that are whole or not there: written aside, then renamed.

A file is renamed in one step or not at all, as long as both names are in one folder. So a training
that is killed while it saves, or that finds the disk full, leaves the checkpoint before this one as
it was, under its name.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO


class NotSavedError(Exception):
    """A checkpoint could not be written; the message says why, and what is left."""


class WrittenAside(TorchCheckpointIO):
    """Saves as Lightning does, but for the above."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            NotSavedError: the folder or the disk refuses it.
        """
        path = Path(path)
        aside = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for left_over in path.parent.glob(f".{path.name}-*"):  # of a training that was killed
                left_over.unlink()
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=f".{path.name}-", delete=False
            ) as file:
                aside = Path(file.name)
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())  # else the name could be there before the bytes are
            os.replace(aside, path)
        except BaseException as error:
            if aside is not None:
                aside.unlink(missing_ok=True)
            if _is_interrupt(error):
                raise KeyboardInterrupt from error
            if not isinstance(error, OSError | RuntimeError):
                raise
            left = "the one before it is as it was" if path.exists() else "there is none yet"
            raise NotSavedError(
                f"the checkpoint {path} cannot be written: {error}; {left}"
            ) from error


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind it: torch.save, interrupted, complains of a file without an end."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
