"""What a run leaves behind: scalars and hyperparameters for TensorBoard, and checkpoints."""

from pathlib import Path

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger


def run_logger(log_dir: Path | str, backprop: str, version: str | None = None) -> TensorBoardLogger:
    """Logs into ``<log_dir>/<backprop>/<version>``, by default the next free ``version_N``.

    One folder for each way of computing the gradient, so that TensorBoard overlays the same
    curve of different ways.
    """
    return TensorBoardLogger(log_dir, name=backprop, version=version, default_hp_metric=False)


def log_hyperparameters(logger: TensorBoardLogger, hparams: dict[str, str | int | float]) -> None:
    """Enter a run into TensorBoard's table of hyperparameters.

    The metric must be named at the start; it is NaN until the first validation gives it.
    """
    logger.log_hyperparams(hparams, {"loss/val": float("nan")})


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
