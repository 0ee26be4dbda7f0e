"""The data sets as a LightningDataModule."""

from pathlib import Path

import lightning as L
import torch

from torch_models import datasets
from torch_models.batches import Batches, Executions
from torch_models.names import STEPS_PER_EXECUTION


class TrainingData(L.LightningDataModule):
    """Batches of ``datasets.load``, taken by index from tensors on the training device.

    The hyperparameters, which a checkpoint keeps, hold the name of the data actually used.

    Args:
        dataset: a name in ``names.DATASETS``.
        data_dir: the folder of the data sets; MNIST is in its ``MNIST/raw``.
        batch_size: images in a batch, or ``"full"``.
        seed: decides the split into training and validation, and the order of the batches.
        train_size, val_size: number of images; ``None`` as in ``datasets.load``.
        steps_per_execution: batches that the network takes in one step of the trainer.
        text_dir: folder of the text that ``gpt`` learns; ``None`` for Python's standard library.
        sample: the shape of one sample, as the network takes it: (784,) or (1, 28, 28).

    Batches are (images (n, *sample), labels (n)).

    Raises:
        DataError: (by ``setup``) the data are missing or damaged, or fewer than asked for.
        ValueError: (by ``setup``) for an unknown data set.
    """

    def __init__(
        self,
        dataset: str = "auto",
        data_dir: Path | str = "data",
        batch_size: int | str = 128,
        seed: int = 0,
        train_size: int | None = None,
        val_size: int | None = None,
        steps_per_execution: int = STEPS_PER_EXECUTION,
        text_dir: Path | str | None = None,
        sample: tuple[int, ...] = (784,),
    ) -> None:
        super().__init__()
        # No hyperparameter: nothing that is trained depends on it.
        self.steps_per_execution = steps_per_execution
        self.wanted, self.data_dir = dataset, data_dir
        self.sizes, self.text_dir, self.sample = (train_size, val_size), text_dir, sample
        self.samples: datasets.Samples | None = None
        self.save_hyperparameters(
            {"dataset": dataset, "batch_size": batch_size, "seed": seed}, logger=False
        )

    def prepare_data(self) -> None:
        """Load, after downloading what is absent; Lightning calls it on one process a machine."""
        self._load(download_absent=True)

    def setup(self, stage: str | None = None) -> None:
        """Load, without a network, in the processes that have nothing yet."""
        self._load(download_absent=False)

    def _load(self, download_absent: bool) -> None:
        if self.samples is None:
            seed = self.hparams["seed"]
            self.samples = datasets.load(
                self.wanted, self.data_dir, seed, download_absent, *self.sizes, self.text_dir
            ).shaped(self.sample)
            self.hparams["dataset"] = self.samples.name
            self.hparams["train_size"] = len(self.samples.train[1])
            self.hparams["val_size"] = len(self.samples.val[1])
            if self.samples.digest:
                self.hparams["text"] = self.samples.digest

    def train_dataloader(self) -> Executions:
        """Shuffled anew each epoch, by the seed and the epoch; this process's share of them."""
        assert self.trainer is not None
        batches = self._loaded().training_batches(
            self.hparams["batch_size"],
            self.hparams["seed"],
            self._device(),
            rank=self.trainer.global_rank,
            ranks=self.trainer.world_size,
        )
        return Executions(batches, self.steps_per_execution)

    def val_dataloader(self) -> Batches:
        """In order."""
        return self._loaded().val_batches(self._device())

    def test_dataloader(self) -> Batches:
        """In order."""
        return self._loaded().test_batches(self._device())

    def _loaded(self) -> datasets.Samples:
        assert self.samples is not None, "Lightning calls setup() before it asks for batches"
        return self.samples

    def _device(self) -> torch.device:
        assert self.trainer is not None
        return self.trainer.strategy.root_device


#: Another name of it, for those who only use images.
ImageData = TrainingData
