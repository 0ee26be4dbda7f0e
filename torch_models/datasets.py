"""The data sets by name, as tensors, without Lightning.

``load`` gives training, validation and test data: images as float rows in [0, 1] of 28 × 28 = 784
pixels, text as rows of bytes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from torch_models import extras, mnist, text
from torch_models.batches import Batches, ShuffledBatches, shuffled
from torch_models.mnist import DataError, NoDataError
from torch_models.names import DATASETS, TEXT_TRAINING

__all__ = ["DataError", "NoDataError", "Samples", "load"]

#: Of MNIST's 60,000 training images, for validation; and of the digits that are not for test.
MNIST_VALIDATION, DIGITS_VALIDATION = 5_000, 137
#: Sequences of text for validation and for test, at most.
TEXT_VALIDATION = TEXT_TEST = 500
#: Validation and test only count, so their batches are as large as is fast.
EVALUATION_BATCH, TEXT_EVALUATION_BATCH = 1_000, 50
#: Bytes in a sequence.
SEQUENCE = 128

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Samples:
    """One data set: samples and int64 labels, three times.

    Images are float32 (n, 784) with labels (n,), sequences of bytes int64 (n, 128) with labels
    (n, 128), the byte that follows each.
    """

    name: str
    """What the data are, never ``auto``."""
    train: Pair
    val: Pair
    test: Pair
    warning: str = ""
    """What the user must be told."""
    digest: str = ""
    """What tells texts apart."""
    evaluation_batch: int = EVALUATION_BATCH

    @property
    def is_text(self) -> bool:
        """Whether a label is the byte that follows."""
        return self.name == "text"

    def shaped(self, shape: tuple[int, ...]) -> "Samples":
        """The same with each sample in this shape."""
        train, val, test = ((x.view(-1, *shape), y) for x, y in (self.train, self.val, self.test))
        return replace(self, train=train, val=val, test=test)

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

        A ``batch_size`` of ``"full"`` is all samples at once; it is that of all ``ranks`` together.
        """
        if isinstance(batch_size, str):
            batch_size = len(self.train[1])
        return ShuffledBatches(*self.train, batch_size, device, seed=seed, rank=rank, ranks=ranks)

    def val_batches(self, device: torch.device | str = "cpu") -> Batches:
        """The validation data in order."""
        return Batches(*self.val, self.evaluation_batch, device)

    def test_batches(self, device: torch.device | str = "cpu") -> Batches:
        """The test data in order."""
        return Batches(*self.test, self.evaluation_batch, device)


def load(
    dataset: str = "auto",
    data_dir: Path | str = "data",
    seed: int = 0,
    download_absent: bool = True,
    train_size: int | None = None,
    val_size: int | None = None,
    text_dir: Path | str | None = None,
) -> Samples:
    """Load a data set; ``seed`` decides which training samples are held out for validation.

    Args:
        dataset: one of ``names.DATASETS``. ``auto`` is MNIST where ``data_dir`` has it or it can
            be downloaded, else digits with a ``warning``; the others never give anything else.
        data_dir: folder that holds, or gets, ``MNIST/raw`` and ``FashionMNIST/raw``.
        seed: 0 or more.
        download_absent: False for files that must be there already.
        train_size: training samples; if ``None`` all that validation leaves, of text
            ``TEXT_TRAINING`` at most.
        val_size: samples held out for validation; ``MNIST_VALIDATION``, ``DIGITS_VALIDATION`` or
            ``TEXT_VALIDATION`` if ``None``.
        text_dir: folder of the text; ``None`` for Python's standard library.

    Raises:
        NoDataError: files are absent and could not be downloaded.
        DataError: a file is damaged, the folder cannot be read or written, or there are fewer
            samples than the two sizes ask for.
        ValueError: the name is unknown.
    """
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set {dataset!r}: choose from {', '.join(DATASETS)}")
    if dataset == "digits":
        return _digits(seed, train_size, val_size)
    if dataset == "text":
        return _text(text_dir, seed, train_size, val_size)
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
) -> Samples:
    images, labels, test_images, test_labels = mnist.load(dataset, *where)
    train, val = _split(
        images.float() / 255, labels, seed, train_size, val_size or MNIST_VALIDATION
    )
    return Samples(dataset, train, val, (test_images.float() / 255, test_labels))


def _digits(seed: int, train_size: int | None, val_size: int | None, warning: str = "") -> Samples:
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
    return Samples("digits", train, val, (images[test], labels[test]), warning)


def _text(
    folder: Path | str | None, seed: int, train_size: int | None, val_size: int | None
) -> Samples:
    """The last tenth of the text is for test, whatever the seed; of it every so many sequences."""
    x, following, digest = text.load(folder, SEQUENCE)
    there = len(x) - max(len(x) // 10, 1)
    val_size = val_size or min(TEXT_VALIDATION, max(there // 10, 1))
    if train_size is None and there > val_size:
        train_size = min(TEXT_TRAINING, there - val_size)
    train, val = _split(x[:there], following[:there], seed, train_size, val_size)
    every = -(-(len(x) - there) // TEXT_TEST)
    test = x[there::every], following[there::every]
    return Samples("text", train, val, test, digest=digest, evaluation_batch=TEXT_EVALUATION_BATCH)


def _split(
    samples: Tensor, labels: Tensor, seed: int, train_size: int | None, val_size: int
) -> tuple[Pair, Pair]:
    wanted = val_size + (train_size or 1)
    if wanted > len(labels):
        raise DataError(
            f"{train_size or 'at least 1'} samples for training and {val_size} for "
            f"validation are more than the {len(labels)} available: choose a smaller --train-size "
            f"or --val-size"
        )
    order = shuffled(len(labels), seed)
    val = order[:val_size]
    train = order[val_size : val_size + train_size if train_size else None]
    return (samples[train], labels[train]), (samples[val], labels[val])
