"""Whole batches, taken by index from tensors that live on the training device.

No per-sample Python, no worker processes, no copy to the device in the loop: for samples of this
size those are most of a step's time.
"""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from torch_models import extras

with extras.named():
    import numpy as np

Batch = tuple[Tensor, Tensor]


class Batches:
    """Batches (samples (n, …), labels (n, …)) in order; the last one keeps what is left."""

    def __init__(
        self, samples: Tensor, labels: Tensor, batch_size: int, device: torch.device | str = "cpu"
    ) -> None:
        """Put the data on ``device``.

        Raises:
            ValueError: no samples, not one label for each sample, or a batch size below 1.
        """
        if len(samples) == 0 or len(samples) != len(labels):
            raise ValueError(
                f"cannot form a batch of {len(samples)} samples with {len(labels)} labels"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.samples, self.labels = samples.to(device), labels.to(device)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.samples) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return zip(
            self.samples.split(self.batch_size), self.labels.split(self.batch_size), strict=True
        )


class ShuffledBatches(Batches):
    """Batches in an order of their own for each epoch.

    The order depends on ``(seed, epoch)`` and on nothing else: not on the device, the global
    random state, or how far the training has come. So a resumed training sees what an
    uninterrupted one would have seen, and two trainings see the same.

    Of ``ranks`` processes that train together, each takes its equal share of every batch, so that
    the mean of their gradients is the gradient of the whole batch. What does not divide (fewer than
    ``ranks`` samples, of an epoch's last batch only) is left out of that epoch.

    Iterate over the object itself for the epoch chosen by ``set_epoch``, or over ``of_epoch(e)``.
    """

    def __init__(
        self,
        samples: Tensor,
        labels: Tensor,
        batch_size: int,
        device: torch.device | str = "cpu",
        *,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Put the data on ``device``.

        Raises:
            ValueError: as for ``Batches``, or the ranks cannot share a batch equally.
        """
        super().__init__(samples, labels, batch_size, device)
        if min(batch_size, len(samples)) % ranks:
            raise ValueError(
                f"{ranks} processes cannot share a batch of {min(batch_size, len(samples))} equally"
            )
        self.rank, self.ranks = rank, ranks
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        whole, left = divmod(len(self.samples), self.batch_size)
        return whole + (left >= self.ranks)

    def __iter__(self) -> Iterator[Batch]:
        # A generator, so that the epoch is read at the first batch: Lightning makes the iterator
        # of a resumed training before it says which epoch it is in.
        yield from self.of_epoch(self.epoch)

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0."""
        order = shuffled(len(self.samples), self.seed, epoch).to(self.samples.device)
        for whole in order.split(self.batch_size)[: len(self)]:
            index = whole[: len(whole) // self.ranks * self.ranks][self.rank :: self.ranks]
            yield self.samples.index_select(0, index), self.labels.index_select(0, index)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        self.epoch = epoch


class Executions:
    """What Lightning hands on at once: ``steps`` batches, each made when its turn comes.

    Lightning takes about a millisecond around everything that it hands on, more than a step of a
    small network needs. An epoch's last execution has the batches that are left.
    """

    def __init__(self, batches: ShuffledBatches, steps: int) -> None:
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return -(-len(self.batches) // self.steps)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        batches = iter(self.batches)
        for _ in range(len(self)):
            yield islice(batches, self.steps)

    @property
    def sampler(self) -> ShuffledBatches:
        """Where Lightning looks for ``set_epoch``."""
        return self.batches


def shuffled(n: int, *seed: int) -> Tensor:
    """A permutation of 0 … n − 1 (int64, CPU), the same for the same seeds everywhere."""
    # SeedSequence mixes the numbers: (0, 1) and (1, 0) have nothing in common.
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return torch.randperm(n, generator=torch.Generator().manual_seed(int(state[0])))
