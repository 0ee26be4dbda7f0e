"""What a training shows while it runs: one line an epoch, and in a terminal a bar as well."""

import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from torch_models.batches import Executions
from torch_models.classifier import Classifier
from torch_models.printable import printable
from torch_models.streams import streams

#: Seconds between two looks at the figures beside the bar: nobody reads faster.
SECONDS_PER_LOOK = 0.1


class EpochReport(L.Callback):
    """Prints loss and accuracy of training and validation after each epoch.

    While an epoch runs, a terminal shows a bar with loss and accuracy so far.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: Any = None
        self._started = self._looked = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and the bar."""
        self._started = time.perf_counter()
        if trainer.is_global_zero and streams().out.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                console=Console(),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(
                _epoch(trainer), total=len(_executions(trainer).batches), figures=""
            )

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, i: int
    ) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        epoch = _executions(trainer)
        done = min((i + 1) * epoch.steps, len(epoch.batches))
        self._bar.update(self._task, completed=done)
        now = time.perf_counter()
        if now - self._looked > SECONDS_PER_LOOK:
            self._looked = now
            assert isinstance(pl_module, Classifier)
            figures = pl_module.epoch_metrics("train")
            self._bar.update(
                self._task,
                figures=f"loss {figures['loss/train']:.4f}  "
                f"accuracy {figures['accuracy/train']:.4f}",
            )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Replace the bar by the epoch's line."""
        self._close()
        assert isinstance(pl_module, Classifier)
        # Each process has seen its share of the training images, and all of the validation's.
        figures = list(pl_module.epoch_metrics("train").values())
        mean = trainer.strategy.reduce(torch.tensor(figures, device=pl_module.device))
        assert isinstance(mean, torch.Tensor)
        loss, accuracy = mean.tolist()
        if trainer.is_global_zero:
            val = trainer.callback_metrics
            say(
                f"{_epoch(trainer)}  "
                f"train loss {loss:.4f} accuracy {accuracy:.4f}  "
                f"val loss {val['loss/val']:.4f} accuracy {val['accuracy/val']:.4f}  "
                f"{time.perf_counter() - self._started:.1f} s"
            )

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal as it was; Lightning ends the program without a word."""
        self._close()
        if isinstance(exception, KeyboardInterrupt):
            where = "the test" if trainer.testing else f"epoch {trainer.current_epoch + 1}"
            say(f"interrupted in {where}; --resume last repeats it")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@rank_zero_only
def say(line: str) -> None:
    """One line on stdout, from one process, at once.

    A pipe must not hold it back, and a reader who goes away must not end the training.
    """
    streams().out.write(f"{printable(line)}\n")


def _executions(trainer: L.Trainer) -> Executions:
    executions = trainer.train_dataloader
    assert isinstance(executions, Executions)
    return executions


def _epoch(trainer: L.Trainer) -> str:
    width = len(str(trainer.max_epochs))
    return f"epoch {trainer.current_epoch + 1:{width}}/{trainer.max_epochs}"
