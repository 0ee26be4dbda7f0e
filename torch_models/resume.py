"""Find, read and judge the checkpoint that a training is to go on from."""

import os
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from torch_models.checkpoints import LAST, WrittenAside
from torch_models.classifier import Classifier
from torch_models.dashboards.logger import forget_hyperparameters
from torch_models.progress import say
from torch_models.resumable import malformed
from torch_models.sealed import DamagedError

#: What a checkpoint of this LightningModule and this LightningDataModule has, none of it empty.
CONTENTS: dict[str, type] = {
    "state_dict": dict,
    "optimizer_states": list,
    "loops": dict,
    "epoch": int,  # which a bool is as well, but none that fits; see ``resumable``
    "global_step": int,
    "hyper_parameters": dict,
    "datamodule_hyper_parameters": dict,
    "pytorch-lightning_version": str,
}


class CheckpointError(Exception):
    """The checkpoint cannot be used; the message says which, why, and what to do."""


def find(resume: str, log_dir: Path | str, name: str) -> Path:
    """The path that ``--resume`` means: itself, or for ``last`` the newest run's ``last.ckpt``.

    A run that was ended in its first epoch has none yet: that path is still where it goes on.

    Raises:
        CheckpointError: there is none.
    """
    if resume != "last":
        if not os.path.lexists(resume):
            raise CheckpointError(f"--resume {resume}: there is no such file")
        return Path(resume)
    runs = Path(log_dir, name)
    try:
        newest = max((path for path in runs.glob("version_*") if path.is_dir()), key=_saved)
    except (ValueError, OSError):
        raise CheckpointError(f"--resume last: there is no run below {runs}") from None
    return newest / LAST


def _saved(run: Path) -> int:
    """When the run was saved, or at least begun."""
    last = run / LAST
    return (last if last.exists() else run).stat().st_mtime_ns


def read(path: Path) -> dict[str, Any]:
    """The checkpoint's contents; nothing in it is executed.

    Raises:
        CheckpointError: it is truncated, of another program, or no checkpoint at all.
    """
    reader = WrittenAside()
    try:
        contents = reader.load_checkpoint(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except DamagedError as error:
        raise CheckpointError(f"{path} {error}: give one that torch_models.train saved") from error
    if not reader.sealed:
        say(f"{path} has no checksum, as in older versions; the CRC-32 of its records is correct")
    if not isinstance(contents, dict) or not all(
        isinstance(contents.get(name), kind) and contents[name] not in ({}, [])
        for name, kind in CONTENTS.items()
    ):
        raise CheckpointError(
            f"{path} is not a checkpoint of torch_models.train: give one that it saved"
        )
    return contents


def check_progress(
    path: Path,
    contents: dict[str, Any],
    trainer: L.Trainer,
    model: Classifier,
    steps: int,
) -> None:
    """Refuse what Lightning could not go on from, or only in another way than it was saved.

    Args:
        path: for the message.
        contents: what ``read`` gave.
        trainer, model, steps: see ``resumable.malformed``.

    Raises:
        CheckpointError: naming what is wrong.
    """
    if wrong := list(malformed(contents, trainer, model, steps)):
        raise CheckpointError(
            f"{path} is malformed in {', '.join(wrong)}: give one that torch_models.train saved"
        )


def check(path: Path, contents: dict[str, Any], wanted: dict[str, Any], weights: dict) -> None:
    """Refuse a checkpoint of another training than the one that the command describes.

    Args:
        path: for the message.
        contents: what ``read`` gave.
        wanted: the command's hyperparameters.
        weights: the ``state_dict`` that will be overwritten.

    Raises:
        CheckpointError: naming every difference.
    """
    saved = contents["hyper_parameters"] | contents["datamodule_hyper_parameters"]
    differences = [
        f"{name} is {saved.get(name)} there and {value} here"
        for name, value in wanted.items()
        if type(saved.get(name)) is not type(value) or saved[name] != value
    ]
    if not differences and _shapes(contents["state_dict"]) != _shapes(weights):
        differences = ["weights with other names, shapes or precision"]
    if differences:
        raise CheckpointError(
            f"{path} belongs to another training: {'; '.join(differences)}: "
            f"give the options of that run, or start a new one without --resume"
        )


@rank_zero_only
def forget_later(logger: TensorBoardLogger, step: int) -> None:
    """Strike from the curves what a training logged after its checkpoint of ``step`` and repeats.

    Whoever reads the event files leaves out what an earlier one has from this step on.
    """
    start = Event(step=step, session_log=SessionLog(status=SessionLog.START))
    logger.experiment.file_writer.add_event(start, step)
    logger.experiment.flush()
    forget_hyperparameters(Path(logger.log_dir))


@rank_zero_only
def start_over(logger: TensorBoardLogger) -> None:
    """Strike all that a training logged which was ended before its first checkpoint."""
    forget_later(logger, 0)
    # Its options were not checked against anything; these are never written over.
    Path(logger.log_dir, logger.NAME_HPARAMS_FILE).unlink(missing_ok=True)


def _shapes(weights: dict) -> dict[str, Any]:
    return {
        name: (weight.shape, weight.dtype, weight.layout)
        if isinstance(weight, torch.Tensor)
        else None
        for name, weight in weights.items()
    }
