"""What a run leaves behind: scalars and hyperparameters for TensorBoard, and checkpoints."""

import math
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

#: The page of custom scalars that every run adds its charts to.
CUSTOM_PAGE = "manual against autograd"


class RunLogger(TensorBoardLogger):
    """A TensorBoardLogger that draws no curve of what is none."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Leave out Lightning's count of epochs, and the NaN that announces a metric."""
        drawn = {
            name: value
            for name, value in metrics.items()
            if name != "epoch" and math.isfinite(value)
        }
        super().log_metrics(drawn, step)


def run_logger(log_dir: Path | str, backprop: str, version: str | None = None) -> RunLogger:
    """Logs into ``<log_dir>/<backprop>/<version>``, by default the next free ``version_N``.

    One folder for each way of computing the gradient, so that TensorBoard overlays the same
    curve of different ways.
    """
    return RunLogger(log_dir, name=backprop, version=version, default_hp_metric=False)


def log_hyperparameters(logger: TensorBoardLogger, hparams: dict[str, str | int | float]) -> None:
    """Enter a run into TensorBoard's table of hyperparameters.

    The metrics must be named at the start; they are NaN until validation and test give them.
    """
    stages = ("test", "val")
    names = [f"{quantity}/{stage}" for quantity in ("accuracy", "loss") for stage in stages]
    logger.log_hyperparams(hparams, dict.fromkeys(names, float("nan")))


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
