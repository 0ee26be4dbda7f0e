"""The logger of a run: scalars and hyperparameters for TensorBoard."""

import math
from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard import FileWriter
from torch.utils.tensorboard.summary import hparams as summaries

#: The page of custom scalars that every run adds its charts to.
CUSTOM_PAGE = "manual against autograd"
#: What the name of the file of hyperparameters ends with.
SUFFIX = ".hparams"


class RunLogger(TensorBoardLogger):
    """A TensorBoardLogger that draws no curve of what is none."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Leave out Lightning's count of epochs, and a test's figures: a curve of one point."""
        drawn = {
            name: value
            for name, value in metrics.items()
            if name != "epoch" and not name.endswith("/test") and math.isfinite(value)
        }
        super().log_metrics(drawn, step)


def run_logger(log_dir: Path | str, name: str, version: str | None = None) -> RunLogger:
    """Logs into ``<log_dir>/<name>/<version>``, by default the next free ``version_N``.

    One name for each network and way of computing the gradient, so that TensorBoard overlays the
    same curve of different ways.
    """
    return RunLogger(log_dir, name=name, version=version, default_hp_metric=False)


@rank_zero_only
def keep_hyperparameters(logger: TensorBoardLogger, hparams: dict[str, str | int | float]) -> None:
    """Write them to the run's ``hparams.yaml``."""
    logger.hparams.update(hparams)
    logger.save()


@rank_zero_only
def log_hyperparameters(
    logger: TensorBoardLogger, hparams: dict[str, str | int | float], tested: dict[str, float]
) -> None:
    """Enter a run into TensorBoard's table of hyperparameters, the test's figures among them.

    TensorBoard keeps what it is told of a run first, so this waits for the end; and has a file of
    its own, which a training that goes on from there can take away.
    """
    metrics = dict.fromkeys((f"{what}/val" for what in ("accuracy", "loss")), 0.0)  # names alone
    table = hparams | {name.replace("/", ", "): value for name, value in tested.items()}
    logger.experiment.flush()
    writer = FileWriter(logger.log_dir, filename_suffix=SUFFIX)
    for summary in summaries(table, metrics):
        writer.add_summary(summary)
    writer.close()


def forget_hyperparameters(run: Path) -> None:
    """Take a run out of that table, now that it goes on."""
    for file in run.glob(f"*{SUFFIX}"):
        file.unlink(missing_ok=True)
