"""The data sets by name, as tensors, without Lightning.

``load`` gives training, validation and test data as float rows in [0, 1] of 28 × 28 = 784 pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from torch_models import extras, mnist
from torch_models.batches import Batches, ShuffledBatches, shuffled
from torch_models.mnist import DataError, NoDataError
from torch_models.names import DATASETS

__all__ = ["CLASSES", "DataError", "Images", "NoDataError", "load"]

CLASSES = 10
#: Of MNIST's 60,000 training images, for validation; and of the digits that are not for test.
MNIST_VALIDATION, DIGITS_VALIDATION = 5_000, 137
#: Validation and test only count, so their batches are as large as is fast.
EVALUATION_BATCH = 1_000

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Images:
    """One data set: float32 images (n, 784) and int64 labels (n,), three times.

    ``name`` is what the data are, never ``auto``; ``warning`` is what the user must be told.
    """

    name: str
    train: Pair
    val: Pair
    test: Pair
    warning: str = ""

    def training_batches(
        self,
        batch_size: int | str = 128,
        seed: int = 0,
        device: torch.device | str = "cpu",
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> ShuffledBatches:
        """Everything that trains takes its batches here: the same seed gives the same batches.

        A ``batch_size`` of ``"full"`` is all images at once; it is that of all ``ranks`` together.
        """
        if isinstance(batch_size, str):
            batch_size = len(self.train[1])
        return ShuffledBatches(*self.train, batch_size, device, seed=seed, rank=rank, ranks=ranks)

    def val_batches(self, device: torch.device | str = "cpu") -> Batches:
        """The validation data in order."""
        return Batches(*self.val, EVALUATION_BATCH, device)

    def test_batches(self, device: torch.device | str = "cpu") -> Batches:
        """The test data in order."""
        return Batches(*self.test, EVALUATION_BATCH, device)


def load(
    dataset: str = "auto",
    data_dir: Path | str = "data",
    seed: int = 0,
    download_absent: bool = True,
    train_size: int | None = None,
    val_size: int | None = None,
) -> Images:
    """Load a data set; ``seed`` decides which training images are held out for validation.

    Args:
        dataset: one of ``names.DATASETS``. ``auto`` is MNIST where ``data_dir`` has it or it can
            be downloaded, else digits with a ``warning``; the others never give anything else.
        data_dir: folder that holds, or gets, ``MNIST/raw`` and ``FashionMNIST/raw``.
        seed: 0 or more.
        download_absent: False for files that must be there already.
        train_size: training images; all that validation leaves if ``None``.
        val_size: images held out for validation; ``MNIST_VALIDATION`` or ``DIGITS_VALIDATION``
            if ``None``.

    Raises:
        NoDataError: files are absent and could not be downloaded.
        DataError: a file is damaged, the folder cannot be read or written, or there are fewer
            images than the two sizes ask for.
        ValueError: the name is unknown.
    """
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set {dataset!r}: choose from {', '.join(DATASETS)}")
    if dataset == "digits":
        return _digits(seed, train_size, val_size)
    where = (data_dir, download_absent)
    if dataset != "auto":
        return _mnist(dataset, where, seed, train_size, val_size)
    try:
        return _mnist("mnist", where, seed, train_size, val_size)
    except NoDataError as error:
        return _digits(seed, train_size, val_size, warning=str(error))


def _mnist(
    dataset: str,
    where: tuple[Path | str, bool],
    seed: int,
    train_size: int | None,
    val_size: int | None,
) -> Images:
    images, labels, test_images, test_labels = mnist.load(dataset, *where)
    train, val = _split(
        images.float() / 255, labels, seed, train_size, val_size or MNIST_VALIDATION
    )
    return Images(dataset, train, val, (test_images.float() / 255, test_labels))


def _digits(seed: int, train_size: int | None, val_size: int | None, warning: str = "") -> Images:
    """scikit-learn's 1,797 scans of handwriting, 8 × 8 pixels of 0 … 16, enlarged to 28 × 28.

    They come with the package, so they need no network. Every fifth one is for test, whatever the
    seed, so that the test accuracies of two runs can be compared.
    """
    with extras.named():
        from sklearn.datasets import load_digits  # a second to import, for this data set alone

    digits = load_digits()
    small = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    images = F.interpolate(small, size=(28, 28), mode="bilinear").flatten(1)
    labels = torch.from_numpy(digits.target).long()
    test = torch.arange(len(labels)) % 5 == 0
    train, val = _split(
        images[~test], labels[~test], seed, train_size, val_size or DIGITS_VALIDATION
    )
    return Images("digits", train, val, (images[test], labels[test]), warning)


def _split(
    images: Tensor, labels: Tensor, seed: int, train_size: int | None, val_size: int
) -> tuple[Pair, Pair]:
    wanted = val_size + (train_size or 1)
    if wanted > len(labels):
        raise DataError(
            f"{train_size or 'at least 1'} images for training and {val_size} for validation are "
            f"more than the {len(labels)} that there are for both: choose a smaller --train-size "
            f"or --val-size"
        )
    order = shuffled(len(labels), seed)
    val = order[:val_size]
    train = order[val_size : val_size + train_size if train_size else None]
    return (images[train], labels[train]), (images[val], labels[val])
