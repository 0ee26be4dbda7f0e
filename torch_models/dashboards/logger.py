"""The logger of a run: scalars and hyperparameters for TensorBoard."""

import math
from collections.abc import Mapping
from pathlib import Path

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


def run_logger(log_dir: Path | str, name: str, version: str | None = None) -> RunLogger:
    """Logs into ``<log_dir>/<name>/<version>``, by default the next free ``version_N``.

    One name for each network and way of computing the gradient, so that TensorBoard overlays the
    same curve of different ways.
    """
    return RunLogger(log_dir, name=name, version=version, default_hp_metric=False)


def log_hyperparameters(logger: TensorBoardLogger, hparams: dict[str, str | int | float]) -> None:
    """Enter a run into TensorBoard's table of hyperparameters.

    The metrics must be named at the start; they are NaN until validation and test give them.
    """
    stages = ("test", "val")
    names = [f"{quantity}/{stage}" for quantity in ("accuracy", "loss") for stage in stages]
    logger.log_hyperparams(hparams, dict.fromkeys(names, float("nan")))
