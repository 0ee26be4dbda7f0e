"""Find, read and judge the checkpoint that a training is to go on from."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

#: What a checkpoint of this LightningModule and this LightningDataModule has.
CONTENTS = {
    "state_dict",
    "optimizer_states",
    "loops",
    "epoch",
    "global_step",
    "hyper_parameters",
    "datamodule_hyper_parameters",
}


class CheckpointError(Exception):
    """The checkpoint cannot be used; the message says which, why, and what to do."""


def find(resume: str, log_dir: Path | str, backprop: str) -> Path:
    """The path that ``--resume`` means: itself, or for ``last`` the newest ``last.ckpt``.

    Raises:
        CheckpointError: there is none.
    """
    if resume != "last":
        path = Path(resume)
        if not path.is_file():
            raise CheckpointError(f"--resume {resume}: there is no such file")
        return path
    runs = Path(log_dir, backprop)
    saved = sorted(runs.glob("*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    if not saved:
        raise CheckpointError(f"--resume last: no run below {runs} has a last.ckpt")
    return saved[-1]


def read(path: Path) -> dict[str, Any]:
    """The checkpoint's contents; nothing in it is executed.

    Raises:
        CheckpointError: it is truncated, of another program, or no checkpoint at all.
    """
    try:
        # weights_only: a pickle can run any code, this subset of it cannot.
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # torch.load raises whatever the broken bytes lead to
        raise CheckpointError(
            f"{path} is truncated or no checkpoint: give one that torch_models.train has saved"
        ) from error
    if not isinstance(contents, dict) or not contents.keys() >= CONTENTS:
        raise CheckpointError(
            f"{path} is not a checkpoint of torch_models.train: give one that it has saved"
        )
    return contents


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
        f"{name} {saved.get(name)} there, {value} here"
        for name, value in wanted.items()
        if saved.get(name) != value
    ]
    if not differences and _shapes(contents["state_dict"]) != _shapes(weights):
        differences = ["weights of other names or shapes"]
    if differences:
        raise CheckpointError(
            f"{path} is of another training: {'; '.join(differences)}: "
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


def _shapes(weights: dict) -> dict[str, Any]:
    return {name: getattr(weight, "shape", None) for name, weight in weights.items()}
